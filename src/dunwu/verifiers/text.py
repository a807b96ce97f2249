"""Free-text answers: the same text as a gold answer, by one of three rules.

``data["match"]`` names the rule, ``problem.answer`` or the list ``data["answers"]`` holds the gold answers:

- ``exact`` (the default): the same words, numbers and symbols in the same order (`dunwu.verifiers.text_words`). Case, accents, punctuation
  of sentences, articles, Unicode forms and white space do not count, and number words are numbers (``twelve`` is ``12``,
  ``data["number_words"]: false`` switches that off).
- ``fuzzy``: as similar as ``data["threshold"]`` says (rapidfuzz's ratio, 0 to 100, default 90), with the same numbers, symbols and
  negations.
- ``contains``: a short answer in a sentence, the gold's words stand in it as they are, with no sign or operator beside them. It refuses
  what puts forward more than one answer: lists and alternatives around the gold (``Paris, Rome or Oslo``), negations before it, and
  answers beyond `MAX_SENTENCE_WORDS` words, as a text that says everything says the right thing too.

What containment does not see: an answer that contradicts itself elsewhere, a gold in a side remark (``unlike Paris, it is Rome``).
Against human judgements see ``python -m benchmarks.verify_text`` and `docs/rewards.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

import regex
from rapidfuzz import fuzz

from dunwu.types import Problem, Verdict
from dunwu.verifiers.text_words import has_factorial, is_operator, is_symbol, normalise
from dunwu.words import tokens

MAX_LENGTH = 4096
MAX_SENTENCE_WORDS = 120
MAX_ITEM_WORDS = 4
MAX_BARE_WORDS = 2
LIST_ITEMS = 3
THRESHOLD = 90.0

_NEGATIONS = frozenset(
    tokens("not no never neither nor without except unlike isn't wasn't aren't weren't don't doesn't didn't can't cannot 不 非 没 未 无 否")
)
_ALTERNATIVE = regex.compile(r"\b(?:or|versus|vs)\b|/|或者?是?|还是", regex.IGNORECASE)
_ITEM_END = regex.compile(r"[,;，、；|\n]+|\b(?:and|or)\b|或者?|以及|和|/", regex.IGNORECASE)
_SENTENCE_END = regex.compile(r"[.!?;。！？；\n]+(?=\s|\p{Han}|$)")
_SENTENCE_WORDS = frozenset(
    tokens("is was are were be been has had have did does in on at of by to from for with as that this it he she they 是 为 的 在 了 由 有")
)
_NUMBER = regex.compile(r"\p{N}")


def verify_text(problem: Problem, answer: str) -> Verdict:
    """Does ``answer`` match one of the gold answers? Raises `ValueError` for a problem without gold or with an unknown rule."""
    golds = problem.data.get("answers") or [problem.answer]
    numbers, factorials = bool(problem.data.get("number_words", True)), any(has_factorial(str(gold)) for gold in golds)

    def read(text: str) -> tuple[str, ...]:
        return normalise(text, numbers, factorials)

    readings = [read(gold) for gold in golds if isinstance(gold, str)]
    if not readings or not all(readings) or len(readings) < len(golds):
        raise ValueError(f"gold answers {str(golds)[:100]}: each must be a text with words in it")
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, "unparsable", f"{len(answer)} characters, at most {MAX_LENGTH}")
    matches = _rule(problem, readings, answer, read)
    words = read(answer)
    if not words:
        return Verdict(0.0, "unparsable", "no words")
    if any(gold == words or matches(gold, words) for gold in readings):
        return Verdict(1.0, "correct")
    return Verdict(0.0, "wrong", "another text")


def _rule(
    problem: Problem, golds: Sequence[tuple[str, ...]], answer: str, read: Callable[[str], tuple[str, ...]]
) -> Callable[[tuple[str, ...], tuple[str, ...]], bool]:
    """Whether a gold and the words of the answer, which are not the same, match all the same."""
    threshold = float(problem.data.get("threshold", THRESHOLD))
    match problem.data.get("match", "exact"):
        case "exact":
            return lambda gold, words: False
        case "fuzzy":
            return lambda gold, words: similar(gold, words, threshold)
        case "contains":
            pieces = Pieces(*(_pieces(separator, answer, read) for separator in (_ALTERNATIVE, _ITEM_END, _SENTENCE_END)))
            return lambda gold, words: contains(gold, words, pieces, golds)
        case other:
            raise ValueError(f"match {other!r}: it is exact, fuzzy or contains")


def _pieces(separator: regex.Pattern[str], answer: str, read: Callable[[str], tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [piece for piece in map(read, separator.split(answer)) if piece]


def similar(gold: Sequence[str], answer: Sequence[str], threshold: float) -> bool:
    """Alike to ``threshold`` of 100, with the same numbers, symbols and negations: a digit or ``not`` changes little but the meaning."""
    if _fixed(gold) != _fixed(answer):
        return False
    return fuzz.ratio(" ".join(gold), " ".join(answer)) >= threshold


def _fixed(words: Sequence[str]) -> list[str]:
    return [word for word in words if _NUMBER.search(word) or is_symbol(word) or word in _NEGATIONS]


@dataclass(frozen=True, slots=True)
class Pieces:
    """An answer, normalised, cut in three ways."""

    sides: list[tuple[str, ...]]
    items: list[tuple[str, ...]]
    sentences: list[tuple[str, ...]]


def contains(gold: tuple[str, ...], words: tuple[str, ...], pieces: Pieces, golds: Sequence[tuple[str, ...]]) -> bool:
    """Does an answer of ``words`` put forward ``gold``, and nothing beside it but other ``golds``?"""
    if len(words) > MAX_SENTENCE_WORDS or _is_number(words):
        return False
    said = sum(not is_symbol(word) for word in words)
    if said > len(gold) + MAX_BARE_WORDS and not _SENTENCE_WORDS.intersection(words):
        return False
    places = [start for start in range(len(words) - len(gold) + 1) if words[start : start + len(gold)] == gold]
    places = [start for start in places if _stands_alone(words, start, start + len(gold))]
    if not places or any(_NEGATIONS.intersection(words[max(0, start - 3) : start]) for start in places):
        return False
    return not (
        (not _ALTERNATIVE.search(" ".join(gold)) and _is_side_of_or(gold, pieces.sides, golds))
        or _is_listed(gold, pieces.items, golds)
        or _is_said_of_others(gold, pieces.sentences)
    )


def _stands_alone(words: tuple[str, ...], start: int, end: int) -> bool:
    """No sign, operator or unit beside ``words[start:end]``, which would make it another answer; ``=`` may stand before it."""
    before, first, last, after = words[start - 1] if start else "", words[start], words[end - 1], words[end] if end < len(words) else ""
    if (before and before != "=" and is_operator(before)) or (after and is_operator(after)):
        return False
    cut_before = is_symbol(first) and before not in ("", "=") and (is_symbol(before) or _is_number((before,)))
    cut_after = is_symbol(last) and after and (is_symbol(after) or _is_number((after,)))
    return not (cut_before or cut_after)


def _is_side_of_or(gold: tuple[str, ...], sides: list[tuple[str, ...]], golds: Sequence[tuple[str, ...]]) -> bool:
    """``... Paris`` before an *or*, or ``Paris ...`` behind it, and what is on the other side is no gold."""
    return any(
        (_ends(left, gold) and not any(_starts(right, other) for other in golds))
        or (_starts(right, gold) and not any(_ends(left, other) for other in golds))
        for left, right in pairwise(sides)
    )


def _is_listed(gold: tuple[str, ...], items: list[tuple[str, ...]], golds: Sequence[tuple[str, ...]]) -> bool:
    """One of at least `LIST_ITEMS` short items in a row, or of two numbers; words may lead to the first item and follow the last.

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


def _is_said_of_others(gold: tuple[str, ...], sentences: list[tuple[str, ...]]) -> bool:
    """``It is Paris. It is Rome.``: another sentence begins with the words that lead to the gold, and goes on otherwise."""
    for sentence in sentences:
        lead = next((sentence[:start] for start in range(2, len(sentence)) if sentence[start : start + len(gold)] == gold), ())
        if lead and any(_starts(other, lead) and other[len(lead) : len(lead) + len(gold)] != gold for other in sentences):
            return True
    return False


def _is_short(item: tuple[str, ...]) -> bool:
    return len(item) <= MAX_ITEM_WORDS


def _is_number(words: tuple[str, ...]) -> bool:
    return any(map(_NUMBER.match, words)) and all(_NUMBER.match(word) or is_symbol(word) for word in words)


def _starts(words: tuple[str, ...], gold: tuple[str, ...]) -> bool:
    return words[: len(gold)] == gold


def _ends(words: tuple[str, ...], gold: tuple[str, ...]) -> bool:
    return words[-len(gold) :] == gold
