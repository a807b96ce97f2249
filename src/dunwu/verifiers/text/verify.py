"""Free-text answers: the same text as a gold answer, by one of three rules.

``data["match"]`` names the rule; ``problem.answer`` or the list ``data["answers"]`` holds the gold answers:

- ``exact`` (the default): the same words, numbers and symbols in the same order (`dunwu.verifiers.text.words`). Case, accents, sentence
  punctuation, articles, Unicode forms and white space are ignored. Initials are one word (``U.S.A.`` is ``USA``), number words are
  numbers (``twelve`` is ``12``; ``data["number_words"]: false`` turns that off), a whole number alone is its value (``3.0`` is ``3``).
- ``fuzzy``: similar to at least ``data["threshold"]`` (rapidfuzz's ratio, 0 to 100, default 90), with words that differ in spelling
  only (`dunwu.verifiers.text.spelling`).
- ``contains``: a short answer in a sentence, with the gold's words unchanged (`dunwu.verifiers.text.contains`) and nothing that denies
  them, reverses them or adds another answer (`dunwu.verifiers.text.denial`).

``contains`` misses an answer that contradicts itself in words outside our lists. It can be forged; ``exact`` cannot.
``python -m benchmarks.verify_text`` and `docs/rewards.md` compare the rules with human judgements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from rapidfuzz import fuzz

from dunwu.types import Problem, Verdict
from dunwu.verifiers.text.contains import Statement, contains
from dunwu.verifiers.text.spelling import same_but_for_spelling
from dunwu.verifiers.text.words import has_factorial, normalise, whole_number

MAX_LENGTH = 4096
THRESHOLD = 90.0


def verify_text(problem: Problem, answer: str) -> Verdict:
    """Check that ``answer`` matches one of the gold answers. Raises `ValueError` if the problem has no gold or an unknown rule."""
    golds = problem.data.get("answers") or [problem.answer]
    numbers, factorials = bool(problem.data.get("number_words", True)), any(has_factorial(str(gold)) for gold in golds)

    def read(text: str) -> tuple[str, ...]:
        return normalise(text, numbers, factorials)

    readings = [read(gold) for gold in golds if isinstance(gold, str)]
    if not readings or not all(readings) or len(readings) < len(golds):
        raise ValueError(f"gold answers {str(golds)[:100]}: each must be a string with words in it")
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, "unparsable", f"{len(answer)} characters, at most {MAX_LENGTH}")
    matches = _rule(problem, readings, answer, read)
    words = read(answer)
    if not words:
        return Verdict(0.0, "unparsable", "no words")
    if any(whole_number(gold) == whole_number(words) or matches(gold, words) for gold in readings):
        return Verdict(1.0, "correct")
    return Verdict(0.0, "wrong", "another text")


def _rule(
    problem: Problem, golds: Sequence[tuple[str, ...]], answer: str, read: Callable[[str], tuple[str, ...]]
) -> Callable[[tuple[str, ...], tuple[str, ...]], bool]:
    """A function that says if a gold and different words of an answer still match."""
    threshold = float(problem.data.get("threshold", THRESHOLD))
    match problem.data.get("match", "exact"):
        case "exact":
            return lambda gold, words: False
        case "fuzzy":
            return lambda gold, words: similar(gold, words, threshold)
        case "contains":
            statement = cache(lambda: Statement.of(answer, golds, read))
            return lambda gold, words: contains(gold, words, statement, golds)
        case other:
            raise ValueError(f"match {other!r} is unknown: use exact, fuzzy or contains")


def similar(gold: Sequence[str], answer: Sequence[str], threshold: float) -> bool:
    """Similar to at least ``threshold`` of 100, and each word a spelling of the gold's, so numbers, symbols and negations agree."""
    return same_but_for_spelling(gold, answer) and fuzz.ratio(" ".join(gold), " ".join(answer)) >= threshold
