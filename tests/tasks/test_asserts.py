"""Assert tests become cases where that loses nothing, and say so where it would."""

import ast

import pytest

from dunwu.tasks.asserts import NotStatic, assert_tests, fold


def cases(tests, entry="f"):
    found = assert_tests(tests, entry)
    assert found.mode == "function", found
    return [(case.input, case.expected, case.checker) for case in found.cases]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("assert f(1, 'a') == [2]", ("((1, 'a'), {})", "[2]", None)),
        ("assert [2] == f(1), 'a message'", ("((1,), {})", "[2]", None)),
        ("assert f() is None", ("((), {})", "None", None)),
        ("assert f(x=(1,)) == {1: {2, 3}}", ("((), {'x': (1,)})", "{1: {2, 3}}", None)),
        ("assert f(1)", ("((1,), {})", "True", "true")),
        ("assert not f(-1)", ("((-1,), {})", "False", "false")),
        ("assert set(f([1, 1])) == set([1])", ("(([1, 1],), {})", "{1}", "set")),
        ("assert sorted(f(3)) == [1, 2]", ("((3,), {})", "[1, 2]", "unordered")),
        ("assert f(3) in [1, 2]", ("((3,), {})", "[1, 2]", "any_of")),
        ("assert f(3 * 5, 'ab' + 'c') == (2 ** 10, 10 // 3)", ("((15, 'abc'), {})", "(1024, 3)", None)),
        ("assert f([0] * 3) == tuple([1, 2])", ("(([0, 0, 0],), {})", "(1, 2)", None)),
    ],
)
def test_forms_that_become_cases(test, expected):
    assert cases(test) == [expected]


def test_tolerances_are_scaled_to_those_of_the_comparison():
    absolute, relative = assert_tests("assert abs(f(1) - 50.0) < 1e-3\nassert math.isclose(f(2), 50.0, rel_tol=1e-3)", "f").cases
    assert absolute.tolerance * max(1, 50) == pytest.approx(1e-3)
    assert relative.tolerance * max(1, 50) == pytest.approx(0.05)


def test_humaneval_check_is_read_with_its_parameter():
    body = ["assert candidate(2) == 4, 'square'", "assert True, 'prints'", "assert candidate(3) == 9"]
    tests = "META = {'author': 'x'}\n\ndef check(candidate):\n" + "".join(f"    {line}\n" for line in body)
    assert [case[1] for case in cases(tests, "square")] == ["4", "9"]


def test_public_cases_come_first():
    found = assert_tests("assert f(1) == 1\nassert f(2) == 2", "f", public=1)
    assert [case.public for case in found.cases] == [True, False]


@pytest.mark.parametrize(
    "test",
    [
        "for n in range(3):\n    assert f(n) == n",
        "import random\nx = random.random()\nassert f(x) == x",
        "assert f(1) != 2",
        "assert f(f(1)) == 1",
        "assert f(1) == float('inf')",
        "assert f(1)[0] == 2",
        "assert f(list(range(3))) == 3",
        "assert f(*[1]) == 1",
        "assert f(1) == g(2)\ndef g(x):\n    return x",
        "assert f(1) == 1 == f(2)",
    ],
)
def test_the_rest_runs_apart(test):
    found = assert_tests(test, "f")
    assert (found.mode, found.forgeable, found.cases) == ("assert", False, ())


@pytest.mark.parametrize(
    "test",
    [
        "assert f(Pair(1, 2)) == 3",
        "node = Node(1)\nassert f(node) == 1",
        "assert f(lambda x: x) == 1",
        "assert f([1], int) == []",
        "assert f(1j) == 1",
        "assert f(1) == b'a'",
    ],
)
def test_what_needs_the_program_itself_is_forgeable(test):
    found = assert_tests(test, "f")
    assert (found.mode, found.forgeable) == ("assert", True)
    assert found.to_data()["forgeable"] is True


def test_helpers_of_the_preamble_run_apart():
    preamble = "def encode(s):\n    return s[::-1]\n\ndef decode(s):\n    '''inverse'''\n"
    found = assert_tests("def check(candidate):\n    assert candidate(encode('ab')) == 'ab'\n", "decode", preamble)
    assert (found.mode, found.forgeable) == ("assert", False)
    assert found.tests.endswith("check(decode)\n")


def test_no_assert_is_no_test():
    with pytest.raises(ValueError, match="without an assert"):
        assert_tests("x = 1", "f")


@pytest.mark.parametrize(
    "text", ["10 ** 10 ** 10", "'a' * 10 ** 9", "[0] * 10 ** 9", "1 / 0", "x", "open('a')", "2.5 ** 2000", "set([[1]])"]
)
def test_folding_is_bounded_and_runs_nothing(text):
    with pytest.raises(NotStatic):
        fold(ast.parse(text, mode="eval").body)
