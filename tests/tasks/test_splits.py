from collections import Counter
from itertools import combinations_with_replacement, permutations

from dunwu.tasks.game24_puzzles import load_puzzles
from dunwu.tasks.splits import GAME24_HELD_OUT, is_reserved, split_of, split_of_text


def test_reserved_multisets_are_the_hundred_ranks():
    assert len(GAME24_HELD_OUT) == 100
    assert {tuple(sorted(load_puzzles()[rank - 1].numbers)) for rank in range(901, 1001)} == GAME24_HELD_OUT


def test_order_does_not_matter():
    assert len({split_of(order) for order in permutations((3, 7, 8))}) == 1
    reserved = next(iter(GAME24_HELD_OUT))
    assert all(is_reserved(order) for order in permutations(reserved))


def test_reserved_is_test_and_neighbours_are_not_reserved():
    assert all(split_of(multiset) == "test" for multiset in GAME24_HELD_OUT)
    assert not is_reserved(next(iter(GAME24_HELD_OUT))[:3])
    assert not is_reserved(load_puzzles()[0].numbers)


def test_proportions():
    multisets = [m for m in combinations_with_replacement(range(1, 14), 4) if m not in GAME24_HELD_OUT]
    counts = Counter(split_of(m) for m in multisets)
    assert 0.77 < counts["train"] / len(multisets) < 0.83
    assert 0.08 < counts["validation"] / len(multisets) < 0.12
    assert 0.08 < counts["test"] / len(multisets) < 0.12


def test_splits_are_the_same_for_ever():
    """A changed hash would silently move test problems into the training data of older checkpoints."""
    assert "".join(split_of((a, 2, 3))[1] for a in range(1, 25)) == EXPECTED
    assert split_of((7, 3, 8)) == split_of_text("3,7,8")


EXPECTED = "rrarrrrrrrrrerrrrrarrrrr"
