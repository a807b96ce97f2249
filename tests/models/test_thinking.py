import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.models.thinking import TAGS, parse_completion

GOOD = "<think>3 + 4 = 7</think>\n<answer>3 + 4</answer>"


def test_well_formed():
    parsed = parse_completion(GOOD)
    assert (parsed.reasoning, parsed.answer, parsed.well_formed, parsed.problem) == ("3 + 4 = 7", "3 + 4", True, "")


@pytest.mark.parametrize("text", [f"\n {GOOD} \n", "<think></think><answer>7</answer>", f"{GOOD}<|end|>", f"{GOOD}\n<|end|>\n"])
def test_white_space_empty_reasoning_and_one_end_marker_are_well_formed(text):
    assert parse_completion(text, end_marker="<|end|>").well_formed


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"Sure. {GOOD}", "3 + 4"),
        (f"{GOOD} Done.", "3 + 4"),
        (f"{GOOD}<|end|>", "3 + 4"),
        (f"{GOOD}<think>more</think>", "3 + 4"),
        ("<think>a</think> so <answer>7</answer>", "7"),
        ("<think>a<think>b</think></think><answer>7</answer>", "7"),
        ("<think><answer>6</answer></think><answer>7</answer>", "7"),
        ("a</think><answer>7</answer>", "7"),
        ("<answer>7</answer>", "7"),
        ("I say <answer>7</answer> <think>", None),
    ],
)
def test_an_answer_in_a_text_that_is_not_well_formed(text, answer):
    parsed = parse_completion(text)
    assert parsed.answer == answer
    assert not parsed.well_formed
    assert parsed.problem


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<think>",
        "<think>a</think>",
        "<think>7 <answer>7</answer>",
        "<think>a</think><answer>7",
        "<think>a</think>7</answer>",
        "<think>a</think></answer>7<answer>",
        "<think>a</think></answer><answer>7</answer>",
        "<think>a</think><answer>  </answer>",
        "<think>a</think><answer>6</answer><answer>7</answer>",
        "<think>a</think><answer>7</answer><answer>7</answer>",
        "<think>a</think><answer>6</answer></think><answer>7</answer>",
        "<think>a</think><answer><answer>7</answer></answer>",
        "<think>a</think><answer>7</answer></answer>",
        "<answer>6</answer><answer>7</answer>",
        "<THINK>a</THINK><ANSWER>7</ANSWER>",
    ],
)
def test_no_answer(text):
    parsed = parse_completion(text)
    assert parsed.answer is None
    assert not parsed.well_formed


def test_unfinished_reasoning_is_still_reasoning():
    assert parse_completion("<think>one two").reasoning == "one two"
    assert parse_completion("one</think><answer>7</answer>").reasoning == "one"
    assert parse_completion("<answer>7</answer>").reasoning is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"<think>a</think>The answer is \boxed{7}.", "7"),
        (r"\boxed{6}, no: \boxed{7}", "7"),
        (r"<think>\boxed{7}</think>", None),
        (r"<think>a</think>\boxed{6} or \boxed{7}", None),
        (r"<think>a</think>\boxed{6}<answer>7", None),
        (r"<think>a</think>\boxed{}", None),
    ],
)
def test_boxes_answer_where_there_are_no_answer_tags(text, answer):
    parsed = parse_completion(text)
    assert (parsed.answer, parsed.well_formed) == (answer, False)


pieces = st.lists(st.sampled_from([*TAGS, "7", " ", "x", "\\boxed{7}", "\\boxed{", "}", "\n"]), max_size=12).map("".join)


@given(pieces | st.text())
def test_well_formed_means_each_tag_once_and_one_answer(text):
    parsed = parse_completion(text)
    assert parsed.well_formed == (parsed.problem == "")
    if parsed.well_formed:
        assert [text.count(tag) for tag in TAGS] == [1, 1, 1, 1]
        assert parsed.answer
        assert text.strip().startswith("<think>")
        assert text.strip().endswith("</answer>")
    if text.partition("</think>")[2].count("<answer>") > 1:
        assert parsed.answer is None


def test_imports_no_torch():
    code = "import sys, dunwu.models.thinking; sys.exit(bool({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
