r"""Maths answers: equivalent to the gold or not.

An answer is found in the text (`answer`), bounded, cleaned (`text`), read by our own grammar (`reading`, `syntax`) and compared
(`compare`): exactly by normal forms; if unequal forms decide nothing, by values at a few points; and if that leaves the question open,
with 320 digits in a worker process that can be killed (`worker`). Neither ``eval`` nor ``parse_expr`` ever sees model text. Rules beyond
`MathPolicy`:

- Tuples and intervals must agree in order and brackets; ``(1,2)`` is not ``\{1,2\}``; a bare list ``1, 2`` matches a set in any order and
  a tuple in order. Items with labels (``Al: 5, Bob: 7``; ``A: 5, B: 7``; ``8 black, 9 white``) match by label, without labels in order.
- Several answers are wrong if the gold is a single one; one box per item of a list is the list.
- A chain of equations must hold: ``2 * 4 = 8`` is 8, ``5 = 6`` is nothing. ``m+n = 293`` is 293; ``2x = 8`` is an equation, not 8.
- Decimals are exact: 0.33 is not 1/3, but ``1/3 \approx 0.33`` is. Square roots are principal, odd roots of negative numbers real. Letters
  are reals: expressions must agree at positive values, and at negative ones if both are real, also beyond their largest number. The
  factors of a product of matrices (``A^{-1}B``) or of vectors (``\vec a \times \vec b``) do not commute.
- Words are compared with their signs and symbols, ignoring case, articles and punctuation; a choice by its letter or its value, never by
  another letter. A number spelled in words is a number. Words around a number are ignored only if they are known to leave it unchanged
  (``There are 5 apples in all``), not if they change it (``twice``), are not known to keep it (``short by 5``) or contradict the gold's
  (``north`` for ``south``).
- A number with a unit of known scale is a quantity: 5 cm is 0.05 m, but not 5 m, 5 cm² or \$5. A missing unit, or one of unknown scale,
  is ignored.
- Special notations (`forms`: clock times, remainders, dimensions, numerals of a base, sequences) match only the same notation. A letter,
  a sum sign or a macro outside the grammar is compared as text; `reads_as_text` says which golds those are.
- An expression of more than 300 symbols, or that needs a number of more than 32768 bits, a factorial above 2500 or more than 200 terms, is
  unparsable at once.

A timeout scores 0 if the gold alone could be read in time, since the answer is the cause; otherwise there is no score.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dunwu.types import Problem, Verdict
from dunwu.verifiers.choice import LETTERS, verify_choice
from dunwu.verifiers.math.answer import NoAnswer, SeveralAnswers, find_answer, find_answers
from dunwu.verifiers.math.compare import Comparison
from dunwu.verifiers.math.forms import Tagged, roman
from dunwu.verifiers.math.gold_notes import is_note
from dunwu.verifiers.math.policy import MathPolicy
from dunwu.verifiers.math.reading import gold_readings, labelled_list, readings, readings_of_pair
from dunwu.verifiers.math.sentence import changes, contradict
from dunwu.verifiers.math.service import SERVICE
from dunwu.verifiers.math.text import clean, closed_up
from dunwu.verifiers.math.values import DIVISION_BY_ZERO, Collection, Scalar, Value, Words, unread
from dunwu.verifiers.math.words import words_key

DEFAULT = MathPolicy()
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_MARKS = re.compile(r"[‹›]|(?<=[A-Za-z])\.")
_FULL_WIDTH = re.compile("[\uff01-\uff5e]")
_LETTER = re.compile(r"[‹(\[\s]*([A-Z])[›)\]\s]*")
_SMALL_LETTER = re.compile(r"[(\[\s]*([a-z])\s*[)\]]\s*|([a-j])")
_LETTER_AND_VALUE = re.compile(r"\s*(?:‹\s*)?(?:[(\[]\s*([A-Z])\s*[)\]]|([A-Z])\s*[.):])\s*›?\s*[:.]?\s*([^\s*/+^!=,;|].*)", re.DOTALL)
_CHOOSING = re.compile(
    r"(?i:[\s.,:;()\[\]‹›]|\b(?:i|we|so|hence|thus|therefore|finally|clearly|the|my|a|it|that|one|only|choose|chose|pick|select|think|believe|conclude|choice"
    r"|option|answer|letter|correct|right|best|true|final|is|must|be)\b|\b[A-J]\b)*+"
)
"""Words that choose, without any that could deny or limit the choice."""
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_SUBJECT = re.compile(
    r"\A\s*(?:it|this|that|they|these|he|she)(?:\s+(?:is|are|was|were)\b|'s)\s+"
    r"|\A\s*the\s+(?:(?:final|correct)\s+)?(?:answer|result|solution|day|month|function|series|sequence|graph|shape|figure|curve|conic"
    r"|quadrilateral|triangle|angle|polygon|set|matrix|relation|system|winner|statement|number|choice|option|colou?r|name|person)(?:\s+of\s+the\s+(?:week|year))?\s+(?:is|was)\s+",
    re.IGNORECASE,
)


def verify_math(problem: Problem, answer: str) -> Verdict:
    """Check that ``answer`` is equivalent to ``problem.answer``. An invalid gold, or one that must be a number and is not, is an error."""
    if problem.verifier == "number" and not any(_is_number(value) for value in answer_readings(problem.answer or "")):
        return Verdict(None, "error", "the gold answer: not a number")
    return compare_math(problem.answer or "", answer)


def compare_math(gold: str, prediction: str, policy: MathPolicy = DEFAULT) -> Verdict:
    """Compare the answer in ``prediction`` (a whole completion or a bare answer) with ``gold``. No text makes it raise."""
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(prediction):
        return _verdict(int(gold) == int(prediction))
    try:
        gold = _gold(gold)
    except NoAnswer as error:
        return Verdict(None, "error", f"the gold answer: {error}")
    try:
        answers = find_answers(prediction)
    except SeveralAnswers as error:
        return Verdict(0.0, "wrong", str(error))
    except NoAnswer as error:
        return Verdict(0.0, "unparsable", str(error))
    return _judge(gold, answers[0], policy) if len(answers) == 1 else _judge_several(gold, answers, policy)


def check_gold(gold: str, policy: MathPolicy = DEFAULT) -> str | None:
    """``None`` if answers can be verified against ``gold``, otherwise one line that says why not."""
    if _INTEGER.fullmatch(gold):
        return None
    try:
        answer = _gold(gold)
    except NoAnswer as error:
        return f"gold {gold[:80]!r}: {error}"
    values = gold_readings(answer, policy)
    problem = next((scalar.problem for scalar in unread(values[0])), "")
    if problem == DIVISION_BY_ZERO or (problem and re.fullmatch(r"[\s()\[\]{}.,;:]*", answer)):
        return f"gold {gold[:80]!r}: {problem}"
    if all(map(unread, values)):
        return None
    outcome = SERVICE.judge(answer, None, policy) if _may_take_long(values) else None
    return None if outcome is None or outcome.kind == "equal" else f"gold {gold[:80]!r}: {outcome.detail or 'takes longer than 2 s'}"


def reads_as_text(gold: str, policy: MathPolicy = DEFAULT) -> bool:
    """True if ``gold``, which `check_gold` accepts, is outside the grammar, so that only an answer with the same text matches it."""
    try:
        answer = _gold(gold)
    except NoAnswer:
        return False
    return all(map(unread, gold_readings(answer, policy))) and not _LETTER_AND_VALUE.fullmatch(clean(answer))


def answer_readings(text: str) -> tuple[Value, ...]:
    """All possible readings of the answer in ``text``; empty if it gives none or several."""
    try:
        return readings(find_answer(text), True, True, True)
    except NoAnswer:
        return ()


def _is_number(value: Value) -> bool:
    return isinstance(value, Scalar) and value.form is not None and value.form.rational is not None


def _gold(text: str) -> str:
    gold = find_answer(text)
    if is_note(clean(gold)) or ("boxed" not in text and is_note(text)):
        raise NoAnswer("a note instead of an answer")
    return gold


def _may_take_long(values: tuple[Value, ...]) -> bool:
    """Only forms that are not exact are evaluated in the worker."""
    return any(isinstance(value, Scalar) and value.form is not None and not value.form.exact for value in values)


def _judge(gold: str, answer: str, policy: MathPolicy) -> Verdict:
    try:
        return _judge_here(gold, answer, policy) or _judge_in_worker(gold, answer, policy)
    except RecursionError:  # the caller may have used most of the stack
        return Verdict(0.0, "unparsable", "nested too deeply")


def _judge_several(gold: str, answers: tuple[str, ...], policy: MathPolicy) -> Verdict:
    """One box per item of a gold list, or boxes that all say the same."""
    values = gold_readings(gold, policy)
    kinds = ("list", "set", "tuple") if all(" = " in answer for answer in answers) else ("list", "set")
    if any(isinstance(value, Collection) and value.kind in kinds and len(value.items) == len(answers) for value in values):
        return _judge(gold, ", ".join(answers), policy)
    if all(_judge(gold, answer, policy).reason == "correct" for answer in answers[:10]) and len(answers) <= 10:
        return _verdict(True)
    return Verdict(0.0, "wrong", "several boxes")


@lru_cache(maxsize=4096)
def _judge_here(gold: str, answer: str, policy: MathPolicy) -> Verdict | None:
    """The verdict, or ``None`` if it needs the worker. Cached: the completions of a group often share their answer."""
    if not policy.full_width and _FULL_WIDTH.search(answer):
        return Verdict(0.0, "unparsable", "full-width characters")
    chosen = _choice(gold, answer, policy)
    if chosen is not None:
        return chosen
    numerals = roman(clean(gold, policy.full_width)), roman(clean(answer, policy.full_width))
    if None not in numerals:
        return _verdict(numerals[0] == numerals[1])
    golds, founds = readings_of_pair(gold, answer, policy)
    if any(scalar.problem == DIVISION_BY_ZERO for scalar in unread(golds[0])):
        return Verdict(None, "error", f"the gold answer: {DIVISION_BY_ZERO}")
    comparison = Comparison(policy)
    equals = [comparison.equal(value, found) for value in golds for found in founds]
    if True in equals or _same_words(golds, gold, answer, policy):
        said = (f"{text} {clean(text, policy.full_width)}" for text in (gold, answer))
        return _verdict(isinstance(golds[0], Collection) or not contradict(*said))
    if None in equals:
        return None
    if all(map(unread, founds)):
        return Verdict(0.0, "unparsable", unread(founds[0])[0].problem)
    return _verdict(False)


def _choice(gold: str, answer: str, policy: MathPolicy) -> Verdict | None:
    """The verdict if the gold is the letter of a choice, alone or before its value; ``None`` if not, or if the answer names no letter."""
    said_in = answer
    gold, answer = clean(gold, policy.full_width), clean(answer, policy.full_width)
    alone, labelled = _LETTER.fullmatch(gold), _LETTER_AND_VALUE.fullmatch(gold)
    if (alone is None and labelled is None) or labelled_list(gold):
        return None
    letter, value = (alone.group(1), "") if alone else (labelled.group(1) or labelled.group(2), labelled.group(3)) if labelled else ("", "")
    bare, full = _LETTER.fullmatch(answer), _LETTER_AND_VALUE.fullmatch(answer)
    if bare is None and (small := _SMALL_LETTER.fullmatch(answer)):
        return _verdict((small.group(1) or small.group(2)).upper() == letter)
    if bare is not None:
        return _verdict(bare.group(1) == letter)
    if full is not None and (policy.trailing_text or not alone):
        said = full.group(3)
        same = (full.group(1) or full.group(2)) == letter
        if same and words_key(said) == words_key(value):
            return _verdict(True)
        same = same and not changes("", said)
        return _judge(value, said, policy) if same and value else _verdict(same)
    if policy.trailing_text and _chooses(letter, said_in):
        return _verdict(True)
    return _judge(value, answer, policy) if value else None


def _chooses(letter: str, answer: str) -> bool:
    """True if a sentence chooses that option: ``I choose B``, ``Hence option B is correct``."""
    sentence = answer.replace("**", "")
    if letter > LETTERS[-1] or not _CHOOSING.fullmatch(clean(sentence)):
        return False
    return verify_choice(Problem("", "", "", "choice", answer=letter), sentence).reason == "correct"


def _verdict(equal: bool) -> Verdict:
    return Verdict(1.0, "correct") if equal else Verdict(0.0, "wrong", "another value")


def _same_words(values: tuple[Value, ...], gold: str, answer: str, policy: MathPolicy) -> bool:
    """The same text, or the same words and symbols if the gold is words or outside the grammar."""
    if isinstance(values[0], Tagged):
        return False
    gold, answer = clean(gold, policy.full_width), clean(answer, policy.full_width)
    if closed_up(_MARKS.sub("", gold)) == closed_up(_MARKS.sub("", answer)):
        return True
    answer = _SUBJECT.sub("", answer)
    worded = any(isinstance(value, Words) for value in values) or (all(map(unread, values)) and _WORD.search(gold) is not None)
    return worded and words_key(gold) == words_key(answer) != ()


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
