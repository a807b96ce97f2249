"""`dunwu data`: the sample files of every format, what is shown, and the mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.data_command import SAMPLES
from dunwu.cli.main import main
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.tasks import DatasetTask
from dunwu.config.zero import EvalConfig
from dunwu.data.first_rows import check_first_rows
from dunwu.errors import UserError

PROBLEMS = {"zero", "sft"}
READ_BY = {
    "alpaca.json": {"sft"},
    "gsm8k.jsonl": PROBLEMS,
    "labelled.jsonl": {"sft", "reward-model"},
    "math.jsonl": PROBLEMS,
    "messages.jsonl": {"sft"},
    "pairs.jsonl": {"sft", "reward-model"},
    "problems.csv": PROBLEMS,
    "problems.json": PROBLEMS,
    "problems.jsonl": PROBLEMS,
    "problems.jsonl.gz": PROBLEMS,
    "problems.tsv": PROBLEMS,
    "prompt_completion.jsonl": {"sft"},
    "sharegpt.json": {"sft"},
    "text.jsonl": {"sft"},
    "trl_grpo.jsonl": PROBLEMS,
    "trl_implicit_preferences.jsonl": {"sft", "reward-model"},
    "trl_preferences.jsonl": {"sft", "reward-model"},
    "trl_prompt_completion.jsonl": {"sft"},
    "trl_unpaired.jsonl": {"sft", "reward-model"},
    "verl.parquet": PROBLEMS,
}
"""The commands that read each sample file completely."""


def seen(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["data", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_every_sample_is_listed_here() -> None:
    assert {file.name for file in SAMPLES.iterdir()} == READ_BY.keys()


@pytest.mark.parametrize("name", READ_BY)
def test_samples_are_read_by_each_command_that_fits(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = seen(capsys, str(SAMPLES / name))
    readings = found["readings"]
    whole = {purpose for purpose, reading in readings.items() if not reading["refused"] and not reading["unusable"]}
    assert whole == READ_BY[name]
    assert found["rows"] == sum(file["rows"] for file in found["files"]) > 0
    assert all(column["filled"] for column in found["columns"] if column["name"] != "input")
    for purpose in whole:
        assert len(readings[purpose]["first"]) == 2
        assert readings[purpose]["takes"]
        assert readings[purpose]["warnings"] == []
    for kind in ("sft", "reward-model", "zero"):
        config = {
            "sft": SftConfig(data=str(SAMPLES / name)),
            "reward-model": RewardModelConfig(
                data=str(SAMPLES / name), criterion="safety" if "label" in str(found["columns"]) else "helpfulness"
            ),
            "zero": EvalConfig(task=DatasetTask(path=str(SAMPLES / name))),
        }[kind]
        if kind in whole:
            check_first_rows(config)
        elif readings[kind]["refused"]:
            with pytest.raises(UserError):
                check_first_rows(config)


def test_splits_duplicates_conflicts_and_bad_rows_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [{"problem": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(40)]
    rows += [
        rows[0],
        {"problem": rows[1]["problem"], "answer": "77"},
        {"problem": "no gold", "answer": ""},
        {"problem": "odd", "answer": "proof"},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (reading,) = seen(capsys, str(file), "--for", "zero")["readings"].values()
    assert reading["rows"].endswith("(split by a hash of the problem); 2 repeated dropped; 1 unusable dropped")
    assert reading["warnings"] == [
        f"1 problems occur with different golds, of which the first is used; the first is {file}, row 2: '2' and row 42: '77'"
    ]
    assert ["row 43" in reason or "row 44" in reason for reason in reading["unusable"]] == [True, True]
    assert main(["data", str(file)]) == 0
    text = capsys.readouterr().out
    assert "JSON lines, 44 rows" in text
    assert "2 unusable rows" in text
    assert "warning: 1 problems" in text


def test_keys_of_the_reader_and_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([{"in": {"ask": f"{n}?"}, "out": str(n)} for n in range(20)]))
    keys = ["problem_column=in.ask", "answer_column=out", "columns.prompt=in.ask", "columns.completion=out"]
    readings = seen(capsys, str(file), *keys, "--rows", "1")["readings"]
    assert readings["zero"]["first"] == [{"where": "row 1 (training)", "parts": [["problem", "0?"], ["gold", "0 (verifier number)"]]}]
    assert readings["sft"]["first"][0]["parts"] == [["user", "0?"], ["assistant, learned", "0"]]
    assert "name the file test" in seen(capsys, str(file), *keys, "--for", "eval")["readings"]["eval"]["rows"]


def test_a_command_that_cannot_read_the_file_names_its_columns_and_the_nearest_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"query": "1?", "answer": "1"}\n' * 30)
    assert main(["data", str(tmp_path / "rows.jsonl")]) == 0
    (line,) = [line for line in capsys.readouterr().out.split("\n") if "cannot read it" in line]
    assert all(part in line for part in ("(columns: query, answer)", "preferences", "chosen and in rejected"))


@pytest.mark.parametrize(
    ("content", "arguments", "part"),
    [
        ('{"a": \n', [], "row 1: not valid JSON"),
        ('{"sentence": "x"}\n', [], "no command can read it"),
        ('{"question": "1?", "gold": "1"}\n', ["--for", "zero"], "no column answer"),
        ('{"question": "1?", "reply": "1"}\n', ["--for", "sft"], "needs a value in solution or response or answer"),
        ('{"x": "1?", "y": "1"}\n', ["problem_colum=x"], "did you mean problem_column?"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, arguments: list[str], part: str
) -> None:
    (tmp_path / "rows.jsonl").write_text(content)
    assert main(["data", str(tmp_path / "rows.jsonl"), *arguments]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1


def test_what_a_file_says_cannot_control_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"problem\x1b[2J": "x", "problem": "a\x1b]0;title\x07\u202eb", "answer": "\x9b1"}) + "\n" * 2
    )
    main(["data", str(tmp_path / "rows.jsonl")])
    assert not set(capsys.readouterr().out) & set("\x1b\x07\u202e\x9b")


def test_samples_are_copied_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--samples", str(tmp_path / "s")]) == 0
    assert {file.name for file in (tmp_path / "s").iterdir()} == READ_BY.keys()
    assert main(["data", "--samples", str(tmp_path / "s")]) == 0
    (tmp_path / "s" / "text.jsonl").write_text("mine", encoding="utf-8")
    assert main(["data", "--samples", str(tmp_path / "s")]) == 2
    assert (tmp_path / "s" / "text.jsonl").read_text(encoding="utf-8") == "mine"
    assert main(["data"]) == 0
    assert str(SAMPLES) in capsys.readouterr().out


@pytest.mark.parametrize("command", [["data", "PAIRS"], ["sft", "--data", "PAIRS.jsonl"], ["zero", "--help"], ["reward-model"]])
def test_files_are_read_before_torch_is_imported(command: list[str]) -> None:
    arguments = [str(SAMPLES / "pairs.jsonl") if each == "PAIRS" else each for each in command]
    code = f"""
import sys
from dunwu.cli.main import main
try:
    main({arguments!r})
except SystemExit:
    pass
sys.exit("torch" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=100, check=False).returncode == 0


REAL = Path(os.environ.get("DUNWU_DATA") or "/nowhere")


@pytest.mark.skipif(not (REAL / "math").is_dir(), reason="DUNWU_DATA is not set")
@pytest.mark.parametrize(
    ("name", "purpose", "part"),
    [
        ("gsm8k", "zero", "6,736 training, 737 validation, 1,319 test rows (split by file name, validation by a hash of the problem)"),
        ("math", "zero", "10,815 training, 1,154 validation, 500 test rows"),
        ("cmath", "zero", "301 training, 597 validation, 1,097 test rows (split by file name); 63 repeated dropped"),
        ("mbpp/mbpp.jsonl", "zero", "974 problems with tests"),
        ("hh_rlhf/pairs.jsonl.gz", "reward-model", "2,778 training, 294 held-out rows (split by a hash of the prompt)"),
        ("hh_rlhf/pairs.jsonl.gz", "sft", "3,072 conversations"),
    ],
)
def test_real_data_sets(name: str, purpose: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert part in seen(capsys, str(REAL / name), "--for", purpose)["readings"][purpose]["rows"]
