"""The token that a tokenizer puts before every text (BOS), as Llama's do: such a model expects it, so our templates write it once."""

from __future__ import annotations

from collections.abc import Sequence

from dunwu.models.protocols import Tokenizer

_PROBE = "a"


def beginning(tokenizer: Tokenizer) -> str:
    """What ``tokenizer`` puts before a plain text; empty where it puts nothing there. Not its ``bos_token``, which may be unused."""
    return "".join(tokenizer.convert_ids_to_tokens(ids)) if (ids := _beginning_ids(tokenizer)) else ""


def encode(tokenizer: Tokenizer, texts: Sequence[str], start: str) -> list[list[int]]:
    """Token ids of each text, nothing added. What follows ``start``, the `beginning`, is encoded as a text of its own, as the tokenizer
    does it: some encode the first word of a text otherwise than one behind a token."""
    begins = [bool(start) and text.startswith(start) for text in texts]
    bare = [text.removeprefix(start) if begun else text for text, begun in zip(texts, begins, strict=True)]
    encoded: list[list[int]] = tokenizer(bare, add_special_tokens=False)["input_ids"] if bare else []
    first = _beginning_ids(tokenizer) if start else []
    return [[*first, *ids] if begun else list(ids) for ids, begun in zip(encoded, begins, strict=True)]


def begin_once(text: str, start: str) -> str:
    """``text`` with ``start`` before it, unless it begins so already."""
    return text if text.startswith(start) else start + text


def _beginning_ids(tokenizer: Tokenizer) -> list[int]:
    whole, bare = (list(tokenizer(_PROBE, add_special_tokens=added)["input_ids"]) for added in (True, False))
    places = (place for place in range(len(whole) - len(bare) + 1) if whole[place : place + len(bare)] == bare)
    return whole[: next(places, 0)]
