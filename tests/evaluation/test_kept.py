"""Completions that are kept as they arrive: an evaluation that was stopped samples only the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dunwu.evaluation.kept import Keeping
from dunwu.rollout.base import OnCompletion
from dunwu.types import Completion, Request, SamplingParams, TokenSequence

PARAMS = SamplingParams(max_tokens=5)


class Echo:
    """Completes a request with its seed; stops with Ctrl-C after some. ``asked``: the seeds it was given."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.asked: list[int] = []
        self._stop_after = stop_after

    def generate(self, requests: Sequence[Request], on_completion: OnCompletion | None = None) -> list[Completion]:
        done = []
        for place, request in enumerate(requests):
            if place == self._stop_after:
                raise KeyboardInterrupt
            self.asked.append(request.seed)
            done.append(Completion(TokenSequence.drawn([request.seed, 7], [-1.0, -2.0], 0), f"说 {request.seed}\n", "length"))
            if on_completion is not None:
                on_completion(place, done[-1])
        return done


def requests(count: int, prompt: int = 1) -> list[Request]:
    return [Request((prompt,), PARAMS, seed) for seed in range(count)]


def texts(completions: Sequence[Completion]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(each.text, each.finish_reason, each.tokens.ids) for each in completions]


def test_a_stopped_evaluation_samples_only_the_others(tmp_path: Path) -> None:
    path, stopped, other = tmp_path / "kept.jsonl", Echo(stop_after=3), Echo()
    with pytest.raises(KeyboardInterrupt):
        Keeping(stopped, path, "m").generate(requests(5))
    with path.open("ab") as file:
        file.write(b'{"key": "half a li')  # a kill in the middle of a line
    told: list[int] = []
    resumed = Keeping(other, path, "m")
    assert resumed.count() == 3
    found = resumed.generate(requests(5), lambda place, completion: told.append(place))
    assert (stopped.asked, other.asked) == ([0, 1, 2], [3, 4])
    assert sorted(told) == [0, 1, 2, 3, 4]
    assert texts(found) == texts(Echo().generate(requests(5)))
    again = Echo()
    assert texts(Keeping(again, path, "m").generate(requests(5))) == texts(found)
    assert again.asked == []


def test_another_model_prompt_or_sampling_is_another_completion(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    Keeping(Echo(), path, "m").generate(requests(2))
    for model, wanted in (("n", requests(2)), ("m", requests(2, prompt=2)), ("m", [Request((1,), SamplingParams(max_tokens=6), 0)])):
        other = Echo()
        Keeping(other, path, model).generate(wanted)
        assert other.asked == [each.seed for each in wanted]


def test_equal_requests_are_two_completions(tmp_path: Path) -> None:
    twice, echo = [Request((1,), PARAMS, 4)] * 2, Echo()
    Keeping(echo, tmp_path / "kept.jsonl", "m").generate(twice)
    assert echo.asked == [4, 4]
    assert Keeping(Echo(), tmp_path / "kept.jsonl", "m").count() == 2
