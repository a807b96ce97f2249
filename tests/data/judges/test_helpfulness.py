"""Judged pairs: a preference for a place cancels, garbage is asked again and never guessed, length says nothing in what is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from dunwu.config.data import OwnGenerator
from dunwu.config.data_replies import PairJudgeConfig
from dunwu.config.load import validate
from dunwu.data.builders.funnel import Funnel
from dunwu.data.generators.base import Scripted, TextCompletion
from dunwu.data.io.preferences import user_turn
from dunwu.data.judges.helpfulness import Candidates, Judged, Votes, balance_lengths, judge_pairs, read_ratings
from dunwu.errors import ConfigError, DataError
from dunwu.models.chat import Message

_ANSWERS = re.compile(r"Answer A:\n```\n(.*)\n```\n\nAnswer B:\n```\n(.*)\n```\n\nCompare", re.DOTALL)
HOW = PairJudgeConfig(generator=OwnGenerator(function="judge.py:judge"))
Function = Callable[[list[dict[str, str]], int], str]


def judge_by(quality: dict[str, float], bias: float = 0.0, noise: float = 0.0) -> Function:
    """An honest judge that rates by ``quality``, adds ``bias`` to what stands first, and errs by the request's seed."""

    def judge(messages: list[dict[str, str]], seed: int) -> str:
        found = _ANSWERS.search(messages[-1]["content"])
        assert found is not None
        rng = Random(seed)
        a, b = (quality[answer] + rng.gauss(0, noise) for answer in found.groups())
        return f"Weighing them. {json.dumps({'A': min(10, max(1, a + bias)), 'B': min(10, max(1, b))})}"

    return judge


def candidates(*answers: tuple[str, str]) -> list[Candidates]:
    return [Candidates(user_turn(f"q{place}"), first, second) for place, (first, second) in enumerate(answers)]


def judged_by(judge: Function, asked: Sequence[Candidates], how: PairJudgeConfig = HOW) -> tuple[list[Judged], Votes, dict[str, int]]:
    funnel = Funnel("pairs")
    kept, votes = judge_pairs(asked, Scripted(judge), how, 0, funnel)
    return kept, votes, {step.name: step.removed for step in funnel.steps}


def test_the_better_one_is_chosen_with_its_margin() -> None:
    kept, votes, _ = judged_by(judge_by({"good": 7, "bad": 3.5}), candidates(("good", "bad"), ("bad", "good")))
    assert [(each.pair.chosen, each.pair.rejected, each.pair.margin) for each in kept] == [("good", "bad", 3.5)] * 2
    assert (len(votes.texts), votes.unreadable) == (8, 0)


def test_a_preference_for_the_first_place_cancels() -> None:
    asked = candidates(("good", "bad"), ("bad", "good"), ("good", "also good"), ("also good", "good"))
    kept, votes, removed = judged_by(judge_by({"good": 5.0, "bad": 3.0, "also good": 5.0}, bias=4.0), asked)
    assert [(each.pair.chosen, each.pair.rejected) for each in kept] == [("good", "bad")] * 2
    assert removed["not clearly different"] == 2  # one vote alone would call the first better by 4
    assert {a - b for a, b in votes.ratings.values()} == {4.0, 6.0, 2.0}


def test_the_difference_must_exceed_the_margin() -> None:
    quality, asked = {"a": 4.0, "b": 3.0, "c": 4.5}, candidates(("a", "b"), ("c", "b"))
    assert [each.pair.chosen for each in judged_by(judge_by(quality), asked)[0]] == ["c"]
    assert [each.pair.chosen for each in judged_by(judge_by(quality), asked, HOW.model_copy(update={"margin": 0.5}))[0]] == ["a", "c"]


def test_four_noisy_votes_err_less_than_two() -> None:
    quality = {f"{place} {name}": value for place in range(300) for name, value in (("good", 6.0), ("bad", 5.0))}
    asked = candidates(*((f"{place} good", f"{place} bad") for place in range(300)))
    wrong = []
    for votes in (2, 4):
        kept, _, _ = judged_by(judge_by(quality, noise=1.5), asked, HOW.model_copy(update={"votes": votes}))
        wrong.append(sum("bad" in each.pair.chosen for each in kept) / len(kept))
    assert wrong[1] < 0.6 * wrong[0]


