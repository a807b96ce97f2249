"""Conversations as a stream of token ids with a mask of the tokens that are trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from jinja2 import TemplateError
from numpy.typing import NDArray

from dunwu.data.io.conversations import conversation, is_bad, is_document
from dunwu.errors import DataError
from dunwu.models.bos import encode
from dunwu.models.chat import Segment, TrainingTemplate
from dunwu.models.protocols import Tokenizer
from dunwu.tasks.forms import renamed
from dunwu.tasks.rows import Row, data_files, held_out_files, stream_rows

TokenIds = list[int]
Encode = Callable[[list[str]], list[TokenIds]]
WINDOW = 32
"""Segments of a conversation that are tokenised together."""
CHARACTERS_AT_ONCE = 4_000_000
"""Characters tokenised in one call, on all cores; the tokenizer needs about 50 bytes for each."""


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation as tokens (T); ``learned`` is true for tokens with a loss, never for the first, always for the last."""

    ids: NDArray[np.int32]
    learned: NDArray[np.bool_]
    where: str
    """The name of its row in messages."""
    position: int = 0
    """`Row.position` of its row."""

    @property
    def start(self) -> int:
        """Index of the first learned token; at least 1."""
        return int(self.learned.argmax())

    @property
    def targets(self) -> int:
        """Number of learned tokens."""
        return int(self.learned.sum())


class Examples(Protocol):
    """Examples by index: a list, or a memory-mapped file."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Example: ...

    def __iter__(self) -> Iterator[Example]: ...


@dataclass(slots=True)
class Counts:
    """Counts of a file of conversations; ``too_long`` ones, those ``labelled_bad`` and rows of ``held_out`` files were dropped."""

    conversations: int = 0
    too_long: int = 0
    tokens: int = 0
    learned_tokens: int = 0
    labelled_bad: int = 0
    held_out: int = 0

    def __str__(self) -> str:
        dropped = f"; {self.too_long:,} too long and dropped" if self.too_long else ""
        dropped += f"; {self.labelled_bad:,} labelled bad and dropped" if self.labelled_bad else ""
        dropped += f"; {self.held_out:,} not read, as their files are named test or validation" if self.held_out else ""
        return f"{self.conversations:,} conversations, {self.tokens:,} tokens, {self.learned_tokens:,} of them learned{dropped}"


@dataclass(frozen=True)
class ExampleReader:
    """Reads the rows of a file, or of a folder without its `held_out_files`, in order.

    A row over ``max_length`` tokens is refused, or dropped and counted, never cut.
    """

    path: Path
    template: TrainingTemplate
    tokenizer: Tokenizer
    max_length: int
    overlong: Literal["refuse", "drop"]
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the rows by our names, see `SftConfig.columns`."""

    def read(self, counts: Counts) -> Iterator[Example]:
        """Yield the examples and add each to ``counts``. Raises ``DataError`` with the row and the remedy."""
        for example in encode_rows(self._rows(counts), self.template, self.tokenizer):
            if len(example.ids) <= self.max_length:
                counts.conversations += 1
                counts.tokens += len(example.ids)
                counts.learned_tokens += example.targets
                yield example
            elif self.overlong == "drop":
                counts.too_long += 1
            else:
                raise DataError(
                    f"{example.where}: {len(example.ids)} tokens are over max_length = {self.max_length}; raise it, or set overlong=drop"
                )
        if not counts.conversations:
            bad = f"; {counts.labelled_bad} have a bad label" if counts.labelled_bad else ""
            raise DataError(f"{self.path}: all {counts.too_long} conversations are over max_length = {self.max_length}{bad}; raise it")

    def _rows(self, counts: Counts) -> Iterator[Row]:
        held_out = held_out_files(map(str, data_files(self.path)))
        for row in stream_rows(self.path):
            if row.source in held_out:
                counts.held_out += 1
            elif is_bad(row := renamed(row, self.columns)):
                counts.labelled_bad += 1
            else:
                yield row


