"""Judged pairs: a preference for a place cancels, garbage is asked again and never guessed, length says nothing in what is kept."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from random import Random

import pytest

from dunwu.data.judging import Candidates, Judge, JudgeRequest, Judging, judge_pairs, read_ratings
from dunwu.data.preferences import user_turn
from dunwu.errors import DataError

_ANSWERS = re.compile(r"\[Answer A\]\n(.*)\n\[Answer B\]\n(.*)\n\[End\]", re.DOTALL)
UNBALANCED = Judging(balance_lengths=False)


def judge_by(quality: dict[str, float], bias: float = 0.0, noise: float = 0.0) -> Judge:
    """An honest judge that rates by ``quality``, adds ``bias`` to what stands first, and errs by the request's seed."""

    def judge(requests: Sequence[JudgeRequest]) -> list[str]:
        said = []
        for request in requests:
            found = _ANSWERS.search(request.text)
            assert found is not None
            rng = Random(f"{request.seed} {request.text}")
            a, b = (quality[answer] + rng.gauss(0, noise) for answer in found.groups())
            said.append(f"Weighing them. {json.dumps({'A': min(10, max(1, a + bias)), 'B': min(10, max(1, b))})}")
        return said

    return judge


def candidates(*answers: tuple[str, str]) -> list[Candidates]:
    return [Candidates(user_turn(f"q{place}"), first, second) for place, (first, second) in enumerate(answers)]


def test_the_better_one_is_chosen_with_its_margin() -> None:
    found = judge_pairs(candidates(("good", "bad"), ("bad", "good")), judge_by({"good": 7, "bad": 3.5}), UNBALANCED)
    assert [(pair.chosen, pair.rejected, pair.margin) for pair in found.pairs] == [("good", "bad", 3.5)] * 2
    assert found.counts["requests"] == 8
    assert found.place_bias == 0.0


def test_a_preference_for_the_first_place_cancels() -> None:
    asked = candidates(("good", "bad"), ("bad", "good"), ("good", "also good"), ("also good", "good"))
    quality = {"good": 5.0, "bad": 3.0, "also good": 5.0}
    found = judge_pairs(asked, judge_by(quality, bias=4.0), UNBALANCED)
    assert [(pair.chosen, pair.rejected) for pair in found.pairs] == [("good", "bad")] * 2
    assert found.counts["not clearly different"] == 2  # one vote alone would call the first better by 4
    assert found.place_bias == pytest.approx(4.0)


def test_the_difference_must_exceed_the_margin() -> None:
    asked = candidates(("a", "b"), ("c", "b"))
    found = judge_pairs(asked, judge_by({"a": 4.0, "b": 3.0, "c": 4.5}), UNBALANCED)
    assert [pair.chosen for pair in found.pairs] == ["c"]


def test_four_noisy_votes_err_less_than_two() -> None:
    quality = {f"{place} {name}": value for place in range(300) for name, value in (("good", 6.0), ("bad", 5.0))}
    asked = candidates(*((f"{place} good", f"{place} bad") for place in range(300)))
    wrong = []
    for votes in (2, 4):
        found = judge_pairs(asked, judge_by(quality, noise=1.5), Judging(votes, balance_lengths=False))
        wrong.append(sum("bad" in pair.chosen for pair in found.pairs) / len(found.pairs))
    assert wrong[1] < 0.6 * wrong[0]


def test_garbage_is_asked_for_again_with_another_seed() -> None:
    honest, seeds = judge_by({"good": 7, "bad": 3}), []

    def moody(requests: Sequence[JudgeRequest]) -> list[str]:
        seeds.append([request.seed for request in requests])
        return ["A is better, I would say"] * len(requests) if len(seeds) == 1 else list(honest(requests))

    found = judge_pairs(candidates(("good", "bad")), moody, UNBALANCED)
    assert len(found.pairs) == 1
    assert (found.counts["requests"], found.counts["unreadable"]) == (8, 4)
    assert len(set(seeds[0] + seeds[1])) == 8


