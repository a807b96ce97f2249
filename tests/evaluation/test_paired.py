"""Two models on the same problems: p-values against enumeration and McNemar's test, intervals against their coverage."""

import itertools
import math
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dunwu.errors import DataError
from dunwu.evaluation import paired
from dunwu.evaluation.paired import bootstrap_interval, compare, sign_flip_p
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.tasks.dataset import text_digest


def row(problem: str, sample: int, score: float | None) -> EvaluationRow:
    verdict = "error" if score is None else "correct" if score == 1 else "wrong"
    return EvaluationRow(problem, "?", "en", None, None, sample, "", 0, 1, "stop", score, verdict, 0, None, None)  # type: ignore[arg-type]


def result(name: str, scores: dict[str, list[float | None]]) -> EvaluationResult:
    rows = tuple(row(problem, sample, score) for problem, samples in scores.items() for sample, score in enumerate(samples))
    return EvaluationResult(name, max(map(len, scores.values())), rows)


@pytest.mark.parametrize("seed", range(20))
def test_the_p_value_is_that_of_all_signs(seed: int) -> None:
    dice = random.Random(seed)
    differences = [Fraction(dice.randint(-4, 4), dice.choice([1, 2, 4, 3])) for _ in range(dice.randint(1, 9))]
    signs = list(itertools.product((-1, 1), repeat=len(differences)))
    sums = [abs(sum(sign * each for sign, each in zip(chosen, differences, strict=True))) for chosen in signs]
    expected = sum(each >= abs(sum(differences)) for each in sums) / len(sums)
    assert sign_flip_p(differences) == (pytest.approx(expected), True)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (9, 2), (30, 12), (250, 190)])
def test_one_sample_a_problem_is_mcnemars_exact_test(gained: int, lost: int) -> None:
    differences = [Fraction(1)] * gained + [Fraction(-1)] * lost + [Fraction(0)] * 50
    n, fewer = gained + lost, min(gained, lost)
    expected = min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)
    assert sign_flip_p(differences)[0] == pytest.approx(expected, rel=1e-9)


def test_drawn_signs_come_near_the_exact_p_value(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = [Fraction(k % 5 - 1, 4) for k in range(40)]
    exact = sign_flip_p(differences)[0]
    monkeypatch.setattr(paired, "_MOST_WORK", 0)
    drawn, is_exact = sign_flip_p(differences)
    assert not is_exact
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact / paired.FLIPS))


def test_the_bootstrap_covers_the_true_difference() -> None:
    dice, covered = np.random.default_rng(0), 0
    for _ in range(200):
        first = 0.9 * dice.beta(1, 2, 60)
        differences = (dice.binomial(4, first + 0.1) - dice.binomial(4, first)) / 4
        low, high = bootstrap_interval(differences.tolist(), seed=1)
        covered += low <= 0.1 <= high
    assert covered >= 180


def test_two_evaluations_by_hand() -> None:
    before = result("before", {"a": [0, 0], "b": [1, 0], "c": [1, 1], "d": [0, 0], "only": [1, 1], "lost": [None, None]})
    after = result("after", {"a": [1, 1], "b": [1, None], "c": [1, 0], "d": [0, 0], "lost": [1, 1]})
    found = compare(before, after)
    assert (found.problems, found.unpaired, found.gained, found.lost) == (4, 2, 2, 1)
    assert found.one.value == pytest.approx(1.5 / 4)
    assert found.other.value == pytest.approx(2.5 / 4)
    assert found.difference == pytest.approx(0.25)
    # differences 1, 1/2, -1/2, 0: of the eight signs of three, those with a sum of 1 or more, or -1 or less
    assert found.p_value == pytest.approx(6 / 8)
    assert found.verdict == "no clear difference"


def test_a_clear_difference_is_said_and_turns_round() -> None:
    weak = result("weak", {str(i): [0] for i in range(30)})
    strong = result("strong", {str(i): [int(i > 10)] for i in range(30)})
    assert compare(weak, strong).verdict == "the second is better"
    there, back = compare(weak, strong), compare(strong, weak)
    assert back.verdict == "the first is better"
    assert there.p_value == back.p_value
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))


def test_problems_of_one_name_and_another_text_are_refused() -> None:
    one, other = result("one", {"a": [1]}), result("other", {"a": [0]})
    other = EvaluationResult("other", 1, tuple(replace(each, text="another") for each in other.rows))
    with pytest.raises(DataError, match="problem a differs between one and other"):
        compare(one, other)


def test_any_numbers_of_samples_have_a_p_value() -> None:
    counts = [64, 63, 61, 59, 55, 53, 47, 43, 41, 37]
    before = result("before", {str(k): [1.0] + [0.0] * (k - 1) for k in counts})
    after = result("after", {str(k): [1.0, 1.0] + [0.0] * (k - 2) for k in counts})
    found = compare(before, after)
    assert not found.exact
    assert found.p_value == pytest.approx(2 / 2**10, rel=0.3)


def test_without_a_common_problem_there_is_nothing_to_compare() -> None:
    one, other = result("set", {"a": [1]}), result("set", {"b": [1]})
    with pytest.raises(DataError, match="no problem is in both x/one and x/other"):
        compare(one, other, names=("x/one", "x/other"))


def test_identical_rows_are_known() -> None:
    one = result("one", {"a": [1], "b": [0]})
    assert compare(one, result("other", {"a": [1], "b": [0]})).identical
    assert not compare(one, result("other", {"a": [1], "b": [1]})).identical


def test_problems_of_data_sets_pair_by_their_text() -> None:
    names = {text: text_digest(text) for text in ("a", "b", "c")}

    def evaluation(*problems: tuple[str, str]) -> EvaluationResult:
        return EvaluationResult("x", 1, tuple(replace(row(problem, 0, 1.0), text=text) for problem, text in problems))

    stored = evaluation(*((digest, text) for text, digest in names.items()))
    sampled = evaluation(*((f"gsm8k-test-{digest}", text) for text, digest in names.items()))
    assert compare(stored, sampled).problems == 3
    assert compare(sampled, stored).problems == 3
    other = evaluation((f"x-{names['a']}", "a"), (f"y-{names['a']}", "a"), ("z-1", "b"))  # two tasks with one text: neither is meant
    with pytest.raises(DataError, match="no problem"):
        compare(stored, other)
    assert compare(other, other).problems == 3
    renamed = evaluation((names["a"], "b"))  # another text under a known name is still refused
    with pytest.raises(DataError, match="differs"):
        compare(stored, renamed)
