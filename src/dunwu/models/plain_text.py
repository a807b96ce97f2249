"""Special tokens in a text that people wrote, such as ``</s>`` in HTML, stay text: they end no turn and forge none.

Before a template writes the text, each is replaced by one private character, so that the template's own can be told from them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dunwu.models.bos import encode
from dunwu.models.chat_text import special_tokens
from dunwu.models.protocols import Tokenizer

_FIRST = 0xF0000
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""Prompts ask for these, and a tokenizer may have them as special tokens."""


def maskable_tokens(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The special tokens that stay text where people wrote them, long ones first."""
    return tuple(sorted(special_tokens(tokenizer) - {"", *_TAGS}, key=lambda token: (-len(token), token)))


def mask(text: str, tokens: Sequence[str]) -> str:
    """``text`` with a private character for each of ``tokens``."""
    for place, token in enumerate(tokens):
        text = text.replace(token, chr(_FIRST + place))
    return text


def unmask(text: str, tokens: Sequence[str]) -> str:
    """The inverse of `mask`."""
    for place, token in enumerate(tokens):
        text = text.replace(chr(_FIRST + place), token)
    return text


def encode_masked(tokenizer: Tokenizer, text: str, start: str, tokens: Sequence[str]) -> tuple[int, ...]:
    """Token ids of what a template wrote, as `encode` gives them, in which masked ``tokens`` are text."""
    if unmask(text, tokens) == text:
        return tuple(encode(tokenizer, [text], start)[0])
    ids: list[int] = []
    for place, piece in enumerate(re.split(f"({'|'.join(map(re.escape, tokens))})", text)):
        if place % 2:
            ids.append(int(tokenizer.convert_tokens_to_ids(piece)))
        elif piece:
            ids += tokenizer(unmask(piece, tokens), add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    return tuple(ids)
