"""How thoughts are closed."""

import pytest

from dunwu.evaluation.forced_answer import closing_of
from dunwu.models.thinking import parse_completion

TAGS = ["<think>a</think> <answer>1</answer>", "<think>b</think> <answer>2</answer>", "<think>c</think><answer>3</answer>", "<think>d"]


def test_the_usual_gap_of_the_stored_completions_is_taken():
    assert closing_of(TAGS, "tags-or-boxed").text("", "<think>7", "en") == "</think> <answer>"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("tags", "</think><answer>"),
        ("boxed", "</think>\n\n\\boxed{"),
        ("####", "</think>\n\n#### "),
        ("last-number", "</think>\n\nThe answer is "),
    ],
)
def test_without_an_answer_in_any_completion_the_form_decides(form, expected):
    assert closing_of(["<think>x"], form).text("<think>\n", "x", "en") == expected


def test_boxes_are_opened_where_the_model_writes_boxes():
    assert closing_of([r"<think>x</think> So \boxed{3}.", "<think>y"], "tags-or-boxed").text("", "<think>y", "en") == "</think>\n\n\\boxed{"


def test_a_thought_without_tags_or_one_that_is_closed_is_not_closed_again():
    closing = closing_of(TAGS, "tags")
    assert closing.text("", "only text", "en") == "\n\n<answer>"
    assert closing.text("<think>", "a</think>", "en") == "\n\n<answer>"
    assert closing_of([""], "last-number").text("", "x", "zh") == "\n\n答案是"


def test_a_forced_answer_is_read():
    text = "<think>7" + closing_of(TAGS, "tags-or-boxed").text("", "<think>7", "en") + "12</answer>"
    assert parse_completion(text).answer == "12"
