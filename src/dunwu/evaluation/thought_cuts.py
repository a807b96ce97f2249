r"""Where a chain of thought is cut: around its first reflection, or around any other sentence. Imports no torch.

A sentence ends at a line break, ``;``, a full stop that is not inside a number (``0.5``), or ``!`` and ``?`` before white space, and at the
Chinese marks. Line breaks after it belong to it, spaces to the next one: so a tokenizer that writes a space into the next word finds it
there. A piece without a letter or digit belongs to the sentence before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dunwu.models.reflection import reflection_spans

Span = tuple[int, int]

_END = re.compile(r"(?:\.(?!\d)|(?<!\d)\.|[;。！？；\n]|[!?](?=\s|$))+[\"')\]”’」]*\n*")
_CONTENT = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Cut:
    """The passage ``text[before:after]`` of a completion; ``position``: where it begins, from 0 (start of the thought) to 1 (its end)."""

    before: int
    after: int
    position: float


def thought_span(prefill: str, text: str) -> Span:
    """Start and end of the thought in a completion: without think tags, all of it."""
    start = 0
    if "<think>" not in prefill:
        found = text.find("<think>")
        start = 0 if found < 0 else found + len("<think>")
    end = text.find("</think>", start)
    return start, len(text) if end < 0 else end


def sentences(text: str, span: Span | None = None) -> list[Span]:
    """The sentences of ``text`` within ``span``, which they cover without a gap; none if it has no letter and no digit."""
    start, end = span or (0, len(text))
    found: list[Span] = []
    begin = start
    for stop in [*(match.end() for match in _END.finditer(text, start, end)), end]:
        if stop > begin and _CONTENT.search(text, begin, stop):
            found.append((begin, stop))
            begin = stop
        elif stop > begin and found:
            found[-1], begin = (found[-1][0], stop), stop
    return found


def reflection_cut(prefill: str, text: str) -> Cut | None:
    """The sentence with the first reflective word of the thought, or ``None``.

    If it has nothing else ("Wait.", "等等。"), the next sentence belongs to the passage.
    """
    span = thought_span(prefill, text)
    word = next((start for start, _ in reflection_spans(text) if span[0] <= start < span[1]), None)
    if word is None:
        return None
    found = sentences(text, span)
    first = last = next(place for place, (_, end) in enumerate(found) if word < end)
    while last + 1 < len(found) and _only_words(text[found[first][0] : found[last][1]]):
        last += 1
    return _cut(span, found[first][0], found[last][1])


def control_cut(prefill: str, text: str, position: float) -> Cut | None:
    """The sentence that begins nearest to a relative ``position``, in a completion without any reflective word; else ``None``."""
    span = thought_span(prefill, text)
    found = sentences(text, span)
    if not found or next(reflection_spans(text), None) is not None:
        return None
    cuts = [_cut(span, *each) for each in found]
    return min(cuts, key=lambda cut: abs(cut.position - position))


def reflects_next(text: str) -> bool:
    """Whether the first sentence of a continuation has a reflective word; one that closes the thought has none.

    A first sentence that is only an interjection without a reflective word does not reflect: words are counted, not meanings.
    """
    thought = text.partition("</think>")[0]
    first = sentences(thought)[:1]
    return any(start < end for _, end in first for start, _ in reflection_spans(thought))


def matched_positions(positions: Sequence[float]) -> Iterator[float]:
    """Endlessly the positions of the reflections in another fixed order: their golden-ratio sequence of quantiles, which is even."""
    ordered, place = sorted(positions), 0.5
    while ordered:
        yield ordered[int(place * len(ordered))]
        place = (place + 0.6180339887498949) % 1.0


def _only_words(text: str) -> bool:
    """Whether a passage has reflective words and nothing else."""
    rest, end = "", 0
    for start, stop in reflection_spans(text):
        rest, end = rest + text[end:start], stop
    return not _CONTENT.search(rest + text[end:])


def _cut(span: Span, before: int, after: int) -> Cut:
    return Cut(before, after, (before - span[0]) / max(1, span[1] - span[0]))
