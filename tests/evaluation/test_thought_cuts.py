"""Cuts by hand, in English and Chinese."""

import itertools

import pytest

from dunwu.evaluation.thought_cuts import control_cut, matched_positions, reflection_cut, reflects_next, sentences, thought_span


def split(text):
    return [text[start:end] for start, end in sentences(text)]


def parts(text, cut):
    return text[: cut.before], text[cut.before : cut.after], text[cut.after :]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", ["One.", " Two."]),
        ("0.5 is half. 1.25;2", ["0.5 is half.", " 1.25;", "2"]),
        ("First line\n\n  Second! Third?", ["First line\n\n", "  Second!", " Third?"]),
        ("5!=120.so", ["5!=120.", "so"]),
        ("第一句。第二句！第三句；四", ["第一句。", "第二句！", "第三句；", "四"]),
        ("a.. ... b", ["a.. ...", " b"]),
        (' "Yes." No', [' "Yes."', " No"]),
        ("...", []),
        ("", []),
    ],
)
def test_sentences_by_hand(text, expected):
    assert split(text) == expected


@pytest.mark.parametrize("text", ["a. b; c\nd", "好。\n\n坏；x", "..a.. b. ", "  \n x"])
def test_sentences_cover_the_text(text):
    assert "".join(split(text)) == text


@pytest.mark.parametrize(
    ("text", "before", "passage"),
    [
        ("<think>3+4=7. wait, 3*4=12. So 12.</think><answer>12</answer>", "<think>3+4=7.", " wait, 3*4=12."),
        ("<think>Wait, no. 12.</think>", "<think>", "Wait, no."),
        ("<think>7. Wait. It is 12. Yes.</think>", "<think>7.", " Wait. It is 12."),
        ("<think>算得7。等等，应该是12。所以12。</think>", "<think>算得7。", "等等，应该是12。"),
        ("<think>7\n不对。\n是12。\n好</think>", "<think>7\n", "不对。\n是12。\n"),
        ("<think>7 and check", "<think>", "7 and check"),
        ("no tags. But then. End", "no tags.", " But then."),
    ],
)
def test_the_first_reflection_by_hand(text, before, passage):
    assert parts(text, reflection_cut("", text))[:2] == (before, passage)


@pytest.mark.parametrize(
    "text", ["<think>7. so 12.</think><answer>12</answer>", "<think>7.</think> Wait, <answer>12</answer>", "", "<think>"]
)
def test_without_a_reflection_in_the_thought_there_is_no_cut(text):
    assert reflection_cut("", text) is None


def test_the_position_is_relative_to_the_thought():
    text = "<think>12345678. wait.</think>"
    assert reflection_cut("", text).position == pytest.approx(9 / 15)
    assert reflection_cut("<think>", "12345678. wait.</think>").position == pytest.approx(9 / 15)


def test_a_thought_that_the_prompt_opens_begins_at_once():
    assert thought_span("<think>\n", "abc</think>d") == (0, 3)
    assert thought_span("", "x<think>abc</think>d") == (8, 11)
    assert thought_span("", "abc") == (0, 3)


@pytest.mark.parametrize(("position", "passage"), [(0.0, "One."), (0.4, " Two."), (1.0, " Three.")])
def test_a_control_is_the_sentence_nearest_to_its_position(position, passage):
    text = "<think>One. Two. Three.</think>"
    assert parts(text, control_cut("", text, position))[1] == passage


@pytest.mark.parametrize("text", ["<think>One. wait.</think>", "<think>One.</think>check", "<think></think>"])
def test_a_control_never_reflects(text):
    assert control_cut("", text, 0.5) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" wait, 3. Four.", True),
        (" 3. wait, 4.", False),
        ("</think>wait", False),
        ("... But", True),
        ("不对，是4。", True),
        ("是4。不对。", False),
        (" waiting.", False),
        ("", False),
    ],
)
def test_whether_a_continuation_begins_with_a_reflection(text, expected):
    assert reflects_next(text) is expected


def test_positions_of_controls_follow_those_of_reflections():
    drawn = list(itertools.islice(matched_positions([0.1, 0.2, 0.3, 0.4]), 400))
    assert set(drawn) == {0.1, 0.2, 0.3, 0.4}
    assert all(95 <= drawn.count(each) <= 105 for each in set(drawn))
    assert list(itertools.islice(matched_positions([]), 3)) == []
