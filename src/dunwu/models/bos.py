"""The token that some tokenizers put before every text (BOS), such as Llama's: the model expects it, so our templates write it once."""

from __future__ import annotations

from collections.abc import Sequence

from dunwu.models.protocols import Tokenizer

_PROBE = "a"


def bos_text(tokenizer: Tokenizer) -> str:
    """The text that ``tokenizer`` puts before a plain text; empty if none. Not its ``bos_token``, which may be unused."""
    return "".join(tokenizer.convert_ids_to_tokens(ids)) if (ids := _bos_ids(tokenizer)) else ""


def encode(tokenizer: Tokenizer, texts: Sequence[str], start: str) -> list[list[int]]:
    """Token ids of each text, nothing added. The text after ``start``, the `bos_text`, is encoded separately, as the tokenizer does:
    some encode the first word of a text differently from a word after a token."""
    marked = [bool(start) and text.startswith(start) for text in texts]
    bare = [text.removeprefix(start) if mark else text for text, mark in zip(texts, marked, strict=True)]
    encoded: list[list[int]] = tokenizer(bare, add_special_tokens=False)["input_ids"] if bare else []
    first = _bos_ids(tokenizer) if start else []
    return [[*first, *ids] if mark else list(ids) for ids, mark in zip(encoded, marked, strict=True)]


def start_with(text: str, start: str) -> str:
    """``text`` with ``start`` before it, unless it already starts with it."""
    return text if text.startswith(start) else start + text


def _bos_ids(tokenizer: Tokenizer) -> list[int]:
    whole, bare = (list(tokenizer(_PROBE, add_special_tokens=added)["input_ids"]) for added in (True, False))
    places = (place for place in range(len(whole) - len(bare) + 1) if whole[place : place + len(bare)] == bare)
    return whole[: next(places, 0)]