def test_garbage_is_asked_for_again_with_another_seed() -> None:
    honest, seeds = judge_by({"good": 7, "bad": 3}), list[int]()

    def moody(messages: list[dict[str, str]], seed: int) -> str:
        seeds.append(seed)
        return "A is better, I would say" if len(seeds) <= 4 else honest(messages, seed)

    kept, votes, _ = judged_by(moody, candidates(("good", "bad")))
    assert len(kept) == 1
    assert (len(votes.texts), votes.unreadable) == (8, 4)
    assert len(set(seeds)) == 8


def test_a_vote_that_is_never_readable_leaves_the_pair_out() -> None:
    honest = judge_by({"good": 7, "bad": 3, "fine": 8})

    def stubborn(messages: list[dict[str, str]], seed: int) -> str:
        text = messages[-1]["content"]
        return "???" if "fine" in text and text.index("bad") < text.index("fine") else honest(messages, seed)

    kept, votes, removed = judged_by(stubborn, candidates(("good", "bad"), ("fine", "bad")))
    assert [each.pair.chosen for each in kept] == ["good"]  # though both readable votes were for "fine"
    assert removed["missing votes"] == 1
    assert votes.unreadable == 2 * 3


def test_a_vote_that_was_cut_off_is_none() -> None:
    class CutOff:
        name, independent = "cut", True

        def complete(self, requests: Any, on_completion: Any) -> list[TextCompletion]:
            return [TextCompletion('{"A": 9, "B": 1}', finished=False) for _ in requests]

    with pytest.raises(DataError, match=r"cut: .*12"):
        judge_pairs(candidates(("a", "b")), CutOff(), HOW, 0, Funnel())


def test_the_judge_sees_what_a_user_reads() -> None:
    asked: list[str] = []

    def judge(messages: list[dict[str, str]], seed: int) -> str:
        asked.append(messages[-1]["content"])
        return '{"A": 5, "B": 5}'

    same = ("<think>one way</think>It is 4.", "<think>another</think>It is 4.")
    _, _, removed = judged_by(judge, candidates(("<think>secret plan</think>Hello.", "Hi {A} {request}."), same))
    assert len(asked) == 4
    assert not any("secret" in text or "think" in text for text in asked)
    assert all("Hello." in text and "Hi {A} {request}." in text for text in asked)
    assert removed["same visible text"] == 1


def test_the_judge_sees_the_whole_conversation() -> None:
    asked: list[str] = []
    turns = (Message("system", "Be short."), Message("user", "Hello"), Message("assistant", "Hi."), Message("user", "Who are you?"))

    def judge(messages: list[dict[str, str]], seed: int) -> str:
        asked.append(messages[-1]["content"])
        return '{"A": 5, "B": 5}'

    judged_by(judge, [Candidates(turns, "A program.", "Me.")])
    assert all("Request:\n```\nSystem: Be short.\nUser: Hello\nAssistant: Hi.\nUser: Who are you?\n```" in text for text in asked)


def test_kept_pairs_say_nothing_about_length() -> None:
    rng, quality, asked = Random(0), {}, []
    for place in range(400):
        longer_is_better = rng.random() < 0.8
        short, long = f"{place}" + "x" * rng.randint(5, 20), f"{place}" + "y" * rng.randint(30, 90)
        quality |= {short: 3.0 if longer_is_better else 8.0, long: 8.0 if longer_is_better else 3.0}
        asked.append((short, long))
    clear, _, _ = judged_by(judge_by(quality), candidates(*asked))
    assert len(clear) == 400
    funnel = Funnel()
    kept = balance_lengths(clear, 0, funnel)
    assert sum(each.longer > 0 for each in kept) == len(kept) / 2 > 50
    assert funnel.steps[0].removed == 400 - len(kept)
    mean = [sum(map(len, side)) / len(kept) for side in zip(*((each.pair.chosen, each.pair.rejected) for each in kept), strict=True)]
    assert mean[0] == pytest.approx(mean[1], rel=0.05)
    assert balance_lengths(clear, 0, Funnel()) == kept


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
        ('{"A": 1' + "0" * 5000 + ', "B": 5}', None),
        ('{"A": ' + "[" * 100_000 + "}", None),
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
    with pytest.raises(ConfigError, match="votes"):
        validate(PairJudgeConfig, {"generator": {"kind": "own", "function": "judge.py:judge"}, "votes": votes})
