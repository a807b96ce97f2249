"""The page of the stages: whole, self-contained, escaped."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dunwu.analysis.pipeline_run import StageRun
from dunwu.analysis.stage_table import find_table, headline, outcomes, progress, render, write_stage_page
from dunwu.cli.main import main
from dunwu.config.suite import Threshold
from dunwu.errors import RunError
from dunwu.evaluation.stage_table import StageTable
from dunwu.evaluation.suite import Estimate


def table(zero: float = 0.3, category: str = "qa") -> StageTable:
    metrics = {
        "reasoning.pass_at_1": {"base": Estimate(0.1, 0.05, 0.2, 50), "zero": Estimate(zero, 0.2, 0.4, 50)},
        f"general.x[{category}].accuracy": {"base": Estimate(0.5, 0.4, 0.6, 9), "zero": Estimate(0.5, 0.4, 0.6, 9)},
        "safety.refused": {"zero": Estimate(0.5, 0.4, 0.6, 9)},
    }
    return StageTable(("base", "zero"), metrics, (Threshold(metric="reasoning.pass_at_1", of="zero", at_least=0.25),))


def test_the_page_holds_tables_plots_thresholds_and_the_paper() -> None:
    page = render(table(), "my run")
    assert page.count("<svg") == 2  # safety has one checkpoint: nothing to plot
    assert '<td class="best">30.0 <span class="interval">(20.0–40.0)</span></td>' in page
    assert '<span class="tag right">met</span> <span>pass@1 (reasoning) of zero is 30.0\N{NO-BREAK SPACE}%; at least 25.0' in page
    assert "77.9" in page
    assert "--paper:" in page
    assert "<script" not in page


def test_names_are_escaped_and_nothing_is_loaded_from_elsewhere() -> None:
    page = render(table(category="<img src=x onerror=alert(1)>\u202e"), "<b>run</b>")
    assert "<img" not in page
    assert "<b>run" not in page
    assert "\u202e" not in page
    assert "http" not in page.replace("http-equiv", "")
    body = page[page.index("<main>") : page.index("</main>") + len("</main>")]
    ET.fromstring(body.replace("<details open>", "<details>"))  # well-formed


def test_it_is_the_same_again() -> None:
    assert render(table(), "run") == render(table(), "run")


def write_run(folder: Path, found: StageTable, stage: str = "table/0a") -> Path:
    out = folder / "stages" / stage / "output"
    out.mkdir(parents=True)
    (out / "stages.json").write_text(json.dumps(found.as_json()), encoding="utf-8")
    return folder


def test_several_runs_give_one_page_with_mean_and_range(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"seed-{i}", table(zero)) for i, zero in enumerate((0.2, 0.3, 0.4))]
    page = write_stage_page(runs, tmp_path / "stages.html").read_text(encoding="utf-8")
    assert '30.0 <span class="interval">(20.0–40.0)</span>' in page
    assert "range over 3 runs" in page
    assert "Met in 2 of 3 runs." in page


def test_the_newest_table_of_a_run_counts_and_none_is_one_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", table(), "table/0a")
    write_run(tmp_path / "run", table(0.9), "table/0b")
    old = run / "stages/table/0a/output/stages.json"
    os.utime(old, (1, 1))
    assert "0b" in str(find_table(run))
    with pytest.raises(RunError, match="has no table of stages"):
        find_table(tmp_path)


def test_dunwu_report_of_a_pipeline_is_the_table_of_its_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", table())
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "stages.html")
    other = write_run(tmp_path / "other", table())
    assert main(["report", str(run), str(other), "--out", str(tmp_path / "both.html")]) == 0
    assert "range over 2 runs" in (tmp_path / "both.html").read_text(encoding="utf-8")


def test_pipelines_of_other_recipes_are_side_by_side(tmp_path: Path) -> None:
    for name, stage in (("one", "zero"), ("two", "<b>sft")):
        recipe = {"name": name, "stages": {stage: {"work": "sft"}, "last": {"work": "zero", "inputs": {"model": stage}}}}
        made = tmp_path / name / "stages" / stage / ("a" * 16)
        made.mkdir(parents=True)
        (tmp_path / name / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
        (tmp_path / name / "progress.json").write_text(json.dumps({stage: {"state": "done", "identity": "a" * 64}}), encoding="utf-8")
        cost = {"seconds": 90.0, "flops": 3e18, "teacher_flops": 1e18}
        (made / "artefact.json").write_text(json.dumps({"makes": "model", "payload": "output", "cost": cost}), encoding="utf-8")
    page = write_stage_page([tmp_path / "one", tmp_path / "two"], tmp_path / "both.html").read_text(encoding="utf-8")
    assert "The runs side by side" in page
    assert "1.5 min · 4.0e+18 FLOPs" in page
    assert "<b>sft" not in page
    assert page.count("waiting") == 2
    again, runs = tmp_path / "again.html", [str(tmp_path / name) for name in ("one", "two")]
    assert main(["report", *runs, "--out", str(again), "--price-per-hour", "40"]) == 0
    assert ">1.00<" in again.read_text(encoding="utf-8")
    assert main(["report", str(tmp_path / "one"), "--alternative", "fast"]) == 2


@pytest.mark.parametrize(
    ("bound", "words", "outcome"),
    [
        ({"at_least": 0.25}, "pass@1 (reasoning) of zero is 30.0 %; at least 25.0 % was required.", ("met", "right")),
        (
            {"at_least": 4.0, "times": "base"},
            "pass@1 (reasoning) of zero is 30.0 %; at least 40.0 % was required, 4 times that of base.",
            ("NOT MET", "wrong"),
        ),
        (
            {"at_most": -0.1, "above": "base"},
            "pass@1 (reasoning) of zero is 30.0 %; at most 0.0 % was required, that of base minus 10.0 points.",
            ("NOT MET", "wrong"),
        ),
        (
            {"at_least": 0.0, "above": "base"},
            "pass@1 (reasoning) of zero is 30.0 %; at least 10.0 % was required, that of base.",
            ("met", "right"),
        ),
    ],
)
def test_a_threshold_is_said_in_words_and_coloured(bound: dict[str, Any], words: str, outcome: tuple[str, str]) -> None:
    made = replace(table(), thresholds=(Threshold(metric="reasoning.pass_at_1", of="zero", **bound),))
    assert list(outcomes(made)) == [(*outcome, words)]


def test_a_threshold_that_was_not_measured_is_neither() -> None:
    made = replace(table(), thresholds=(Threshold(metric="safety.refused", of="base", at_least=0.5),))
    assert list(outcomes(made)) == [("not measured", "open", "harmful refused (safety) of base was not measured.")]


def test_the_headline_is_the_first_and_the_last_checkpoint() -> None:
    found = headline(table())
    assert found is not None
    assert (found.title, found.before, found.after) == ("pass@1: base → zero", "10.0 %", "30.0 %")
    assert found.changes == ()
    assert "overlap" in found.sentence
    assert headline(StageTable(("base",), table().metrics)) is None


def test_the_state_of_all_stages_in_a_line() -> None:
    stages = [StageRun("a", "sft", state="done"), StageRun("b", "zero", state="stopped"), StageRun("c", "suite")]
    assert progress(stages) == "1 of 3 stages done; stopped: b"
    assert progress(stages[:1]) == "all stages done"