class Fingerprint:
    """SHA-256 of ids and flags, because another template or date renders the same rows differently."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()

    def add(self, examples: Iterable[Example]) -> str:
        """The hash of all examples so far."""
        for example in examples:
            self._total.update(example.ids.tobytes() + example.learned.tobytes())
        return self._total.hexdigest()


def encode_rows(rows: Iterable[Row], template: TrainingTemplate, tokenizer: Tokenizer) -> Iterator[Example]:
    """The rows as examples, in order; about `CHARACTERS_AT_ONCE` characters are in memory."""
    for part in _parts((row, _render(row, template)) for row in rows):
        windows = [_windows(segments, template.end) for _, segments in part]
        encoded = encode_segments([each for found in windows for each in found], lambda texts: encode(tokenizer, texts, template.start))
        for (row, _), found in zip(part, windows, strict=True):
            ids, learned = _without_repeats(
                list(islice(encoded, len(found))), len(tokenizer(template.end, add_special_tokens=False)["input_ids"])
            )
            # Nothing predicts the first token, which would be learned if a plain prompt is empty.
            learned[0] = False
            if not learned[-1]:
                raise DataError(f"{row.where}: it has no token to learn; give it a prompt")
            yield Example(np.array(ids, np.int32), np.array(learned, np.bool_), row.where, row.position)


def _parts(rendered: Iterable[tuple[Row, list[Segment]]]) -> Iterator[list[tuple[Row, list[Segment]]]]:
    part, size = list[tuple[Row, list[Segment]]](), 0
    for row, segments in rendered:
        part.append((row, segments))
        size += sum(accumulate(len(segment.text) for segment in segments[:WINDOW])) * -(-len(segments) // WINDOW)
        if size >= CHARACTERS_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part


def _windows(segments: list[Segment], end: str) -> list[list[Segment]]:
    """A long conversation in parts, each after the first with the end token before it, so that its length costs time once, not squared.

    Tokens after the end token, which is special, do not depend on what comes before it.
    """
    parts: list[list[Segment]] = [[]]
    for segment in segments:
        if len(parts[-1]) >= WINDOW and parts[-1][-1].text.endswith(end):
            parts.append([Segment(end)])
        parts[-1].append(segment)
    return parts


def _without_repeats(parts: Sequence[tuple[TokenIds, list[bool]]], end: int) -> tuple[TokenIds, list[bool]]:
    """The parts of `_windows` as one, without the ``end`` tokens before each after the first."""
    ids, learned = list(parts[0][0]), list(parts[0][1])
    for more, flags in parts[1:]:
        ids += more[end:]
        learned += flags[end:]
    return ids, learned


def _render(row: Row, template: TrainingTemplate) -> list[Segment]:
    messages = conversation(row)
    try:
        return template.document(messages[0].content) if is_document(messages) else template.render(messages)
    except DataError as error:
        remedy = "; change or drop the row, or set another template" if isinstance(error.__cause__, TemplateError) else ""
        raise DataError(f"{row.where}: {error}{remedy}") from error


def encode_segments(rendered: Sequence[Sequence[Segment]], encode: Encode) -> Iterator[tuple[TokenIds, list[bool]]]:
    """Ids and learned flags of each conversation.

    A text is tokenised as a whole, and a segment ends where the tokens of the text up to its end do, since a prompt at inference has these
    tokens. (Offsets are not reliable: many tokenizers exclude white space from them.) If a token would cross the end of a segment, the text
    is cut there, as at inference.
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
            rest = [text[len(cut) :] for text in texts[place + 1 :]]
            ids, flags = _joined(segments[place + 1 :], encode(rest), rest, encode)
            return prefix + ids, learned + [segment.learned] * (len(prefix) - len(learned)) + flags
        learned += [segment.learned] * (len(prefix) - len(learned))
    return whole, learned
