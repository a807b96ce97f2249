"""Thinking time by level, by step and beside human seconds."""

import math

import pytest

from dunwu.analysis.lab.material import Material
from dunwu.analysis.lab.thinking_time import SECTION


def levels(chain, lengths):
    return [chain(problem=f"p{i}", difficulty=float(level), thinking_tokens=tokens) for i, (level, tokens) in enumerate(lengths)]


def test_each_level_has_its_mean_and_the_ratio_per_level_is_fitted(chain):
    # 1 + tokens is 10, 100, 1000 at levels 1, 2, 3: a slope of log 10 per level
    chains = levels(chain, [(1, 9), (1, 9), (2, 99), (2, 99), (3, 999), (3, 999)])
    found = SECTION.analyse(Material(sets={"s": {"after": chains}}))["sets"]["s"]["after"]
    assert [(level["from"], level["tokens"]["value"]) for level in found["levels"]] == [(1, 9), (2, 99), (3, 999)]
    assert found["difficulty"]["log_length"]["slope"] == pytest.approx(math.log(10))
    assert found["difficulty"]["spearman"] == pytest.approx(1)


def test_the_line_over_steps_is_per_ten_steps(chain):
    steps = {step: [chain(problem=f"p{i}", thinking_tokens=2 ** (step // 10) - 1) for i in range(3)] for step in (10, 20, 30)}
    found = SECTION.analyse(Material(steps=steps))
    assert found["by_step"]["log_length"]["slope"] == pytest.approx(math.log(2))
    assert [each["tokens"]["value"] for each in found["steps"]] == [1, 3, 7]
    assert SECTION.part(found).tables[0].head == ("", "step 10", "step 30")


def test_the_interval_over_steps_is_over_problems(chain):
    # the same three problems at twelve steps, with slopes of 1, 0 and -1 per ten steps: the slope of a resample is the mean of those drawn,
    # and one in 27 resamples has the first problem thrice. As 36 independent pairs they would give an interval of about +-0.4.
    steps = {
        step: [chain(problem=f"p{i}", thinking_tokens=1e6 * math.exp((1 - i) * (step - 6.5) / 10) - 1) for i in range(3)]
        for step in range(1, 13)
    }
    line = SECTION.analyse(Material(steps=steps))["by_step"]["log_length"]
    assert (line["problems"], line["slope"]) == (3, pytest.approx(0, abs=1e-6))
    assert line["interval"] == pytest.approx([-1, 1])


def test_human_seconds_give_an_exponent(chain):
    chains = [chain(problem=f"p{s}", human_seconds=float(s), thinking_tokens=s * s - 1) for s in (2, 4, 8, 16)]
    found = SECTION.analyse(Material(sets={"s": {"before": chains}}))["sets"]["s"]["before"]
    assert found["human_seconds"]["log_length"]["slope"] == pytest.approx(2)


def test_more_than_six_levels_are_grouped_into_quartiles(chain):
    chains = levels(chain, [(level, 10 * level) for level in range(1, 9)])
    found = SECTION.analyse(Material(sets={"s": {"before": chains}}))["sets"]["s"]["before"]
    assert [(level["from"], level["to"]) for level in found["levels"]] == [(1, 2), (3, 4), (5, 6), (7, 8)]


def test_without_completions_the_section_says_so():
    assert "missing" in SECTION.analyse(Material())


def test_the_part_shows_each_moment_and_step(chain):
    chains = levels(chain, [(1, 9), (2, 99), (3, 999)])
    found = SECTION.analyse(Material(sets={"s": {"before": chains, "after": chains}}, steps={1: chains, 2: chains}))
    part = SECTION.part(found)
    assert part.tables[0].head == ("", "before", "after")
    assert all(figure.svg for figure in part.figures)
    assert {figure.title for figure in part.figures} == {"Thinking length over steps", "Thinking length by difficulty"}
