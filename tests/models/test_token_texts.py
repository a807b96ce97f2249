"""Which characters of a completion each token wrote."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import pytest

from dunwu.models.token_texts import TokenTexts
from dunwu.types import Completion, TokenSequence
from tests.models.tokenizers_of_kinds import byte_level, llama_like

TEXT = "The quick fox: 你好, naïve 😀 <|im_start|>"


def completion(ids: list[int], text: str, reason: Any = "stop") -> Completion:
    return Completion(TokenSequence.drawn(ids, [-0.5] * len(ids), 0), text, reason)


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_the_pieces_are_those_of_the_tokens(world_tokenizer: Any) -> None:
    text = "<think>3+4=7; wait, 3*4=12</think><answer>3*4</answer>"
    ids = ids_of(world_tokenizer, text)
    found = TokenTexts(world_tokenizer).characters(completion([*ids, world_tokenizer.eos_token_id], text))
    assert found is not None
    assert found[-1] == 0  # the end token
    pieces = [text[start:end] for start, end in pairwise(accumulate(found, initial=0))]
    assert pieces[:-1] == [world_tokenizer.decode([token]) for token in ids]


def test_a_character_of_several_tokens_counts_for_the_last() -> None:
    tokenizer = byte_level()
    ids = ids_of(tokenizer, TEXT)
    found = TokenTexts(tokenizer).characters(completion(ids, TEXT, "length"))
    assert found is not None
    assert sum(found) == len(TEXT)
    ends = list(accumulate(found))
    for place, end in enumerate(ends, 1):  # independent: a prefix of the tokens decodes to the prefix of the text
        assert tokenizer.decode(ids[:place]).rstrip("\ufffd") == TEXT[:end]


def test_a_character_that_is_cut_off_counts_once() -> None:
    tokenizer = byte_level()
    ids = ids_of(tokenizer, "a😀")[:-1]
    text = tokenizer.decode(ids)
    assert text.endswith("\ufffd")
    found = TokenTexts(tokenizer).characters(completion(ids, text, "length"))
    assert found is not None
    assert sum(found) == len(text)


def test_nothing_is_known_of_other_texts_and_other_tokenizers() -> None:
    tokenizer = byte_level()
    assert TokenTexts(tokenizer).characters(completion(ids_of(tokenizer, "abc"), "abd", "length")) is None
    llama = llama_like()
    assert TokenTexts(llama).characters(completion(ids_of(llama, "abc"), "abc", "length")) is None


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_no_tokens_have_no_characters(reason: str) -> None:
    assert TokenTexts(byte_level()).characters(completion([], "", reason)) == []
