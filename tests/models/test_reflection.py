"""Reflective words are counted once, on word boundaries."""

from itertools import pairwise

import pytest

from dunwu.models.reflection import CHINESE, ENGLISH, count_reflections, reflection_counts, reflection_spans


def test_the_english_list_is_the_papers():
    assert set(ENGLISH) == {"wait", "mistake", "however", "but", "retry", "error", "verify", "wrong", "evaluate", "check"}


@pytest.mark.parametrize("word", [*ENGLISH, *CHINESE])
def test_every_word_counts_once_alone(word):
    assert reflection_counts(word) == {word: 1}


@pytest.mark.parametrize("text", ["waiting await button checked errors wrongly checkmate wait2 _but verify_", "等 不 对 检 查", ""])
def test_other_words_do_not_count(text):
    assert count_reflections(text) == 0


def test_case_and_punctuation():
    assert reflection_counts("WAIT, Wait... wait!but;However,") == {"wait": 3, "but": 1, "however": 1}
    assert count_reflections("5*4=20,3:wait,20+3=23.check 23") == 2


def test_the_longest_word_is_taken_and_nothing_counts_twice():
    assert reflection_counts("等一下") == {"等一下": 1}
    assert reflection_counts("等等等等") == {"等等": 2}
    assert reflection_counts("错误错了") == {"错误": 1, "错了": 1}
    spans = list(reflection_spans("等等,不对。wait 错误but"))
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_english_beside_chinese_stands_alone():
    assert reflection_counts("我wait一下,但是check过") == {"wait": 1, "但是": 1, "check": 1}


def test_one_language_only():
    text = "wait 等等 but 不对"
    assert (count_reflections(text, "en"), count_reflections(text, "zh"), count_reflections(text)) == (2, 2, 4)


def test_long_text_is_quick():
    assert count_reflections("wait, 等等 " * 100_000) == 200_000
