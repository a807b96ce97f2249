import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.types import Problem
from dunwu.verifiers.make_target import verify_expression


def problem(numbers=(3, 7, 2, 4), target=29):
    return Problem(id="p", task="countdown", text="", verifier="expression", data={"numbers": list(numbers), "target": target})


@pytest.mark.parametrize(
    "answer",
    ["3 * 7 + 2 * 4", "4*2+7*3", "(3 × 7) + (4 × 2)", "3*7 + 2*4 = 29", " 3*7+2*4=29 ", "(7 * 4 + 3) - 2", "（7 * 4 + 3） − 2 = 29"],
)
def test_right(answer):
    verdict = verify_expression(problem(), answer)
    assert (verdict.score, verdict.reason) == (1.0, "correct")


def test_exact_fractions_and_negative_targets():
    assert verify_expression(problem((8, 3, 8, 3), 24), "8 / (3 - 8 / 3)").score == 1.0
    assert verify_expression(problem((1, 3), -2), "1 - 3 = -2").score == 1.0
    assert verify_expression(problem((1, 3, 1000), 333), "1 / 3 * 1000").reason == "wrong"
    assert verify_expression(problem((5, 5), "10"), "5 + 5").score == 1.0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("3 * 7 + 4 * 2 + 0", "wrong"),  # a number that is not given
        ("3 * 7 + 4 + 4", "wrong"),  # one reused, one missing
        ("7 * 4 + 3 / 3", "wrong"),
        ("3 * 7 + 2 * 4 + 2 - 2", "wrong"),  # all of them, and one two more times
        ("29", "wrong"),
        ("29 = 29", "wrong"),
        ("3 + 7 + 2 + 4", "wrong"),
        ("3 * 7 + 2 * 4 = 30", "wrong"),
        ("3 * 7 + 2 * 4 = 29.0", "wrong"),
        ("3 * 7 + 2 * 4 = 2²", "wrong"),
        ("3 * 7 + 2 * 4 =", "wrong"),
        ("3 * 7 + 2 * 4 = 21 + 8", "wrong"),
        ("3 * 7 + 2 * 4 = 21 + 8 = 29", "wrong"),
        ("29 = 3 * 7 + 2 * 4", "wrong"),
        ("3 * 7 + 2 * 4 == 29", "wrong"),
        ("3 * 7 + 2 * 4, 3 + 7 + 2 + 4", "wrong"),
        ("3 + 7 + 2 + 4 or 3 * 7 + 2 * 4", "wrong"),
        ("3 + 7 + 2 + 4 或 3 * 7 + 2 * 4", "wrong"),
        ("3 + 7 + 2 + 4\n3 * 7 + 2 * 4", "wrong"),
        ("3 * 7 + 2 / (4 - 4)", "wrong"),
        ("37 - 2 * 4", "wrong"),  # concatenation
        ("3 7 - 2 * 4", "unparsable"),
        ("3 * 7 + 2 ** 4", "unparsable"),
        ("-3 * 7 + 2 * 4", "unparsable"),
        ("3 * 7 + 2 * 4 <= 29", "unparsable"),
        ("the answer is 3 * 7 + 2 * 4", "unparsable"),
        ("３ * 7 + 2 * 4", "unparsable"),
        ("__import__('os').system('true')", "unparsable"),
        ("2.9e1", "unparsable"),
        ("", "unparsable"),
        ("3 * 7 + 2 * 4" + " " * 10_000 + ".", "unparsable"),
        ("3 * 7 + 2 * 4 + " + "0 + " * 3_000 + "0", "unparsable"),
        ("9" * 10_000, "unparsable"),
        ("(" * 10_000, "unparsable"),
    ],
)
def test_not_right(answer, reason):
    verdict = verify_expression(problem(), answer)
    assert (verdict.score, verdict.reason) == (0.0, reason)
    assert verdict.detail
    assert len(verdict.detail) <= 100


def test_a_division_by_zero_is_wrong():
    verdict = verify_expression(problem((1, 2, 2), 0), "1 / (2 - 2)")
    assert (verdict.score, verdict.reason, verdict.detail) == (0.0, "wrong", "division by zero")


@given(st.text() | st.text(alphabet="2347+-*/()= ,or\n²３", max_size=40))
def test_no_text_raises_and_only_the_given_numbers_win(answer):
    verdict = verify_expression(problem(), answer)
    assert verdict.score in (0.0, 1.0)
    if verdict.score == 1.0:
        assert sorted(c for c in answer.partition("=")[0] if c.isdigit()) == ["2", "3", "4", "7"]


@given(st.permutations([3, 7, 2, 4]), st.lists(st.sampled_from("+-*"), min_size=3, max_size=3))
def test_every_order_of_the_numbers_is_judged_by_value(numbers, operators):
    text = "".join(f"{n}{o}" for n, o in zip(numbers, [*operators, ""], strict=True))
    value = eval(text)  # the test's own text, digits and operators only
    assert verify_expression(problem(target=value), text).score == 1.0
    assert verify_expression(problem(target=value + 1), text).score == 0.0
