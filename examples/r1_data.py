"""The six data sets of `dunwu r1 --recipe small`, and rows for its cold start, from public data, small enough for a model of 135M weights.

    python examples/r1_data.py DATA --out r1-data

DATA holds JSONL files, plain or gzipped, which you download: `gsm8k/train` and `gsm8k/test` (question, answer), `hh_rlhf/pairs` (subset
such as `helpful-base`, prompt as a list of turns, chosen, rejected: one reply each), `evouna/pairs` (question, gold).
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

PAIRS = 800
"""About so many pairs, and labelled replies."""
LONGEST = 600
"""Characters of a conversation: about 150 tokens."""


def rows(folder: Path, name: str) -> list[Row]:
    """The rows of `NAME.jsonl` or `NAME.jsonl.gz`."""
    for file, opened in ((folder / f"{name}.jsonl", open), (folder / f"{name}.jsonl.gz", gzip.open)):
        if file.exists():
            with opened(file, "rt", encoding="utf-8") as lines:
                return [json.loads(line) for line in lines]
    raise SystemExit(f"{folder / name}.jsonl does not exist")


def calculations(solutions: list[Row]) -> dict[str, Row]:
    """The small calculations that GSM8K's solutions consist of (`<<48/2=24>>`), by their question: the easy grade of the reasoning task."""
    found: dict[str, Row] = {}
    for row in solutions:
        for left, sign, right, result in re.findall(r"<<(\d{1,2})([-+*/])(\d{1,2})=(\d+)>>", row["answer"]):
            question = f"What is {left} {sign} {right}?"
            found[question] = {"problem": question, "answer": result, "reasoning": f"{left} {sign} {right} = {result}"}
    return found


def word_problems(solutions: list[Row], steps: int) -> Iterator[Row]:
    """Problems that take at most so many steps: the hard grade."""
    for row in solutions:
        text, _, answer = re.sub(r"<<.*?>>", "", row["answer"]).partition("\n#### ")
        if row["answer"].count("<<") <= steps:
            yield {"problem": row["question"], "answer": answer.strip(), "reasoning": text}


def worked(row: Row) -> Row:
    """A problem with its solution, as a conversation."""
    reply = {"role": "assistant", "reasoning_content": row["reasoning"], "content": f"The answer is \\boxed{{{row['answer']}}}."}
    return {"messages": [{"role": "user", "content": row["problem"]}, reply]}


def reasoning(data: Path) -> dict[str, list[Row]]:
    """Problems of both grades, and a third of those for training worked out."""
    train, test = rows(data / "gsm8k", "train"), rows(data / "gsm8k", "test")
    easy = calculations(train)
    easy_test = [row for question, row in calculations(test).items() if question not in easy]
    training = [*easy.values(), *word_problems(train, 2)]
    return {
        "reasoning/train": [{key: row[key] for key in ("problem", "answer")} for row in training],
        "reasoning/test": [{key: row[key] for key in ("problem", "answer")} for row in (*easy_test, *word_problems(test, 2))],
        "annotated": [worked(row) for row in training[::3]],
    }


def length(row: Row) -> int:
    """Characters of the prompt and the better reply."""
    return sum(len(turn["content"]) for turn in row["prompt"]) + len(row["chosen"])


def conversations(data: Path) -> dict[str, list[Row]]:
    """Rows of people's preferences: as conversations, pairs, labels and prompts."""
    pairs = [row for row in rows(data / "hh_rlhf", "pairs") if length(row) < LONGEST]
    helpful, harmless = ([row for row in pairs if row["subset"] == name] for name in ("helpful-base", "harmless-base"))
    replies = [(row["prompt"], row[key], label) for row in harmless for key, label in (("chosen", "safe"), ("rejected", "unsafe"))]
    first = [row for row in pairs if len(row["prompt"]) == 1]
    return {
        "general": [{"messages": [*row["prompt"], {"role": "assistant", "content": row["chosen"]}]} for row in helpful],
        "pairs": [{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in pairs[:: max(1, len(pairs) // PAIRS)]],
        "labelled": [{"prompt": prompt, "completion": reply, "label": label} for prompt, reply, label in replies[:PAIRS]],
        "prompts": [{"prompt": row["prompt"][0]["content"], "harmful": row["subset"] == "harmless-base"} for row in first],
    }


def questions(data: Path) -> dict[str, list[Row]]:
    """Questions of general knowledge with the first of their answers, each once."""
    found = {row["question"]: row["gold"][0] for row in reversed(rows(data / "evouna", "pairs"))}
    return {"problems": [{"problem": f"{question.rstrip('?')}?", "answer": answer} for question, answer in list(found.items())[:1_500]]}


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    for name, made in {**reasoning(arguments.data), **conversations(arguments.data), **questions(arguments.data)}.items():
        file = arguments.out / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")
        print(f"{file}: {len(made)} rows")


if __name__ == "__main__":
    main()
