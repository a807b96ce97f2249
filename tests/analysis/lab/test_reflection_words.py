"""Reflective words, and the step from which there are more of them."""

import pytest

from dunwu.analysis.lab.material import Material
from dunwu.analysis.lab.reflection_words import SECTION, onset


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([0.1, 0.3, 0.2, 0.4, 0.5], 40),  # 0.2 is not above 0.25: what was above before does not count
        ([0.3, 0.3, 0.3], 10),
        ([0.1, 0.25, 0.3], 30),  # 0.25 is not above
        ([0.3, 0.4, 0.2], None),
        ([], None),
    ],
)
def test_onset_is_the_first_step_from_which_the_rate_stays_above(rates, expected):
    assert onset(0.25, [(10 * (i + 1), rate) for i, rate in enumerate(rates)]) == expected


def chains(chain, *texts):
    return [chain(text, problem=f"p{i}") for i, text in enumerate(texts)]


def test_the_base_is_the_evaluation_before_training(chain):
    # 0 and 2 words: mean 1, Student's interval 1 +- 12.706; 20 words are above, 13 are not
    before = chains(chain, "", "wait, but")
    steps = {10: chains(chain, "等等 " * 20), 20: chains(chain, "wait " * 13), 30: chains(chain, "wait " * 20)}
    found = SECTION.analyse(Material(sets={"s": {"before": before}}, steps=steps))
    (onset,) = found["onsets"]
    assert (onset["base"]["of"], onset["prompts"], onset["alike"]) == ("before", "training", False)
    assert onset["base"]["interval"][1] == pytest.approx(1 + 12.7062, abs=1e-3)
    assert onset["onset"] == 30
    assert found["steps"][0]["each"] == {"等等": 20}


def test_the_rates_of_every_step_are_preferred(chain):
    before = chains(chain, "", "wait, but")
    metrics = [{"step": step, "reflections_per_completion": rate} for step, rate in ((1, 1.0), (2, 14.0), (3, 15.0))]
    (onset,) = SECTION.analyse(Material(sets={"s": {"before": before}}, metrics=metrics))["onsets"]
    assert onset["onset"] == 2


def test_held_out_rates_are_compared_on_the_same_held_out_problems(chain):
    # of three problems before training, two are measured between the steps: their base is 1 +- 12.7; the third, with 40 words, is left out
    before = chains(chain, "", "wait, but", "wait " * 40)
    during = {10: chains(chain, "wait " * 13, "wait " * 13), 20: chains(chain, "wait " * 15, "wait " * 15)}
    after = chains(chain, "wait " * 16, "wait " * 16, "")
    metrics = [{"step": step, "reflections_per_completion": 0.0} for step in range(1, 31)]
    made = Material(sets={"s": {"before": before, "after": after}}, during={"s": during}, metrics=metrics)
    found = SECTION.analyse(made)
    held_out, training = found["onsets"]
    assert (held_out["prompts"], held_out["alike"], held_out["measured_steps"]) == ("held-out", True, 3)
    assert (held_out["base"]["value"], held_out["base"]["problems"], held_out["onset"]) == (1, 2, 20)
    assert (training["prompts"], training["alike"], training["onset"]) == ("training", False, None)
    sentence = SECTION.part(found).figures[0].sentence
    assert "same held-out problems" in sentence
    assert "may differ from those of training" in sentence


def test_without_an_evaluation_the_first_saved_step_is_the_base(chain):
    steps = {10: chains(chain, "", "wait, but"), 20: chains(chain, "wait " * 14)}
    found = SECTION.analyse(Material(steps=steps))
    (onset,) = found["onsets"]
    assert (onset["base"]["of"], onset["onset"], onset["alike"]) == ("step 10", 20, True)
    assert "20" in SECTION.part(found).figures[0].sentence


def test_the_part_lists_the_words_of_each_moment(chain):
    found = SECTION.analyse(Material(sets={"s": {"before": chains(chain, "wait"), "after": chains(chain, "check check")}}))
    rows = {row[0]: row[1:] for row in SECTION.part(found).tables[0].rows[1:]}
    assert rows == {"“check”": ("0", "2.00"), "“wait”": ("1.00", "0")}
