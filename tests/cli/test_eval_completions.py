"""`dunwu eval --completions`."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dunwu.cli.eval_completions import COMMAND, EXAMPLE, CompletionsOptions, set_name
from dunwu.cli.main import main
from dunwu.cli.options import parse_options
from dunwu.evaluation.store import read_evaluation
from tests.evaluation.test_stored import ROWS, write


def test_the_same_files_as_of_a_sampled_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = write(tmp_path / "rows.jsonl", ROWS), tmp_path / "out"
    assert main(["eval", "--completions", str(path), "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["set"], found["model"], found["summary"]["samples"]) == ("rows", None, 6)
    assert found["agreement"]["only_label_right"] == 2
    assert read_evaluation(out / "evaluation.parquet").summary()["pass_at_1"] == found["summary"]["pass_at_1"] == 0.375
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["rows"] == found["summary"]
    assert main(["eval", "--completions", str(path), "--out", str(out)]) == 2
    assert main(["compare", "evaluations", str(out), str(out)]) == 0


def test_the_table_counts_agreement_and_names_rows_safely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "rows.jsonl", [*ROWS[:5], {**ROWS[5], "id": "\x1b[31mf"}])
    assert main(["eval", "--completions", str(path)]) == 0
    said = capsys.readouterr().out
    assert "labels: 2 of 5 verdicts agree" in said
    assert "?[31mf: label wrong, verdict correct" in said
    assert "\x1b" not in said


def test_a_wrong_column_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS)
    assert main(["eval", "--completions", str(path), "--completion-column", "completions"]) == 2
    assert "--completion-column completion" in capsys.readouterr().err


def test_no_torch_is_imported(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS)
    code = f"import sys; from dunwu.cli.main import main; main(['eval', '--completions', {str(path)!r}]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("name", ["completions", "config", "model", "agreement"])
def test_a_name_never_replaces_another_key(tmp_path: Path, name: str) -> None:
    path, out = write(tmp_path / f"{name}.jsonl", ROWS), tmp_path / "out"
    assert main(["eval", "--completions", str(path), "--out", str(out)]) == 0
    found = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (found["model"], found["completions"], found["config"]["answer_form"]) == (None, str(path), "tags-or-boxed")
    assert found["agreement"]["only_label_right"] == found[f"{name}-set"]["k"] == 2


def test_a_folder_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set_name(Path(".")) == set_name(tmp_path) == tmp_path.name.partition(".")[0]
    assert [set_name(Path(name)) for name in ("a.b.jsonl", ".hidden.jsonl", "/", "..a")] == ["a", "hidden", "completions", "a"]


def test_half_a_character_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = write(tmp_path / "rows.jsonl", [{**row, "id": f"\ud83d{row['id']}"} for row in ROWS]), tmp_path / "out"
    assert main(["eval", "--completions", str(path), "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr().out
    printed.encode()
    assert json.loads(printed)["agreement"]["disagreements"][0]["row"] == "\ud83db"
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["agreement"] == json.loads(printed)["agreement"]


def test_a_label_column_of_another_meaning_is_left_alone_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "rows.jsonl", [{**row, "label": "algebra"} for row in ROWS])
    assert main(["eval", "--completions", str(path), "--json"]) == 0
    printed = capsys.readouterr()
    assert "agreement" not in json.loads(printed.out)
    assert "column label is not compared" in printed.err
    assert main(["eval", "--completions", str(path), "--label-column", "label"]) == 2
    assert main(["eval", "--completions", str(path), "--label-column", "lable"]) == 2
    assert "--label-column label" in capsys.readouterr().err


@pytest.mark.parametrize("file", [["rows.jsonl"], []])
def test_help_is_that_of_stored_completions(file: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["eval", "--completions", *file, "--help"])
    said = capsys.readouterr().out
    assert "usage: dunwu eval --completions FILE" in said
    assert EXAMPLE in said
    assert "dunwu keys" not in said
    assert parse_options(CompletionsOptions, COMMAND, shlex.split(EXAMPLE)[2:], EXAMPLE)[1] == []


@pytest.mark.parametrize(("reason", "said"), [("length", "not measured, 16.7 % cut off"), (None, "not measured\n")])
def test_a_known_share_of_cut_off_completions_is_shown(
    tmp_path: Path, reason: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**row, "finish_reason": None} for row in ROWS[:5]] + [{**ROWS[5], "finish_reason": reason}]
    path = write(tmp_path / "rows.jsonl", rows)
    assert main(["eval", "--completions", str(path)]) == 0
    assert said in capsys.readouterr().out
    assert main(["eval", "--completions", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["clipped_ratio"] == (1 / 6 if reason else None)
