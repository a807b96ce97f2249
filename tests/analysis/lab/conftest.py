"""Builders of chains and of run directories with rollouts."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dunwu.analysis.lab.material import Chain, Puzzle


def make_chain(thought="", **changes):
    values = {
        "problem": "p0",
        "question": "Use 9,3,10 to make 17.",
        "language": "en",
        "difficulty": 1.0,
        "human_seconds": None,
        "text": f"<think>{thought}</think>",
        "thought": thought,
        "tokens": 10,
        "thinking_tokens": 5,
        "right": 1,
        "vote": "9+3",
        "puzzle": Puzzle((9, 3, 10), 17),
    }
    return Chain(**values | changes)


def write_step(run, step, completions, problems=("p0",), **changes):
    """A file of rollouts: the completions of each problem, with the columns that the laboratory reads."""
    rows = [
        {
            "problem_id": problem,
            "task": "countdown",
            "language": "en",
            "difficulty": 1.0,
            "problem": "Use 9,3,10 to make 17.",
            "verifier": "expression",
            "prefill": "<think>",
            "completion": completion,
            "tokens": len(completion),
            "thinking_tokens": len(completion) // 2,
            "verdict": "correct",
            "data": json.dumps({"numbers": [9, 3, 10], "target": 17}),
        }
        | changes
        for problem in problems
        for completion in completions
    ]
    (run / "rollouts").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), run / "rollouts" / f"step-{step:05d}.parquet")


@pytest.fixture
def chain():
    return make_chain


@pytest.fixture
def rollouts():
    return write_step


@pytest.fixture
def run_folder(tmp_path, make):
    """A whole run with two saved steps."""
    run = tmp_path / "run"
    run.mkdir()
    make.write_whole_run(run)
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"config": {}}))
    write_step(run, 10, ["9+3=12.</think><answer>9+3</answer>"] * 2, ("p0", "p1"))
    write_step(run, 20, ["9*3=27,27-10=17. wait, 27-10=17.</think><answer>9*3-10</answer>", "9+3=12.</think>"], ("p0", "p1"))
    return run
