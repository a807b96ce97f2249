"""Free-text answers: the same text as a gold answer, by one of three rules.

``data["match"]`` names the rule, ``problem.answer`` or the list ``data["answers"]`` holds the gold answers:

- ``exact`` (the default): the same words, numbers and symbols in the same order (`dunwu.verifiers.text.words`). Case, accents, punctuation
  of sentences, articles, Unicode forms and white space do not count. Initials are one word (``U.S.A.`` is ``USA``), number words are
  numbers (``twelve`` is ``12``; ``data["number_words"]: false`` switches that off), a whole number alone is its value (``3.0`` is ``3``).
- ``fuzzy``: as similar as ``data["threshold"]`` says (rapidfuzz's ratio, 0 to 100, default 90), where the words differ by their spelling
  alone (`dunwu.verifiers.text.spelling`).
- ``contains``: a short answer in a sentence, the gold's words stand in it as they are (`dunwu.verifiers.text.contains`), and nothing there
  denies them, turns them round or puts another answer beside them (`dunwu.verifiers.text.denial`).

What containment does not see: an answer that contradicts itself in words that no list has. It may be forged; ``exact`` may not.
Against human judgements see ``python -m benchmarks.verify_text`` and `docs/rewards.md`.
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
    if any(whole_number(gold) == whole_number(words) or matches(gold, words) for gold in readings):
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
            statement = cache(lambda: Statement.of(answer, golds, read))
            return lambda gold, words: contains(gold, words, statement, golds)
        case other:
            raise ValueError(f"match {other!r}: it is exact, fuzzy or contains")


def similar(gold: Sequence[str], answer: Sequence[str], threshold: float) -> bool:
    """Alike to ``threshold`` of 100, and each word a spelling of the gold's: the same numbers, symbols and negations among them."""
    return same_but_for_spelling(gold, answer) and fuzz.ratio(" ".join(gold), " ".join(answer)) >= threshold
