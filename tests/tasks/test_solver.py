from tests.tasks.solver import solutions


def test_needs_fractions():
    assert solutions((3, 3, 8, 8), 24, 10) == ["8/(3-(8/3))"]
    assert solutions((1, 5, 5, 5), 24, 10) == ["5*(5-(1/5))"]


def test_hand_computed_sets():
    assert set(solutions((2, 3), 5, 10)) == {"2+3"}
    assert set(solutions((2, 3), -1, 10)) == {"2-3"}
    assert set(solutions((6, 3), 2, 10)) == {"6/3"}
    assert solutions((1, 1, 1, 1), 24, 10) == []
    assert solutions((7,), 7, 10) == ["7"]


def test_limit_and_no_repetition():
    every = solutions((1, 2, 3, 4), 24, 10_000)
    assert len(every) == len(set(every)) > 5
    assert solutions((1, 2, 3, 4), 24, 3) == every[:3]
    assert solutions((1, 2, 3, 4), 24, 0) == []


def test_division_by_zero_is_passed_over():
    assert solutions((0, 0, 5), 5, 100)


def test_expressions_evaluate_to_the_target():
    for expression in solutions((2, 5, 6, 3), 24, 10_000):
        assert abs(eval(expression) - 24) < 1e-9
        assert sorted(int(c) for c in expression if c.isdigit()) == [2, 3, 5, 6]
