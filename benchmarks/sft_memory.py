"""Memory of supervised fine-tuning against the number of rows: ``python -m benchmarks.sft_memory``.

Rows of about 5,000 tokens are written as a stream and read as `dunwu sft` reads them: to a token file, which is then opened again as a
resume does it, and trained on for two updates. Each size has a process of its own. ``anonymous`` is the highest RssAnon, the memory that
cannot be given back to the system; ``resident`` is the highest VmHWM, which counts pages of the mapped file too. ``ratio`` is the time of
reading all rows into a list, as was done before, over that of writing the token file (the smallest size only).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.peers import Worker
from benchmarks.results import Options, Result, Row, chosen, finish, parse, result, table, workplace

TOKENS = 5_000
PAPER_ROWS = 800_000
SIZES = {"1k": 1_000, "4k": 4_000, "20k": 20_000, "80k": 80_000}
SHORT = ("1k", "4k")
WORDS = ("the", "sum", "of", "both", "is", "so", "we", "try", "again", "first", "take", "then", "and", "numbers", "result", "check")
MIB = 2**20
STAGES = ("write", "open", "train")


def rows_of(count: int, words: int) -> Iterator[str]:
    """Lines of JSONL, each with a chain of thought of ``words`` words and numbers."""
    draw = random.Random(0)
    for place in range(count):
        thought = " ".join(draw.choice(WORDS) if draw.random() < 0.7 else str(draw.randrange(1000)) for _ in range(words))
        turn = {"role": "assistant", "reasoning_content": thought, "content": f"<answer>{place}</answer>"}
        yield json.dumps({"messages": [{"role": "user", "content": f"What is {place}?"}, turn]}) + "\n"


def measure(names: Sequence[str], options: Options, folder: Path, tokens: int = TOKENS) -> Result:
    """One row for each size."""
    rows: list[Row] = []
    versions: dict[str, str] = {}
    for name in names:
        data = folder / "rows.jsonl"
        worker = Worker.start("dunwu", "sft", {"threads": options.cores, "positions": 2 * tokens}, options.cores, folder)
        try:
            words = worker.ask(do="words", tokens=tokens, sample="".join(rows_of(1, 1_000)))["words"]
            with data.open("w", encoding="utf-8") as file:
                file.writelines(rows_of(SIZES[name], words))
            memory = worker.ask(do="list", data=str(data)) if name == names[0] else {}
            found = worker.ask(do="all", data=str(data), out=str(folder / name))
            peak = worker.peak_rss()
        finally:
            worker.close()
        versions |= worker.versions
        (folder / name / "data.arrow").unlink()
        rows.append({"size": name, "rows": SIZES[name], "list_seconds": memory.get("seconds"), "peak": peak, **found})
    return result("sft_memory", options, versions, {}, rows)


def for_paper(rows: Sequence[Row]) -> float:
    """Bytes for the paper's rows: the highest anonymous peak, and for each further row what it grew by from the first size to the last."""
    first, last = rows[0], rows[-1]
    low, high = (max(row[stage]["anonymous"] for stage in STAGES) for row in (first, last))
    growth = max(0.0, (high - low) / max(1, last["rows"] - first["rows"]))
    return float(max(low, high) + growth * (PAPER_ROWS - last["rows"]))


def text(found: Result) -> str:
    """The table, and what it says of 800k rows."""
    peaks = [f"anonymous: {stage}, MiB" for stage in STAGES]
    columns = ("rows", "tokens", "token file, MiB", *peaks, "resident, MiB", "tokens/s written", "ratio")
    lines = []
    for row in found["rows"]:
        seconds, before = row["write"]["seconds"], row["list_seconds"]
        memory = [row[stage]["anonymous"] / MIB for stage in STAGES]
        ratio = None if before is None else before / seconds
        lines.append((row["rows"], row["tokens"], row["file"] / MIB, *memory, row["peak"] / MIB, row["tokens"] / seconds, ratio))
    paper = f"{PAPER_ROWS:,} rows, by the growth from the first size to the last: {for_paper(found['rows']) / MIB:,.0f} MiB anonymous."
    return f"{table(columns, lines)}\n\n{paper}"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = parse(__doc__, argv)
    names = chosen(tuple(SIZES), options, SHORT)
    with workplace() as folder:
        found = measure(names, options, folder)
    finish(found, text(found), options)


if __name__ == "__main__":
    main()
