from collections import Counter

import pytest

from dunwu.errors import ConfigError
from dunwu.tasks.mixture import Mixture, shares
from dunwu.types import Problem


class Counting:
    """A task whose problems are their own indices."""

    def __init__(self, name):
        self.name = name

    def train(self, index, seed):
        return Problem(id=str(index), task=self.name, text="", verifier="number")

    def held_out(self, split, limit, seed=0):
        return [self.train(i, seed) for i in range(limit)]


@pytest.mark.parametrize(
    ("total", "weights", "counts"),
    [(10, (1, 1), [5, 5]), (10, (3, 1), [8, 2]), (1, (1, 2, 1), [0, 1, 0]), (0, (1, 2), [0, 0]), (7, (1, 1, 1), [3, 2, 2])],
)
def test_shares(total, weights, counts):
    assert shares(total, weights) == counts
    assert sum(counts) == total


def test_weights_hold_and_no_index_is_left_out():
    mixture = Mixture([(Counting("a"), 3.0), (Counting("b"), 1.0)])
    problems = [mixture.train(i, 0) for i in range(3000)]
    for name, count in (("a", 2250), ("b", 750)):
        assert [int(p.id) for p in problems if p.task == name] == list(range(count))
    assert 40 < Counter(p.task for p in problems[:64])["a"] < 60


def test_pure_and_seeded():
    mixture = Mixture([(Counting("a"), 1.0), (Counting("b"), 1.0)])
    order = [mixture.train(i, 0) for i in range(100)]
    assert [mixture.train(i, 0) for i in reversed(range(100))][::-1] == order
    assert [mixture.train(i, 1) for i in range(100)] != order


def test_held_out_follows_the_weights():
    mixture = Mixture([(Counting("a"), 3.0), (Counting("b"), 1.0)])
    assert Counter(p.task for p in mixture.held_out("test", 100)) == {"a": 75, "b": 25}


def test_empty():
    with pytest.raises(ConfigError, match="tasks is empty"):
        Mixture([])
