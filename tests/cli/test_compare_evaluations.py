"""`dunwu compare evaluations` on evaluations as `dunwu eval` writes them."""

import json
from pathlib import Path

import pytest

from dunwu.cli.main import main
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.store import write_evaluation


def written(folder: Path, name: str, right: list[int]) -> Path:
    rows = tuple(
        EvaluationRow(str(i), "?", "en", None, None, 0, "", 0, 1, "stop", float(score), "correct" if score else "wrong", 0, None, None)
        for i, score in enumerate(right)
    )
    (folder / name).mkdir()
    write_evaluation(folder / name / "evaluation.parquet", EvaluationResult("set", 1, rows))
    return folder / name


def test_the_better_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = written(tmp_path, "first", [0] * 20), written(tmp_path, "second", [1] * 12 + [0] * 9)
    assert main(["compare", "evaluations", str(first), str(second / "evaluation.parquet"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["first"]["pass_at_1"] == 0
    assert (found["first"]["path"], found["first"]["model"]) == (str(first / "evaluation.parquet"), None)
    assert (found["problems"], found["unpaired"], found["gained"], found["lost"]) == (20, 1, 12, 0)
    assert found["difference"] == pytest.approx(0.6)
    assert found["p_value"] == pytest.approx(2 / 2**12)
    assert found["verdict"] == "the second is better"
    assert main(["compare", "evaluations", str(first), str(second)]) == 0
    said = capsys.readouterr().out
    assert "difference +60.0 points" in said
    assert said.splitlines()[-1] == "the second is better"


def test_path_and_model_are_said_and_an_evaluation_beside_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, same, other = (written(tmp_path, name, right) for name, right in (("first", [0, 1]), ("same", [0, 1]), ("other", [1, 1])))
    (first / "summary.json").write_text(json.dumps({"model": "runs/\x1b[31mbefore"}), encoding="utf-8")
    for second, said in ((first, "the same file"), (same, "their rows are identical"), (other, None)):
        assert main(["compare", "evaluations", str(first), str(second)]) == 0
        out = capsys.readouterr().out
        assert f"{first / 'evaluation.parquet'} (model runs/?[31mbefore)" in out.splitlines()[0]
        assert ("both are the same evaluation" in out) == (said is not None)
        assert said is None or said in out
        assert main(["compare", "evaluations", str(first), str(second), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["identical"] == (said is not None)
        assert found["first"]["model"] == "runs/\x1b[31mbefore"


def test_evaluations_of_other_problems_are_named_by_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = written(tmp_path, "first", [1]), tmp_path / "second"
    second.mkdir()
    row = EvaluationRow("else", "?", "en", None, None, 0, "", 0, 1, "stop", 1.0, "correct", 0, None, None)
    write_evaluation(second / "evaluation.parquet", EvaluationResult("set", 1, (row,)))
    assert main(["compare", "evaluations", str(first), str(second)]) == 2
    assert f"no problem is in both {first} and {second}" in capsys.readouterr().err


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = written(tmp_path, "first", [1])
    (tmp_path / "run" / "evaluations").mkdir(parents=True)
    (tmp_path / "run" / "evaluations" / "before.parquet").write_bytes(b"not parquet")
    (first / "summary.json").write_text("{}", encoding="utf-8")
    (tmp_path / "run" / "summary.json").write_text("{}", encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text("{}", encoding="utf-8")
    for path, said in (
        (first / "summary.json", f"is a summary, without the answers to each problem: give the folder {first}"),
        (tmp_path / "run" / "summary.json", "evaluations/before.parquet"),
        (tmp_path / "rows.jsonl", "is no .parquet file: give a folder that `dunwu eval --out` wrote"),
        (tmp_path / "gone", "does not exist"),
        (tmp_path, "has no evaluation.parquet: give a folder that `dunwu eval --out` wrote"),
        (tmp_path / "run", "evaluations/before.parquet"),
        (tmp_path / "run" / "evaluations" / "before.parquet", "cannot be read"),
    ):
        assert main(["compare", "evaluations", str(first), str(path)]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
