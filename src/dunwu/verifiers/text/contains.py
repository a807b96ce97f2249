"""A short answer in a sentence: the gold's words appear unchanged, and nothing is offered beside them or said against them.

Rejected: lists and alternatives around the gold, a sign, operator or unit next to it, everything that `dunwu.verifiers.text.denial`
considers a denial, and answers of more than `MAX_SENTENCE_WORDS` words, since a text that says everything also says the right thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise, takewhile

import regex

from dunwu.text.words import tokens
from dunwu.verifiers.text.denial import Clauses, Words, clauses, holds, is_denied
from dunwu.verifiers.text.words import is_operator, is_symbol

MAX_SENTENCE_WORDS = 120
MAX_ITEM_WORDS = 4
MAX_BARE_WORDS = 2
LIST_ITEMS = 3

_OR = regex.compile(r"\b(?:or|versus|vs)\b|/|或者?是?|还是", regex.IGNORECASE)
_AND = regex.compile(r"\b(?:and|as well as|plus)\b|&|以及|和|与", regex.IGNORECASE)
_ITEM_END = regex.compile(r"[,;，、；|\n]+|\b(?:and|or)\b|或者?|以及|和|/", regex.IGNORECASE)
_SENTENCE_END = regex.compile(r"[.!?;。！？；\n]+(?=\s|\p{Han}|$)")
_SENTENCE_WORDS = frozenset(
    tokens("is was are were be been has had have did does in on at of by to from for with as that this it he she they 是 为 的 在 了 由 有")
)
_ROW_END = regex.compile(r"[;；|\n]+|(?<=\p{L}\s)[-–—]\s")
_BULLET = regex.compile(r"^\s*(?:[-*•‣◦+–—]|\p{Nd}{1,3}[.)、]|\(?\p{L}[.)])\s+(?=\S)")
_LEADS = frozenset(tokens("it is are was were they both answer answers final my i think say so be would that these this its"))
_NUMBER = regex.compile(r"\p{N}")


@dataclass(frozen=True, slots=True)
class Statement:
    """A normalised answer, split in several ways; each of ``lines`` has a flag that is true for a list item."""

    sides: list[Words]
    pair: list[Words]
    items: list[Words]
    sentences: list[Words]
    bare: list[Words]
    lines: list[tuple[bool, Words]]
    clauses: Clauses

    @classmethod
    def of(cls, answer: str, golds: Sequence[Words], read: Callable[[str], Words]) -> Statement:
        """Split ``answer`` and normalise the pieces with ``read``."""

        def cut(separator: regex.Pattern[str]) -> list[Words]:
            return [piece for piece in map(read, separator.split(answer)) if piece]

        lines = [(_BULLET.match(line) is not None, read(_BULLET.sub("", line, 1))) for line in answer.split("\n")]
        return cls(
            sides=cut(_OR),
            pair=cut(_AND),
            items=cut(_ITEM_END),
            sentences=cut(_SENTENCE_END),
            bare=cut(_ROW_END),
            lines=[(is_bullet, words) for is_bullet, words in lines if words],
            clauses=clauses(answer, read, golds),
        )


def contains(gold: Words, words: Words, statement: Callable[[], Statement], golds: Sequence[Words]) -> bool:
    """True if an answer of ``words`` offers ``gold`` and nothing else but other ``golds``. ``statement`` is called only if needed."""
    if len(words) > MAX_SENTENCE_WORDS or _is_number(words):
        return False
    said = sum(not is_symbol(word) for word in words)
    if said > len(gold) + MAX_BARE_WORDS and not _SENTENCE_WORDS.intersection(words):
        return False
    places = [start for start in range(len(words) - len(gold) + 1) if words[start : start + len(gold)] == gold]
    if not any(_stands_alone(words, start, start + len(gold)) for start in places):
        return False
    text = statement()
    return not (
        (not _OR.search(" ".join(gold)) and _is_side_of_or(gold, text.sides, golds))
        or _is_listed(gold, text.items, golds)
        or _is_bullet(gold, text, golds)
        or _is_one_of_two(gold, text, golds)
        or _is_said_of_others(gold, text.sentences)
        or is_denied(gold, text.clauses, words)
    )


def _stands_alone(words: Words, start: int, end: int) -> bool:
    """True if no sign, operator or unit next to ``words[start:end]`` makes it another answer; ``=`` may precede it."""
    before, first, last, after = words[start - 1] if start else "", words[start], words[end - 1], words[end] if end < len(words) else ""
    if (before and before != "=" and is_operator(before)) or (after and is_operator(after)):
        return False
    cut_before = is_symbol(first) and before not in ("", "=") and (is_symbol(before) or _is_number((before,)))
    cut_after = is_symbol(last) and after and (is_symbol(after) or _is_number((after,)))
    return not (cut_before or cut_after)


def _is_side_of_or(gold: Words, sides: list[Words], golds: Sequence[Words]) -> bool:
    """``... Paris`` before an *or*, or ``Paris ...`` after it, and the other side is not a gold."""
    return any(
        (_ends(left, gold) and not any(_starts(right, other) for other in golds))
        or (_starts(right, gold) and not any(_ends(left, other) for other in golds))
        for left, right in pairwise(sides)
    )


def _is_listed(gold: Words, items: list[Words], golds: Sequence[Words]) -> bool:
    """One of at least `LIST_ITEMS` short items in a row, or of two numbers; words may precede the first item and follow the last.

    Items that are golds themselves do not count.
    """
    for index, item in enumerate(items):
        before = list(takewhile(_is_short, reversed(items[:index]))) if _starts(item, gold) else []
        after = list(takewhile(_is_short, items[index + 1 :])) if _ends(item, gold) else []
        beside = [other for other in before + after if not any(_starts(other, known) or _ends(other, known) for known in golds)]
        if len(beside) + 1 >= LIST_ITEMS:
            return True
        if _is_number(gold) and beside and ((before and _is_number(before[0])) or (after and _is_number(after[0][:1]))):
            return True
    return False


def _is_bullet(gold: Words, text: Statement, golds: Sequence[Words]) -> bool:
    """The gold first appears in a list item, or in one of several bare lines, and another of these lines holds no gold."""
    bullets = [words for is_bullet, words in text.lines if is_bullet]
    first = next((is_bullet for is_bullet, words in text.lines if holds(words, [gold])), False)
    bare = text.bare if all(map(_is_short, text.bare)) else []
    rows = bullets if first and len(bullets) > 1 else bare
    return len(rows) > 1 and not all(holds(words, golds) for words in rows)


def _is_one_of_two(gold: Words, text: Statement, golds: Sequence[Words]) -> bool:
    """``It is Paris and Rome``: only two short items, and words that introduce them."""
    if len(text.pair) != 2 or "and" in gold:
        return False
    items = [tuple(dropwhile(_LEADS.__contains__, item)) for item in text.pair]
    return gold in items and all(map(_is_short, items)) and not all(holds(item, golds) for item in items)


def _is_said_of_others(gold: Words, sentences: list[Words]) -> bool:
    """``It is Paris. It is Rome.``: another sentence begins with the same words before the gold, but continues differently."""
    for sentence in sentences:
        lead = next((sentence[:start] for start in range(2, len(sentence)) if sentence[start : start + len(gold)] == gold), ())
        if lead and any(_starts(other, lead) and other[len(lead) : len(lead) + len(gold)] != gold for other in sentences):
            return True
    return False


def _is_short(item: Words) -> bool:
    return len(item) <= MAX_ITEM_WORDS


def _is_number(words: Words) -> bool:
    return any(map(_NUMBER.match, words)) and all(_NUMBER.match(word) or is_symbol(word) for word in words)


def _starts(words: Words, gold: Words) -> bool:
    return words[: len(gold)] == gold


def _ends(words: Words, gold: Words) -> bool:
    return words[-len(gold) :] == gold
