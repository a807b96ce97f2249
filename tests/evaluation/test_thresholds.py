"""Thresholds by hand."""

import pytest

from dunwu.config.suite import Threshold
from dunwu.evaluation.suite import Estimate
from dunwu.evaluation.thresholds import check


def at(value: float) -> Estimate:
    return Estimate(value, value, value, 1)


METRICS = {"reasoning.pass_at_1": {"base": at(0.125), "zero": at(0.375), "dev3": at(0.355)}, "safety.refused": {"zero": at(0.5)}}


@pytest.mark.parametrize(
    ("keys", "outcome", "bound"),
    [
        ({"of": "zero", "at_least": 3.0, "times": "base"}, "met", 0.375),
        ({"of": "zero", "at_least": 3.01, "times": "base"}, "not met", 0.37625),
        ({"of": "zero", "at_least": 0.4}, "not met", 0.4),
        ({"of": "zero", "at_most": 0.4}, "met", 0.4),
        ({"of": "base", "at_most": 0.5, "times": "zero"}, "met", 0.1875),
        ({"of": "dev3", "at_least": -0.03, "above": "zero"}, "met", 0.345),
        ({"of": "dev3", "at_least": -0.01, "above": "zero"}, "not met", 0.365),
        ({"of": "zero", "at_least": 0.1, "above": "base"}, "met", 0.225),
    ],
)
def test_a_metric_is_held_against_its_bound(keys: dict[str, object], outcome: str, bound: float) -> None:
    found = check(Threshold.model_validate({"metric": "reasoning.pass_at_1", **keys}), METRICS)
    assert found.outcome == outcome
    assert found.bound == pytest.approx(bound)
    assert found.value == METRICS["reasoning.pass_at_1"][str(keys["of"])].value


def test_the_words_have_both_numbers() -> None:
    told = check(Threshold(metric="reasoning.pass_at_1", of="zero", at_least=3.0, times="base"), METRICS).told
    assert told == "reasoning.pass_at_1 of zero should be at least 3 times that of base (0.125): it is 0.375, the bound is 0.375."
    told = check(Threshold(metric="reasoning.pass_at_1", of="dev3", at_least=-0.03, above="zero"), METRICS).told
    assert "at least that of zero (0.375) - 0.03: it is 0.355, the bound is 0.345." in told


@pytest.mark.parametrize(
    ("threshold", "told"),
    [
        (Threshold(metric="reasoning.pas_at_1", of="zero", at_least=0.1), "did you mean reasoning.pass_at_1?"),
        (Threshold(metric="safety.refused", of="dev3", at_least=0.1), "safety.refused of dev3 was not measured."),
        (Threshold(metric="safety.refused", of="zero", at_least=1.0, times="base"), "safety.refused of base was not measured."),
    ],
)
def test_what_was_not_measured_is_not_met(threshold: Threshold, told: str) -> None:
    found = check(threshold, METRICS)
    assert (found.outcome, found.value) == ("not measured", None)
    assert told in found.told
