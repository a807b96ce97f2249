"""Conversations as token ids with a mask of what is learned, exact to the token."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dunwu.data.io.conversations import conversation
from dunwu.errors import DataError
from dunwu.models.beginning import encode
from dunwu.models.chat import Segment, TrainingTemplate
from dunwu.models.protocols import Tokenizer
from dunwu.tasks.rows import Row, local_rows

TokenIds = list[int]
Encode = Callable[[list[str]], list[TokenIds]]
AT_ONCE = 256
"""Conversations tokenised together, on all cores."""


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation as tokens (T): ``learned`` is true where the loss is, never at the first token, always at the last."""

    ids: NDArray[np.int32]
    learned: NDArray[np.bool_]
    where: str
    """The row it came from, as a message calls it."""

    @property
    def start(self) -> int:
        """Place of the first learned token; at least 1."""
        return int(self.learned.argmax())

    @property
    def targets(self) -> int:
        """Number of learned tokens."""
        return int(self.learned.sum())


@dataclass
class ExampleSet:
    """The examples of a file, and how many rows were left out as too long."""

    examples: list[Example] = field(default_factory=list)
    too_long: int = 0

    @property
    def tokens(self) -> int:
        return sum(len(example.ids) for example in self.examples)

    @property
    def targets(self) -> int:
        return sum(example.targets for example in self.examples)

    def fingerprint(self) -> str:
        """SHA-256 of all ids and flags: the same rows may be written otherwise by another template, or on another day."""
        total = hashlib.sha256()
        for example in self.examples:
            total.update(example.ids.tobytes() + example.learned.tobytes())
        return total.hexdigest()

    def facts(self) -> dict[str, int]:
        """Counts for a manifest."""
        return {"conversations": len(self.examples), "too_long": self.too_long, "tokens": self.tokens, "learned_tokens": self.targets}


def read_examples(
    path: Path, template: TrainingTemplate, tokenizer: Tokenizer, max_length: int, overlong: Literal["refuse", "drop"]
) -> ExampleSet:
    """All rows of a file or folder in their order. A row over ``max_length`` tokens is refused, or dropped and counted; none is cut.

    Raises ``DataError`` that names the row and the remedy.
    """
    found = ExampleSet()
    rows = iter(local_rows(path))
    while part := list(islice(rows, AT_ONCE)):
        for example in encode_rows(part, template, tokenizer):
            if len(example.ids) <= max_length:
                found.examples.append(example)
            elif overlong == "drop":
                found.too_long += 1
            else:
                raise DataError(
                    f"{example.where}: {len(example.ids)} tokens are over max_length = {max_length}; raise it, or set overlong=drop"
                )
    if not found.examples:
        raise DataError(f"{path}: all {found.too_long} conversations are over max_length = {max_length}; raise it")
    return found


def encode_rows(rows: Sequence[Row], template: TrainingTemplate, tokenizer: Tokenizer) -> Iterator[Example]:
    """The rows as examples, in their order."""
    rendered = [_render(row, template) for row in rows]
    encoded = encode_segments(rendered, lambda texts: encode(tokenizer, texts, template.start))
    for row, (ids, learned) in zip(rows, encoded, strict=True):
        # Nothing predicts the very first token, which is learned where a plain prompt is empty.
        learned[0] = False
        if not learned[-1]:
            raise DataError(f"{row.where}: nothing of it can be learned; give it a prompt")
        yield Example(np.array(ids, np.int32), np.array(learned, np.bool_), row.where)


def _render(row: Row, template: TrainingTemplate) -> list[Segment]:
    messages = conversation(row)
    try:
        return template.render(messages)
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from error


def encode_segments(rendered: Sequence[Sequence[Segment]], encode: Encode) -> Iterator[tuple[TokenIds, list[bool]]]:
    """Ids and learned flags of each conversation.

    A text is tokenised as a whole, and a piece ends where the tokens of the text so far end: these are what the model is given as
    its prompt. (Offsets do not tell: many tokenizers leave white space out of them.) Where a token would lie across the end of a piece, the
    text is cut there, as it is at inference.
    """
    beginnings = [list(accumulate(segment.text for segment in segments)) for segments in rendered]
    encoded = iter(encode([text for texts in beginnings for text in texts]))
    for segments, texts in zip(rendered, beginnings, strict=True):
        prefixes = [next(encoded) for _ in texts]
        yield _joined(segments, prefixes, texts, encode)


def _joined(segments: Sequence[Segment], prefixes: Sequence[TokenIds], texts: Sequence[str], encode: Encode) -> tuple[TokenIds, list[bool]]:
    whole, learned = prefixes[-1], list[bool]()
    for place, (segment, prefix) in enumerate(zip(segments, prefixes, strict=True)):
        if whole[: len(prefix)] != prefix:
            cut = texts[place]
            behind = [text[len(cut) :] for text in texts[place + 1 :]]
            ids, flags = _joined(segments[place + 1 :], encode(behind), behind, encode)
            return prefix + ids, learned + [segment.learned] * (len(prefix) - len(learned)) + flags
        learned += [segment.learned] * (len(prefix) - len(learned))
    return whole, learned
