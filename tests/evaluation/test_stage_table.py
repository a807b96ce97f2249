"""The table of stages: what is marked, several runs together, the paper's rows, Markdown that no name can break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dunwu.config.suite import Threshold
from dunwu.errors import DataError
from dunwu.evaluation.stage_table import (
    PAPER,
    PAPER_ROWS,
    StageTable,
    combine,
    group_of,
    headlines,
    label_of,
    markdown,
    paper_section,
    read_table,
    sections,
)
from dunwu.evaluation.suite import Estimate


def at(value: float, half: float = 0.1) -> Estimate:
    return Estimate(value, value - half, value + half, 50)


def table(zero: float = 0.3) -> StageTable:
    metrics = {
        "reasoning.pass_at_1": {"base": at(0.1), "zero": at(zero)},
        "reasoning.en.repetition": {"base": at(0.5), "zero": at(0.2)},
        "reasoning.tokens": {"base": at(12.0), "zero": at(30.0)},
        "helpfulness.score": {"base": at(-1.25)},
    }
    return StageTable(("base", "zero"), metrics, (Threshold(metric="reasoning.pass_at_1", of="zero", at_least=3.0, times="base"),))


def test_the_best_is_marked_by_what_better_means() -> None:
    reasoning, english, helpfulness = sections(table())
    assert [section.title for section in (reasoning, english, helpfulness)] == ["reasoning", "reasoning: en", "helpfulness"]
    assert (reasoning.head, english.head) == (("pass@1", "tokens"), ("repetition",))
    assert [[cell.best for cell in cells] for _, cells in reasoning.rows] == [[False, False], [True, False]]
    assert [[cell.best for cell in cells] for _, cells in english.rows] == [[False], [True]]
    assert [[cell.text for cell in cells] for _, cells in helpfulness.rows] == [["-1.25 (-1.35 to -1.15)"], ["–"]]
    assert not helpfulness.rows[0][1][0].best  # alone it is no best
    assert reasoning.rows[0][1][0].text == "10.0 (0.0–20.0)"
    assert not any(cell.best for _, cells in sections(table(0.1))[0].rows for cell in cells)  # all the same


def test_headlines_are_what_was_measured() -> None:
    metrics = {
        "reasoning.pass_at_1": {"base": at(0.1), "zero": at(0.305)},
        "safety.refused": {"zero": at(1.0)},
        "reasoning.tokens": {"base": at(9)},
    }
    assert headlines(StageTable(("base", "zero"), metrics)) == [
        "      pass@1  refused",
        "base    10.0        -",
        "zero    30.5    100.0",
    ]
    assert headlines(StageTable(("base",), {"reasoning.tokens": {"base": at(9)}})) == []


def test_labels_and_groups_keep_set_and_category() -> None:
    names = ("reasoning.pass_at_1", "reasoning.countdown-en.pass_at_1", "general.tasks[a.b].accuracy", "safety.refused")
    assert [label_of(name) for name in names] == ["pass@1", "pass@1", "a.b: accuracy", "harmful refused"]
    assert [group_of(name) for name in names] == ["reasoning", "reasoning: countdown-en", "general: tasks", "safety"]


def test_three_runs_give_mean_and_range_and_how_often_a_threshold_was_met() -> None:
    found = combine([table(0.2), table(0.3), table(0.7)])
    assert found.metrics["reasoning.pass_at_1"]["zero"] == Estimate(pytest.approx(0.4), 0.2, 0.7, 3)
    assert found.metrics["helpfulness.score"].keys() == {"base"}
    assert (found.runs, found.met_in) == (3, (2,))
    text = markdown(found)
    assert "range over 3 runs" in text
    assert "Met in 2 of 3 runs." in text
    assert found.as_json()["thresholds"][0]["met_in"] == 2
    assert combine([table()]) == table()


def test_runs_of_other_recipes_are_not_put_together() -> None:
    other = StageTable(("base", "sft"), {})
    with pytest.raises(DataError, match="rows base, zero and base, sft"):
        combine([table(), other])


def test_it_comes_back_from_json(tmp_path: Path) -> None:
    (tmp_path / "stages.json").write_text(json.dumps(table().as_json()), encoding="utf-8")
    assert read_table(tmp_path / "stages.json") == table()
    for torn in ("", "[]", '{"rows": []}', '{"rows": ["a"], "metrics": {"m": {"a": 3}}, "thresholds": [], "baseline": null}'):
        (tmp_path / "stages.json").write_text(torn, encoding="utf-8")
        with pytest.raises(DataError, match="is not a table of stages"):
            read_table(tmp_path / "stages.json")


def test_the_papers_rows_are_those_of_the_same_names_with_their_changes() -> None:
    found = paper_section(("base", "zero", "dev1", "R1"))
    assert found is not None
    assert [name for name, _ in found.rows] == ["zero", "dev1", "r1"]
    by_name = {name: dict(zip(found.head, (cell.text for cell in cells), strict=True)) for name, cells in found.rows}
    assert by_name["zero"]["AIME 2024"] == "77.9"
    assert by_name["dev1"]["AIME 2024"] == "59 (-18.9)"
    assert by_name["r1"]["Codeforces rating"] == "2029 (+283)"
    assert by_name["r1"]["AlpacaEval 2 LC"] == "87.6 (+25.5)"
    assert paper_section(("base", "mine")) is None
    assert all(len(values) == len(PAPER_ROWS) for values in PAPER.values())


def test_no_name_breaks_the_markdown() -> None:
    hostile = StageTable(("base",), {"general.x[a|b\n<script>].accuracy": {"base": at(0.5)}})
    text = markdown(hostile)
    assert "<script>" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [line.replace("\\|", "").count("|") for line in rows] == [3, 3, 3]
