"""The comparison of ways: `comparison.json` by hand, its Markdown and page, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dunwu.analysis.stage_table import render
from dunwu.config.compare import ComparisonConfig
from dunwu.config.load import validate
from dunwu.errors import DataError
from dunwu.evaluation.comparison import COMPARISON_JSON, COMPARISON_MD, read_comparison
from dunwu.evaluation.intervals import mean_interval, t_factor
from dunwu.evaluation.suite import SuiteRow
from dunwu.jobs.comparison import run_comparison
from dunwu.run.tables import rows_table
from tests.recorder import Recorder


def answer(problem: str, sample: int, score: float | None) -> SuiteRow:
    fixed: dict[str, Any] = {"category": None, "text": "?", "language": "en", "completion": "", "tokens": 3, "finish_reason": "stop"}
    more: dict[str, Any] = {
        "well_formed": True,
        "summary": True,
        "repetition": 0.0,
        "thought_language": None,
        "visible": "",
        "refused": False,
    }
    return SuiteRow(problem_id=problem, sample=sample, score=score, verdict="right" if score else "wrong", **fixed, **more)  # type: ignore[arg-type]


def suite(folder: Path, **scores: list[float | None]) -> str:
    folder.mkdir(parents=True)
    rows = [answer(problem, place, score) for problem, given in scores.items() for place, score in enumerate(given)]
    pq.write_table(rows_table(rows, SuiteRow), folder / "reasoning-sums.parquet")
    return str(folder)


def stage(folder: Path, flops: int, teacher_flops: int | None = None) -> str:
    """The output of a stage of this cost, three folders below its manifest; an old manifest has nothing about a teacher."""
    output = folder / "run" / "checkpoints" / "step-000001"
    output.mkdir(parents=True)
    taught = {} if teacher_flops is None else {"teacher_flops": teacher_flops}
    (folder / "artefact.json").write_text(json.dumps({"cost": {"flops": flops, **taught}}), encoding="utf-8")
    return str(output)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """Three problems with two samples; text has two seeds and trains in two stages."""
    data = stage(tmp_path / "data", 1000)
    text = [
        {"suite": suite(tmp_path / "text-0", a=[1.0, 1.0], b=[1.0, 0.0], c=[None, 1.0]), "student": {"one": stage(tmp_path / "t0", 60)}},
        {"suite": suite(tmp_path / "text-1", a=[1.0, 1.0], b=[1.0, 1.0], c=[0.0, 0.0]), "student": {"one": stage(tmp_path / "t1", 20, 5)}},
    ]
    text[1]["student"]["two"] = stage(tmp_path / "t2", 40)  # type: ignore[index]
    rl = [{"suite": suite(tmp_path / "rl-0", a=[1.0, 0.0], b=[0.0, 0.0], c=[0.0, 0.0]), "student": {"rl": stage(tmp_path / "r0", 61)}}]
    rows = [{"name": "text", "runs": [{**run, "teacher": {"data": data}} for run in text]}, {"name": "rl", "runs": rl}]
    return {"rows": rows, "references": {"base": suite(tmp_path / "base", a=[0.0], b=[0.0], c=[0.0])}}


def made(given: dict[str, Any], out: Path) -> Path:
    out.mkdir()
    return run_comparison(validate(ComparisonConfig, given), out, Recorder())


def test_by_hand(given: dict[str, Any], tmp_path: Path) -> None:
    found = json.loads((made(given, tmp_path / "out") / COMPARISON_JSON).read_text(encoding="utf-8"))
    text, rl = found["rows"]
    shares = [1.0, 3 / 4, 1 / 3]  # of all answers of both seeds to each problem, but for the failed one
    assert text["name"] == "text"
    assert text["pass_at_1"] == pytest.approx(sum(shares) / 3)
    assert text["interval"] == pytest.approx(mean_interval(shares))
    assert (text["student_flops"], text["teacher_flops"], text["seeds"]) == (60, 1002, 2)
    assert [run["pass_at_1"] for run in text["runs"]] == pytest.approx([(1 + 0.5 + 1) / 3, 2 / 3])
    assert [run["teacher_flops"] for run in text["runs"]] == [1000, 1005]
    gains = [1 - 0.5, 3 / 4, 1 / 3]
    mean = sum(gains) / 3
    half = t_factor(2) * (sum((gain - mean) ** 2 for gain in gains) / 2 / 3) ** 0.5
    assert text["over"]["difference"] == pytest.approx(mean)
    assert text["over"]["interval"] == pytest.approx([mean - half, mean + half])
    assert (rl["pass_at_1"], rl["student_flops"], rl["teacher_flops"], rl["seeds"]) == (pytest.approx(1 / 6), 61, 0, 1)
    assert rl["over"] is None
    assert found["references"]["base"]["pass_at_1"] == 0
    assert (found["paper"]["rows"]["text (DeepSeek-R1-Distill-Qwen-32B)"][0], found["paper"]["columns"][0]) == (72.6, "AIME 2024")


def test_read_back_and_shown(given: dict[str, Any], tmp_path: Path) -> None:
    out = made(given, tmp_path / "out")
    comparison = read_comparison(out / COMPARISON_JSON)
    assert json.loads((out / COMPARISON_JSON).read_text(encoding="utf-8")) == comparison.as_json()
    text = (out / COMPARISON_MD).read_text(encoding="utf-8")
    [line] = [line for line in text.splitlines() if line.startswith("| text |")]
    assert "**69.4" in line
    assert line.endswith("| 6.0e+01 | 1.0e+03 |")
    assert "| 47.0 |" in text
    page = render(None, "x", comparison=comparison)
    assert page.count("<svg") == 1
    assert "72.6" in page
    (out / COMPARISON_JSON).write_text("{}", encoding="utf-8")
    with pytest.raises(DataError):
        read_comparison(out / COMPARISON_JSON)


def test_what_cannot_be_compared(given: dict[str, Any], tmp_path: Path) -> None:
    run = given["rows"][1]["runs"][0]
    for place, wrong in enumerate(
        [
            {**run, "student": {"rl": str(tmp_path / "rl-0")}},  # no stage made it
            {**run, "suite": str(tmp_path / "data")},  # no suite
        ]
    ):
        with pytest.raises(DataError) as caught:
            made({"rows": [{"name": "rl", "runs": [wrong]}]}, tmp_path / f"out-{place}")
        assert str(tmp_path) in str(caught.value)
    other = {**run, "suite": suite(tmp_path / "other", a=[1.0], d=[1.0])}
    with pytest.raises(DataError):
        made({"rows": [{"name": "rl", "runs": [run, other]}]}, tmp_path / "out-2")
