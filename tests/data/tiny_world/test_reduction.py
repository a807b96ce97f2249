import random

import pytest

from dunwu.data.tiny_world.reduction import LIMIT, Step, expression, good_steps, operations, reachable, steps
from dunwu.data.tiny_world.search import random_path
from dunwu.verifiers.expression import parse_expression
from tests.tasks.solver import solutions


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        (3, 7, [(7, "+", 3, 10), (7, "*", 3, 21), (7, "-", 3, 4)]),
        (8, 2, [(8, "+", 2, 10), (8, "*", 2, 16), (8, "-", 2, 6), (8, "/", 2, 4)]),
        (0, 5, [(5, "+", 0, 5), (5, "*", 0, 0), (5, "-", 0, 5)]),
        (0, 0, [(0, "+", 0, 0), (0, "*", 0, 0), (0, "-", 0, 0)]),
        (150, 60, [(150, "-", 60, 90)]),
        (100, 2, [(100, "+", 2, 102), (100, "*", 2, LIMIT), (100, "-", 2, 98), (100, "/", 2, 50)]),
    ],
)
def test_operations_are_whole_not_negative_and_bounded(a: int, b: int, found: list[tuple[int, str, int, int]]) -> None:
    assert operations(a, b) == operations(b, a) == found


def test_steps_of_a_hand_computed_state() -> None:
    assert [(step.equation, step.state) for step in steps((2, 4))] == [("4+2=6", (6,)), ("4*2=8", (8,)), ("4-2=2", (2,)), ("4/2=2", (2,))]
    assert len(steps((3, 3, 3))) == 4, "equal pairs give equal steps, which count once"
    assert Step(4, "*", 2, 8, (3, 8)) in steps((2, 3, 4))


@pytest.mark.parametrize(
    ("state", "target", "possible"),
    [
        ((3, 7, 8), 29, True),
        ((1, 1, 1, 1), 24, False),
        ((4, 4, 10, 10), 24, True),
        ((1, 5, 5, 5), 24, False),  # 5*(5-1/5): solvable with a fraction only
        ((3, 3, 8, 8), 24, False),  # 8/(3-8/3): likewise
        ((7,), 7, True),
    ],
)
def test_reachable(state: tuple[int, ...], target: int, possible: bool) -> None:
    assert reachable(state, target) is possible


def test_what_is_reachable_is_solvable() -> None:
    rng = random.Random(1)
    found = 0
    for _ in range(60):
        state = tuple(sorted(rng.randint(1, 13) for _ in range(3)))
        target = rng.randint(1, 60)
        found += reachable(state, target)
        assert not reachable(state, target) or solutions(state, target, 1), (state, target)
    assert found > 5


def test_good_steps_are_the_steps_that_keep_the_target_in_reach() -> None:
    state, target = (4, 6, 7, 9), 24
    good = good_steps(state, target)
    assert good
    assert set(good) < set(steps(state))
    assert all(reachable(step.state, target) == (step in good) for step in steps(state))


def test_expression_of_a_hand_computed_path() -> None:
    assert expression([Step(7, "*", 3, 21, (8, 21)), Step(21, "+", 8, 29, (29,))]) == "(7*3)+8"
    assert expression([Step(9, "-", 3, 6, (4, 6)), Step(6, "*", 4, 24, (24,))]) == "(9-3)*4"


def test_a_result_equal_to_a_given_number_is_written_once() -> None:
    path = [Step(4, "+", 3, 7, (7, 7)), Step(7, "*", 7, 49, (49,))]
    assert sorted(parse_expression(expression(path)).numbers) == [3, 4, 7]


def test_an_expression_uses_every_number_once_and_has_the_last_result() -> None:
    rng = random.Random(2)
    for _ in range(2000):
        state = tuple(sorted(rng.randint(0, 12) for _ in range(rng.choice((2, 3, 4, 5)))))
        path = random_path(rng, state)
        written = parse_expression(expression(path))
        assert tuple(sorted(written.numbers)) == state
        assert written.value == path[-1].result
