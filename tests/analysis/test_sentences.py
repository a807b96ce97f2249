"""Sentences say the numbers of their data and no more."""

import math

import pytest

from dunwu.analysis import sentences
from dunwu.analysis.curves import Curve

RISING = Curve(tuple(range(1, 91)), tuple([0.18] * 9 + [0.4] * 72 + [0.63] * 9))


def made(*values):
    return Curve(tuple(range(1, len(values) + 1)), values)


def test_a_change():
    assert sentences.change("Accuracy", RISING) == "Accuracy went from 0.18 to 0.63 over 90 steps."
    assert sentences.change("Length", made(28.04, 78.0), 1, " tokens") == "Length went from 28.0 to 78.0 tokens over 2 steps."


def test_a_fall():
    assert sentences.change("Accuracy", made(0.6, 0.2)) == "Accuracy went from 0.60 to 0.20 over 2 steps."


def test_no_change():
    assert sentences.change("Accuracy", made(0.5, 0.9, 0.501)) == "Accuracy was 0.50 at the start and at the end of 3 steps."


def test_one_step_and_none():
    assert sentences.change("Accuracy", made(0.5)) == "Accuracy was 0.50 at the one step recorded."
    assert sentences.change("Accuracy", Curve()) == "Accuracy was not recorded."


def test_growth_says_how_many_times():
    assert sentences.growth("Words", made(1.1, 6.1)) == "Words went from 1.1 to 6.1 over 2 steps (5.5 times the first value)."
    assert sentences.growth("Words", made(0.0, 6.1)) == "Words went from 0 to 6.1 over 2 steps."
    assert sentences.growth("Words", made(0.28, 0.3)) == "Words was 0.3 at the start and at the end of 2 steps."


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (-0.0, "0"), (0.00012, "0.00012"), (-0.001, "-0.001"), (1.005, "1.00"), (12.0, "12.00")]
)
def test_small_numbers_do_not_read_as_0(value, text):
    assert sentences.plain(value) == text


def test_kl():
    text = sentences.divergence(made(0.0, 0.02, 0.01), 0.001)
    assert text == "KL to the reference went from 0 to 0.0100 over 3 steps. Its largest value was 0.0200, at step 2."
    assert "beta 0" in sentences.divergence(Curve(), 0.0)
    assert sentences.divergence(Curve(), 0.001) == "KL to the reference was not recorded."


def test_dead_groups_and_skipped_steps():
    text = sentences.dead_groups(made(0.3, 0.55), 0)
    assert text.startswith("30.0 % of the first groups and 55.0 % of the last ")
    assert sentences.dead_groups(made(0.3), 1).partition(". ")[2].startswith("1 step had non-finite values")


def test_time():
    text = sentences.time_spent({"generate": 180.0, "train": 120.0, "save": 0.1, "reward": 0.0})
    assert text == "Of 5.0 minutes in these phases, 60 % went to generate, 40 % went to train."
    assert sentences.time_spent({}) == "Time per phase was not recorded."


def test_the_headline_claims_a_change_only_where_intervals_are_apart():
    low, high = {"pass_at_1": 0.18, "interval": [0.14, 0.23]}, {"pass_at_1": 0.63, "interval": [0.58, 0.68]}
    assert sentences.headline(low, high) == "pass@1 went from 18.0 % to 63.0 %; the 95 % intervals do not overlap."
    assert "do not overlap" in sentences.headline(high, low)
    near = {"pass_at_1": 0.2, "interval": [0.16, 0.25]}
    assert sentences.headline(low, near).endswith("overlap, so this evaluation alone does not show a change.")


def test_the_headline_of_no_change():
    same = {"pass_at_1": 0.18, "interval": [0.14, 0.23]}
    assert sentences.headline(same, same).startswith("pass@1 stayed at 18.0 %; the 95 % intervals overlap")


def test_the_headline_of_half_an_evaluation():
    assert sentences.headline({"pass_at_1": 0.18}, {}) == "pass@1 before training was 18.0 %."
    assert sentences.headline({"pass_at_1": 0.18}, {"pass_at_1": 0.2, "interval": "x"}) == "pass@1 went from 18.0 % to 20.0 %."
    assert sentences.headline({}, {}) == "pass@1 was not measured."


def test_levels():
    levels = {"before": [("1", 25.4), ("4", 24.0)], "after": [("1", 45.0), ("4", 89.6)]}
    text = sentences.by_level("Mean thinking length in tokens", "difficulty", levels, 0)
    assert (
        text
        == "Mean thinking length in tokens: before training 25 at difficulty 1 and 24 at 4; after training 45 at difficulty 1 and 90 at 4."
    )


def test_correlation_has_its_range_by_chance():
    text = sentences.correlation("human solving time", {"before": (0.02, 100), "after": (0.314, 100)})
    assert "0.02 before training and 0.31 after training, over 100 problems; chance alone gives a value within ±0.20 " in text
    assert "could not be computed" in sentences.correlation("x", {"after": (math.nan, 2)})


def test_growth_shows_the_digits_of_its_ratio():
    assert sentences.growth("Words", made(0.14, 0.17)) == "Words went from 0.14 to 0.17 over 2 steps (1.2 times the first value)."


def rl(reward, dead, accuracy=0.2, steps=30):
    """Rows of a run; each metric is a number, or a function of the step."""
    values = {"reward": reward, "frac_reward_zero_std": dead, "rewards/accuracy": accuracy}
    return [{"step": step, **{key: v(step) if callable(v) else v for key, v in values.items()}} for step in range(1, steps + 1)]


SAME = {"pass_at_1": 0.2, "interval": [0.1, 0.3]}
BETTER = {"pass_at_1": 0.6, "interval": [0.5, 0.7]}


def noise(step):
    return 0.3 + 0.05 * (-1) ** step


@pytest.mark.parametrize(
    ("after", "rows", "reason"),
    [
        (SAME, rl(noise, 0.9), "the rewards of 90.0 % of the groups were all equal"),
        (SAME, rl(0.0, 1.0, 0.0), "100.0 % of the groups were all equal; no answer was right"),
        (SAME, rl(noise, 0.2), "the reward moved no more than between steps (0.28 at the start, 0.32 at the end)"),
        (BETTER, rl(noise, 0.9), ""),
        (BETTER, rl(0.0, 1.0), "100.0 %"),
        (SAME, rl(lambda step: 0.3 + step / 100, 0.9), ""),
        (SAME, rl(lambda step: noise(step) + step / 50, 0.6), ""),
        ({}, rl(noise, 0.9), ""),
        (SAME, [], ""),
        (SAME, rl(None, None), ""),
    ],
)
def test_nothing_learnt_has_a_reason(after, rows, reason):
    found = sentences.nothing_learnt(SAME, after, rows)
    assert reason in found
    assert found.startswith("nothing was learnt: ") if reason else found == ""


def test_a_reward_moves_beyond_its_noise():
    assert not sentences.moved(made(0.5))
    assert not sentences.moved(made(0.5, 0.5))
    assert sentences.moved(made(0.2, 0.5, 0.8))
    assert not sentences.moved(made(*[0.4, 0.6] * 20))
    assert sentences.moved(RISING)
