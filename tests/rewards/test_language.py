"""The language-consistency reward."""

from __future__ import annotations

import pytest

from dunwu.errors import ConfigError
from dunwu.rewards.language import LanguageConsistency
from dunwu.rewards.scope import Reasoning, look_at, narrow
from dunwu.types import Problem

CHINESE = Problem(id="z", task="t", text="小明有三个苹果，一共多少个？", verifier="number", answer="3")
ENGLISH = Problem(id="e", task="t", text="How many apples are there?", verifier="number", answer="3")
SUM = Problem(id="s", task="t", text="3 + 5 = ?", verifier="number", answer="8", language="zh")


def test_the_share_of_the_chain_of_thought_in_the_prompts_language() -> None:
    mixed = Reasoning("我们 need to 计算")
    assert LanguageConsistency()(CHINESE, mixed) == 4 / 6
    assert LanguageConsistency()(ENGLISH, mixed) == 2 / 6
    assert LanguageConsistency()(SUM, mixed) == 4 / 6  # no words in the prompt: the language it declares
    assert LanguageConsistency("en")(CHINESE, mixed) == 2 / 6


def test_only_the_chain_of_thought_counts() -> None:
    whole = look_at("<think>先算一下</think><answer>the answer in English</answer>")
    assert LanguageConsistency()(CHINESE, narrow(whole, Reasoning)) == 1.0


def test_pure_maths_is_no_zero() -> None:
    for text in ("", "3 + 5 = 8", "$x^2 = 4$"):
        assert LanguageConsistency()(CHINESE, Reasoning(text)) is None


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ConfigError, match="'klingon'"):
        LanguageConsistency("klingon")
