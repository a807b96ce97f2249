"""The desk of a stranger: a chat model of their own, data in the formats people have, files that went wrong, runs that ended early."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from dunwu.cli.main import main

ROWS = [{"problem": f"What is {i} + {i + 3}?", "answer": str(2 * i + 3)} for i in range(40)]
CHATS = [
    {"messages": [{"role": "user", "content": f"What is {i} + 1?"}, {"role": "assistant", "content": f"It is {i + 1}."}]} for i in range(8)
]
PAIRS = [{"prompt": f"Say {i}.", "chosen": f"{i}, gladly", "rejected": "no " * (i % 5 + 1)} for i in range(32)]
SHORT = ["grpo.steps=2", "grpo.prompts_per_step=2", "grpo.group_size=2", "sampling.max_tokens=8", "evaluations=[]", "save_every=1"]
"""A run of seconds."""
BREVITY = "def brevity(problem, completion):\n    return 1 / (1 + len(completion.text))\n"
RECIPE = "grpo:\n  steps: 2\n  prompts_per_step: 2\n"


def make_desk(folder: Path) -> None:
    """Writes everything into `folder`, which is the working directory."""
    write_rows(folder / "rows.jsonl", ROWS)
    write_rows(folder / "chats.jsonl", CHATS)
    write_rows(folder / "pairs.jsonl", PAIRS)
    write_rows(folder / "columns.jsonl", [{"q": row["problem"], "meta": {"gold": row["answer"]}} for row in ROWS])
    write_rows(folder / "no_answers.jsonl", [{"problem": row["problem"]} for row in ROWS])
    write_rows(folder / "one_empty.jsonl", [*ROWS[:3], {"problem": "What is 1 + 1?", "answer": ""}])
    write_rows(folder / "half_labelled.jsonl", [{"prompt": "Say 1.", "completion": "1", "label": None}])
    write_rows(folder / "only_chosen.jsonl", [{"prompt": row["prompt"], "chosen": row["chosen"]} for row in PAIRS])
    (folder / "empty.jsonl").write_text("", encoding="utf-8")
    (folder / "cut.jsonl").write_text('{"problem": "What is 1 + 1?", "answer": "2"}\n{"problem": "What is', encoding="utf-8")
    (folder / "notes.txt").write_text("to do: train a model\n", encoding="utf-8")
    (folder / "table.xlsx").write_bytes(b"PK\x03\x04 a spreadsheet")
    (folder / "fake.parquet").write_text("not a Parquet file", encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "tabs.yaml").write_text("grpo:\n\tsteps: 2\n", encoding="utf-8")
    (folder / "typo.yaml").write_text("grpo:\n  step: 2\n", encoding="utf-8")
    (folder / "empty.yaml").write_text("", encoding="utf-8")
    (folder / "my_rewards.py").write_text(BREVITY, encoding="utf-8")
    (folder / "a_folder").mkdir()
    (folder / "no_model").mkdir()
    assert main(["zero", "--out", "finished", *SHORT]) == 0
    shutil.copytree("finished", "torn")
    for weights in Path("torn/checkpoints").glob("*/model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:1000])


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
