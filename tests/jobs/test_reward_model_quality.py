"""Figures of a reward model by hand: intervals by conversation, calibration, and what length has to do with it."""

from __future__ import annotations

import json
import math

import pytest

from dunwu.data.io.preferences import LabelledAnswer, Pair, user_turn
from dunwu.jobs.reward_model_quality import measure, show
from dunwu.trainers.reward_model_examples import Example
from tests.recorder import Recorder


def pair(prompt: str, chosen: int, rejected: int) -> Example:
    return Example(((0,) * chosen, (0,) * rejected), (chosen, rejected), 1, 1.0, Pair(user_turn(prompt), "", ""))


def answer(length: int, safe: bool) -> Example:
    return Example(((0,) * length,), (length,), 1 if safe else -1, 0.0, LabelledAnswer(user_turn(str(length)), "", safe))


def test_pairs_by_hand() -> None:
    # a: two of three right; b: wrong by a tie; the longer one is scored higher in the 1st, 3rd and 5th of five unequal pairs
    examples = [pair("a", 20, 10), pair("a", 10, 20), pair("a", 10, 20), pair("b", 100, 99), pair("b", 20, 10), pair("b", 7, 7)]
    found = measure(examples, [math.log(3), math.log(3), -math.log(9), -1.0, 0.5, 0.0])
    assert found["count"] == 6
    assert found["accuracy"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert {name: (group["count"], group["accuracy"]) for name, group in found["groups"].items()} == {
        "chosen shorter": (2, 0.5),
        "about as long": (2, 0.0),
        "chosen longer": (2, 1.0),
    }
    assert (found["longer_preferred"], found["longer_chosen"]) == (3 / 5, 3 / 5)
    assert [(each["low"], each["count"], each["accuracy"]) for each in found["reliability"]] == [
        (0.5, 1, 0.0),
        (0.6, 1, 1.0),
        (0.7, 3, pytest.approx(2 / 3)),
        (0.9, 1, 0.0),
    ]
    assert found["reliability"][3]["confidence"] == pytest.approx(0.9)


def test_a_model_that_goes_by_length_is_seen() -> None:
    examples = [pair(str(place), 10 + place, 10) if place % 4 else pair(str(place), 10, 10 + place) for place in range(1, 41)]
    by_length = measure(examples, [0.1 * (example.lengths[0] - example.lengths[1]) for example in examples])
    assert by_length["longer_preferred"] == 1.0
    assert by_length["longer_chosen"] == 0.75 == by_length["accuracy"]
    assert by_length["length_correlation"] == pytest.approx(1.0)
    assert by_length["groups"]["chosen shorter"]["accuracy"] == 0.0
    fair = measure(examples, [1.0] * 40)
    assert fair["longer_preferred"] == fair["longer_chosen"]
    assert fair["length_correlation"] is None


def test_labelled_answers_by_label_and_length() -> None:
    found = measure([answer(1, True), answer(2, True), answer(3, False), answer(4, False)], [1.0, -1.0, 1.0, 1.0])
    assert {name: (group["count"], group["accuracy"]) for name, group in found["groups"].items()} == {
        "safe": (2, 0.5),
        "unsafe": (2, 1.0),
        "shorter half": (2, 0.5),
        "longer half": (2, 1.0),
    }
    assert "longer_preferred" not in found


def test_figures_are_json_and_can_be_shown(recorder: Recorder) -> None:
    found = measure([pair("a", 5, 5)], [0.5])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    show(recorder, found)
    groups, _ = recorder.of("table")
    names, _, accuracies = ([*column.cells] for column in groups.columns)
    assert (names[-1], accuracies[-1]) == ("chosen longer", "not measured")  # a group without pairs
    assert "37.8 %" in recorder.of("say")[0]  # sigmoid(0.5) = 0.622, and right
