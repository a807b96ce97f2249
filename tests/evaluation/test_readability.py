"""What counts as readable."""

import pytest

from dunwu.evaluation.readability import readability
from dunwu.types import Problem

ENGLISH = Problem("p", "t", "What is two and two?", "number", "4")


@pytest.mark.parametrize(
    ("text", "well_formed"),
    [
        ("<think>two and two</think><answer>4</answer>", True),
        ("<think>two and two</think>\n\nThe answer is \\boxed{4}.", True),
        ("  <think></think>Hello!", True),
        ("<think>two and two", False),
        ("<think>two</think>", False),
        ("two and two</think>4", False),
        ("So <think>two</think>4", False),
        ("<think>a</think><think>b</think>4", False),
        ("<think>a</think><answer>4", False),
        ("<think>a</think>It is <answer>4</answer>", False),
        ("The answer is 4.", False),
    ],
)
def test_the_form(text: str, well_formed: bool) -> None:
    assert readability(ENGLISH, text).well_formed is well_formed


def test_the_language_is_that_of_the_thought_and_the_end_marker_is_no_text() -> None:
    mixed = readability(ENGLISH, "<think>two and two 是 四</think><answer>4</answer><end>", "<end>")
    assert (mixed.well_formed, mixed.language) == (True, 0.6)
    assert readability(ENGLISH, "<think>2 + 2 = 4</think>四").language is None


def test_repetition_and_summary() -> None:
    turn = "first we add the one number to the other number and then we look at what we have got from it all"
    assert readability(ENGLISH, f"<think>{turn}</think>4").repetition == 0
    assert readability(ENGLISH, f"<think>{f'{turn} ' * 10}</think>4").repetition > 0.8
    assert readability(ENGLISH, "<think>x</think>Adding them up gives \\boxed{4}").summary
    assert not readability(ENGLISH, "<think>x</think><answer>4</answer>").summary
