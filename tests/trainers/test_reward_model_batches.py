"""Batches: balanced one by one, every example in its turn, a function of the step."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from dunwu.config.reward_model import RewardModelConfig
from dunwu.data.io.preferences import Pair, user_turn
from dunwu.errors import DataError
from dunwu.trainers.reward_model_examples import Batches, Example


def example(chosen: int, rejected: int) -> Example:
    return Example(((5,) * chosen, (5,) * rejected), (chosen, rejected), 1, 1.0, Pair(user_turn("q"), "", ""))


def confounded(count: int) -> list[Example]:
    """Pairs of which three quarters have the longer answer chosen."""
    rng = Random(0)
    pairs = [sorted(rng.sample(range(1, 60), 2), reverse=rng.random() < 0.75) for _ in range(count)]
    return [example(*pair) for pair in pairs]


def test_every_batch_has_as_many_of_either_side() -> None:
    examples = confounded(300)
    batches = Batches(examples, RewardModelConfig(batch_size=8, epochs=2))
    assert batches.steps == pytest.approx(2 * 300 / 8, rel=0.1)
    for step in range(1, batches.steps + 1):
        sides = [examples[place].side for place in batches(step)]
        assert (sides.count(1), sides.count(-1)) == (4, 4)


def test_unbalanced_every_example_comes_once_an_epoch() -> None:
    batches = Batches(confounded(40), RewardModelConfig(batch_size=8, epochs=3, balance_lengths=False))
    assert batches.steps == 15
    seen = Counter(place for step in range(1, 6) for place in batches(step))
    assert seen == Counter(range(40))
    assert [place for step in range(6, 11) for place in batches(step)] != [place for step in range(1, 6) for place in batches(step)]


def test_a_step_is_a_function_of_seed_and_step() -> None:
    examples = confounded(100)
    config = RewardModelConfig(batch_size=6, epochs=4)
    forwards, anew = Batches(examples, config), Batches(examples, config)
    taken = [forwards(step) for step in range(1, forwards.steps + 1)]
    assert [anew(step) for step in reversed(range(1, anew.steps + 1))] == taken[::-1]
    assert Batches(examples, config.model_copy(update={"seed": 1}))(1) != taken[0]


def test_fewer_examples_than_a_batch_is_one_step() -> None:
    batches = Batches([example(3, 2), example(2, 3)], RewardModelConfig(batch_size=8))
    assert batches.steps == 1
    assert sorted(batches(1)) == [0] * 4 + [1] * 4


def test_one_side_alone_cannot_be_balanced() -> None:
    examples = [example(5, 2), example(9, 4)]
    with pytest.raises(DataError, match="set balance_lengths=false"):
        Batches(examples, RewardModelConfig())
    assert Batches(examples, RewardModelConfig(balance_lengths=False)).steps == 1
