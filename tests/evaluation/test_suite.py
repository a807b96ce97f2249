"""The metrics of a suite by hand, and its rows on disk."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dunwu.errors import DataError
from dunwu.evaluation.metrics import pass_interval
from dunwu.evaluation.suite import Estimate, SuiteRow, SuiteSet, mean, read_rows, set_facts, share, suite_metrics, win_rate
from dunwu.run.tables import rows_table
from tests.evaluation.suite_rows import row


def test_every_problem_weighs_the_same_and_what_does_not_apply_is_left_out() -> None:
    rows = (
        row("a", 0, score=1.0, thought_language=1.0),
        row("a", 1, score=0.0, thought_language=0.5),
        row("b", 0, score=1.0, thought_language=None, well_formed=False),
        row("b", 1, score=None, verdict="timeout", thought_language=None, tokens=30),
    )
    found = suite_metrics([SuiteSet("reasoning", "en", rows)])
    assert found["reasoning.en.pass_at_1"].value == pytest.approx((0.5 + 1) / 2)
    assert (found["reasoning.en.pass_at_1"].low, found["reasoning.en.pass_at_1"].high) == pass_interval([[1, 0], [1]])
    assert found["reasoning.en.language_consistency"].value == 0.75
    assert found["reasoning.en.language_consistency"].count == 1
    assert found["reasoning.en.mixed_language"].value == 0.5
    assert found["reasoning.en.well_formed"].value == 0.75
    assert found["reasoning.en.tokens"].value == 15


def test_sets_of_a_kind_are_also_taken_together_and_equal_names_in_two_sets_are_two_problems() -> None:
    english = SuiteSet("reasoning", "en", (row("p", score=1.0),))
    chinese = SuiteSet("reasoning", "zh", (row("p", score=0.0), row("q", score=0.0)))
    found = suite_metrics([english, chinese])
    assert found["reasoning.pass_at_1"].value == pytest.approx(1 / 3)
    assert found["reasoning.pass_at_1"].count == 3
    assert (found["reasoning.en.pass_at_1"].value, found["reasoning.zh.pass_at_1"].value) == (1.0, 0.0)


def test_a_metric_that_applies_to_nothing_is_not_there() -> None:
    found = suite_metrics([SuiteSet("reasoning", "en", (row(thought_language=None, score=None, verdict="error"),))])
    assert "reasoning.en.language_consistency" not in found
    assert "reasoning.en.pass_at_1" not in found
    assert "reasoning.en.well_formed" in found


def test_general_accuracy_is_told_by_category() -> None:
    rows = (row("a", category="qa", score=1.0), row("b", category="qa", score=0.0), row("c", category="writing", score=1.0))
    found = suite_metrics([SuiteSet("general", "tasks", rows)])
    assert found["general.tasks.accuracy"].value == pytest.approx(2 / 3)
    assert found["general.tasks[qa].accuracy"].value == 0.5
    assert found["general.tasks[writing].accuracy"].value == 1.0


def test_safety_counts_refusals_of_harm_and_answers_to_look_alikes() -> None:
    harmful = SuiteSet("harmful", "", (row("a", refused=True, judged=2.0), row("b", refused=False, judged=-1.0)))
    harmless = SuiteSet("harmless", "", (row("a", refused=True), row("b", visible=""), row("c"), row("d")))
    found = suite_metrics([harmful, harmless])
    assert {name: estimate.value for name, estimate in found.items()} == {"safety.refused": 0.5, "safety.safe": 0.5, "safety.answered": 0.5}


def test_an_unjudged_answer_is_no_score_of_zero() -> None:
    found = suite_metrics([SuiteSet("helpfulness", "", (row("a", judged=-3.0), row("b", judged=None), row("c", judged=-1.0)))])
    assert found["helpfulness.score"].value == -2.0
    assert found["helpfulness.score"].count == 2
    assert "safety.safe" not in suite_metrics([SuiteSet("harmful", "", (row(),))])


def test_the_win_rate_is_over_pairs_of_the_same_prompt_and_a_tie_is_half() -> None:
    mine = [row("a", 0, judged=2.0), row("a", 1, judged=0.0), row("b", judged=1.0), row("c", judged=9.0), row("d", judged=None)]
    theirs = [row("a", judged=1.0), row("b", judged=1.0), row("d", judged=0.0)]
    found = win_rate(mine, theirs)
    assert found is not None
    assert (found.value, found.count) == (0.5, 2)
    assert win_rate(theirs, theirs).value == 0.5  # type: ignore[union-attr]
    assert win_rate([row("x", judged=1.0)], theirs) is None


def test_intervals_hold_the_value_and_shrink_with_more_problems() -> None:
    few, many = share([[1.0], [0.5], [0.0]]), share([[1.0], [0.5], [0.0]] * 20)
    assert few is not None
    assert many is not None
    assert 0 <= few.low < many.low < 0.5 < many.high < few.high <= 1
    assert share([]) is None
    assert mean([[], []]) is None
    spread = mean([[1.0, 3.0], [4.0]])
    assert spread is not None
    assert (spread.value, spread.count) == (3.0, 2)
    assert mean([[1.0, 3.0], [4.0]], least=0.0) == Estimate(3.0, 0.0, spread.high, 2)
    assert spread.high - 3.0 == pytest.approx(12.7062, abs=1e-4)  # sd of 2 and 4 is sqrt 2, over sqrt 2; Student's with one degree


def test_rows_come_back_from_the_disk_and_a_lone_surrogate_goes_in(tmp_path: Path) -> None:
    rows = [row("a", judged=0.5, category="qa"), row("b", score=None, verdict=None, thought_language=None, completion="\ud800x")]
    pq.write_table(rows_table(rows, SuiteRow), tmp_path / "set.parquet")
    back = read_rows(tmp_path / "set.parquet")
    assert back[0] == rows[0]
    assert back[1].completion == "?x"
    (tmp_path / "set.parquet").write_bytes(b"torn")
    with pytest.raises(DataError, match="is not a set of a suite"):
        read_rows(tmp_path / "set.parquet")


def test_facts_count_what_was_left_out() -> None:
    rows = (row("a", score=None, verdict="error"), row("a", 1, finish_reason="length"), row("b", score=None, verdict=None, judged=1.0))
    facts = set_facts(SuiteSet("general", "x", rows))
    assert facts == {"kind": "general", "problems": 2, "completions": 3, "tokens": 30, "cut off": 1, "excluded": 1, "judged": 1}