def test_a_vote_that_is_never_readable_leaves_the_pair_out() -> None:
    honest = judge_by({"good": 7, "bad": 3, "fine": 8})

    def stubborn(requests: Sequence[JudgeRequest]) -> list[str]:
        return ["???" if "fine" in r.text and r.text.index("bad") < r.text.index("fine") else honest([r])[0] for r in requests]

    found = judge_pairs(candidates(("good", "bad"), ("fine", "bad")), stubborn, UNBALANCED)
    assert [pair.chosen for pair in found.pairs] == ["good"]  # though both readable votes were for "fine"
    assert found.counts["without all votes"] == 1
    assert found.counts["unreadable"] == 2 * 3


def test_nothing_readable_is_no_pair_and_no_bias() -> None:
    found = judge_pairs(candidates(("a", "b")), lambda requests: [""] * len(requests))
    assert found.pairs == ()
    assert math.isnan(found.place_bias)


def test_the_judge_sees_what_a_user_reads() -> None:
    asked: list[str] = []

    def judge(requests: Sequence[JudgeRequest]) -> list[str]:
        asked.extend(request.text for request in requests)
        return ['{"A": 5, "B": 5}'] * len(requests)

    same = ("<think>one way</think>It is 4.", "<think>another</think>It is 4.")
    found = judge_pairs(candidates(("<think>secret plan</think>Hello.", "Hi {A} {request}."), same), judge)
    assert len(asked) == 4
    assert not any("secret" in text or "think" in text for text in asked)
    assert all("Hello." in text and "Hi {A} {request}." in text for text in asked)
    assert found.counts["the same to read"] == 1


def test_kept_pairs_say_nothing_about_length() -> None:
    rng, quality, asked = Random(0), {}, []
    for place in range(400):
        longer_is_better = rng.random() < 0.8
        short, long = f"{place}" + "x" * rng.randint(5, 20), f"{place}" + "y" * rng.randint(30, 90)
        quality |= {short: 3.0 if longer_is_better else 8.0, long: 8.0 if longer_is_better else 3.0}
        asked.append((short, long))
    found = judge_pairs(candidates(*asked), judge_by(quality))
    longer = sum(len(pair.chosen) > len(pair.rejected) for pair in found.pairs)
    assert longer == len(found.pairs) / 2 > 50
    assert found.counts["dropped to balance lengths"] == 400 - len(found.pairs)
    mean = [sum(len(text) for text in side) / len(found.pairs) for side in zip(*((p.chosen, p.rejected) for p in found.pairs), strict=True)]
    assert mean[0] == pytest.approx(mean[1], rel=0.05)
    assert judge_pairs(candidates(*asked), judge_by(quality)) == found


@pytest.mark.parametrize(
    ("text", "ratings"),
    [
        ('{"A": 7, "B": 2.5}', (7.0, 2.5)),
        ('Well.\n```json\n{"B": 1, "A": 10, "why": "x"}\n```', (10.0, 1.0)),
        ('<think>{"A": 1, "B": 9} at first</think>{"A": 6, "B": 3}', (6.0, 3.0)),
        ('so {"A": 6, "B": 3}, finally {"A": 6, "B": 3}', (6.0, 3.0)),
        ('first {"A": 6, "B": 3}, then {"A": 3, "B": 6}', None),
        ('{"A": 7}', None),
        ('{"A": 0, "B": 5}', None),
        ('{"A": 11, "B": 5}', None),
        ('{"A": true, "B": 5}', None),
        ('{"A": "7", "B": 5}', None),
        ('{"A": NaN, "B": 5}', None),
        ('{"A": 1e999, "B": 5}', None),
        ('{"A": 7, "B": 2', None),
        ('<think>{"A": 7, "B": 2}', None),
        ("A: 7, B: 2", None),
        ("", None),
    ],
)
def test_ratings_are_read_or_not(text: str, ratings: tuple[float, float] | None) -> None:
    assert read_ratings(text) == ratings


@pytest.mark.parametrize("votes", [0, 1, 3])
def test_as_many_votes_see_either_order(votes: int) -> None:
    with pytest.raises(DataError, match="even number"):
        Judging(votes=votes)
