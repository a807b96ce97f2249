"""`dunwu eval --completions`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dunwu.cli.main import main
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
