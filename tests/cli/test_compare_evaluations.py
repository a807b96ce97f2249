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
    assert (found["problems"], found["unpaired"], found["gained"], found["lost"]) == (20, 1, 12, 0)
    assert found["difference"] == pytest.approx(0.6)
    assert found["p_value"] == pytest.approx(2 / 2**12)
    assert found["verdict"] == "the second is better"
    assert main(["compare", "evaluations", str(first), str(second)]) == 0
    said = capsys.readouterr().out
    assert "difference +60.0 points" in said
    assert said.splitlines()[-1] == "the second is better"


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = written(tmp_path, "first", [1])
    (tmp_path / "run" / "evaluations").mkdir(parents=True)
    (tmp_path / "run" / "evaluations" / "before.parquet").write_bytes(b"not parquet")
    for path, said in (
        (tmp_path / "gone", "does not exist"),
        (tmp_path, "has no evaluation.parquet: give a folder that `dunwu eval --out` wrote"),
        (tmp_path / "run", "evaluations/before.parquet"),
        (tmp_path / "run" / "evaluations" / "before.parquet", "cannot be read"),
    ):
        assert main(["compare", "evaluations", str(first), str(path)]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
