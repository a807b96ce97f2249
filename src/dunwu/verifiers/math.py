r"""Maths answers: equivalent to the gold or not.

An answer is found in the text (`math_answer`), bounded, cleaned (`math_text`), read by our own grammar (`math_values`, `math_syntax`) and
compared (`math_compare`): exactly by normal forms, by values at a few points where unequal forms decide nothing, and what is then still
open in a killable worker process (`math_worker`: 120 digits, or math-verify for golds outside our grammar). No ``eval``, and no
``parse_expr``, sees model text. What `MathPolicy` does not settle:

- A tuple or interval agrees in order and brackets; ``(1,2)`` is not ``\{1,2\}``; a bare list ``1, 2`` agrees with a set in any order and
  with a tuple in order. Several answers are wrong for a gold of one, also when one of them is right.
- A chain of equations must hold: ``2 * 4 = 8`` is 8, ``5 = 6`` is nothing.
- Decimals are exact: 0.33 is not 1/3. Square roots are principal, odd roots of negative numbers real, symbols positive.
- Words compare without case, articles and punctuation; a choice by its letter.
- An expression of more than 300 symbols, or that needs a number of more than 32768 bits, a factorial above 2500 or more than 200 terms, is
  unparsable, at once.

A time-out scores 0 where the gold alone could be read in time, as the answer is to blame; else there is no score.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dunwu.types import Problem, Verdict
from dunwu.verifiers.math_answer import NoAnswer, SeveralAnswers, find_answer
from dunwu.verifiers.math_compare import Comparison
from dunwu.verifiers.math_policy import MathPolicy
from dunwu.verifiers.math_service import SERVICE
from dunwu.verifiers.math_text import clean, closed_up, words_of
from dunwu.verifiers.math_values import DIVISION_BY_ZERO, Collection, Relation, Scalar, Value, Words, readings
from dunwu.verifiers.number import NotOneNumber, Number, SeveralNumbers, parse_number

DEFAULT = MathPolicy()
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_MARKS = re.compile(r"[‹›]|(?<=[A-Za-z])\.")
_FULL_WIDTH = re.compile("[\uff01-\uff5e]")
_GOLD_CHOICE = re.compile(r"[‹(\[\s]*([A-Z])[›)\]\s]*")
_CHOICE = re.compile(r"[‹(\[\s]*([A-Z])[›)\]\s]*(?:[.):›]|\Z)")


def verify_math(problem: Problem, answer: str) -> Verdict:
    """Is ``answer`` equivalent to ``problem.answer``? A gold that cannot be judged is an error, never a reward."""
    return compare_math(problem.answer or "", answer)


def compare_math(gold: str, prediction: str, policy: MathPolicy = DEFAULT) -> Verdict:
    """Is the answer that ``prediction`` gives (a whole completion or a bare answer) equivalent to ``gold``? No text makes it raise."""
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(prediction):
        return _verdict(int(gold) == int(prediction))
    try:
        gold = find_answer(gold)
    except NoAnswer as error:
        return Verdict(None, "error", f"the gold answer: {error}")
    try:
        answer = find_answer(prediction)
    except SeveralAnswers as error:
        return Verdict(0.0, "wrong", str(error))
    except NoAnswer as error:
        return Verdict(0.0, "unparsable", str(error))
    return _judge(gold, answer, policy)


def check_gold(gold: str, policy: MathPolicy = DEFAULT) -> str | None:
    """``None`` where answers can be verified against ``gold``; else a line that says why not."""
    if _INTEGER.fullmatch(gold):
        return None
    try:
        gold = find_answer(gold)
    except NoAnswer as error:
        return f"gold {gold[:80]!r}: {error}"
    values = _readings(gold, policy.full_width)
    if any(not _unread(value) for value in values):
        return None
    outcome = SERVICE.judge(gold, None, policy)
    if outcome.kind == "equal" and outcome.equal:
        return None
    return f"gold {gold[:80]!r} is no answer that the maths verifier reads: {outcome.detail or _unread(values[0])[0].problem}"


@lru_cache(maxsize=4096)
def _readings(text: str, full_width: bool) -> tuple[Value, ...]:
    return tuple(readings(clean(text, full_width)))


def _judge(gold: str, answer: str, policy: MathPolicy) -> Verdict:
    return _judge_here(gold, answer, policy) or _judge_in_worker(gold, answer, policy)


@lru_cache(maxsize=4096)
def _judge_here(gold: str, answer: str, policy: MathPolicy) -> Verdict | None:
    """The verdict, unless it takes the worker. Cached: the completions of a group often share their answer."""
    if not policy.full_width and _FULL_WIDTH.search(answer):
        return Verdict(0.0, "unparsable", "full-width characters")
    golds = _readings(gold, policy.full_width)
    if any(scalar.problem == DIVISION_BY_ZERO for scalar in _unread(golds[0])):
        return Verdict(None, "error", f"the gold answer: {DIVISION_BY_ZERO}")
    founds = readings(clean(answer, policy.full_width))
    comparison = Comparison(policy)
    equals = [comparison.equal(value, found) for value in golds for found in founds]
    if True in equals or _same_words(golds[0], gold, answer, policy):
        return _verdict(True)
    if None in equals:
        return None
    number = _gold_number(golds[0]) if policy.trailing_text and not policy.units else None
    unread = [scalar for found in founds for scalar in _unread(found)]
    if number is not None and (unread or any(isinstance(found, Words) for found in founds)):
        return _by_number(number, answer)
    return Verdict(0.0, "unparsable", unread[0].problem) if unread else _verdict(False)


def _verdict(equal: bool) -> Verdict:
    return Verdict(1.0, "correct") if equal else Verdict(0.0, "wrong", "another value")


def _same_words(value: Value, gold: str, answer: str, policy: MathPolicy) -> bool:
    """The same text; the same words, where the gold is words; the same choice, where it is the letter of one."""
    gold, answer = clean(gold, policy.full_width), clean(answer, policy.full_width)
    if closed_up(_MARKS.sub("", gold)) == closed_up(_MARKS.sub("", answer)):
        return True
    choice, chosen = _GOLD_CHOICE.fullmatch(gold), _CHOICE.match(answer)
    if choice is not None and chosen is not None and (policy.trailing_text or chosen.end() == len(answer)):
        return choice.group(1) == chosen.group(1)
    return isinstance(value, Words) and words_of(gold) == words_of(answer)


def _judge_in_worker(gold: str, answer: str, policy: MathPolicy) -> Verdict:
    outcome = SERVICE.judge(gold, answer, policy)
    match outcome.kind:
        case "equal":
            return _verdict(outcome.equal)
        case "timeout" | "failed" if not outcome.gold_ready:
            return Verdict(None, "timeout" if outcome.kind == "timeout" else "error", f"the gold answer: {outcome.detail or 'too slow'}")
        case "timeout":
            return Verdict(0.0, "timeout", "the answer takes longer than 2 s")
        case "failed":
            return Verdict(0.0, "unparsable", outcome.detail)
        case "died":
            return Verdict(None, "error", outcome.detail)


def _gold_number(value: Value) -> Number | None:
    rational = value.form.rational if isinstance(value, Scalar) and value.form is not None and not value.base else None
    return Number(rational, value.percent) if isinstance(value, Scalar) and rational is not None else None


def _by_number(gold: Number, answer: str) -> Verdict:
    """Where the answer is no expression it may still state one number among words; `number` has the rules."""
    try:
        return _verdict(parse_number(answer).equals(gold))
    except SeveralNumbers as error:
        return Verdict(0.0, "wrong", str(error))
    except NotOneNumber as error:
        return Verdict(0.0, "unparsable", str(error))


def _unread(value: Value) -> list[Scalar]:
    """The expressions of ``value`` that are outside the grammar."""
    if isinstance(value, Scalar):
        return [value] if value.node is None else []
    items = value.items if isinstance(value, Collection) else value.sides if isinstance(value, Relation) else ()
    return [scalar for item in items for scalar in _unread(item)]
