r"""Multiple choice: which of the options A to J does an answer take?

Read, after Unicode's compatibility forms (full-width letters) and without LaTeX wrappers and bold marks: letters alone (``B``, ``(b)``,
``B.``, ``A, C``, ``ABD``), a letter before its text (``B. Paris``), a statement (``the answer is (C)``, ``选B``, ``答案是 B``; the last one
counts, so that an answer may correct itself), a box, and the option's own text where ``data["options"]`` is given.

Wrong: letters offered as alternatives (``B or C``, ``B, maybe C``), different boxes side by side, a letter beside another option's text.
A letter in prose (the article ``A``, the pronoun ``I``) is no answer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import regex

from dunwu.boxes import offered_boxes
from dunwu.types import Problem, Verdict
from dunwu.verifiers.text_words import normalise

MAX_LENGTH = 2048
LETTERS = "ABCDEFGHIJ"

_WRAPPER = regex.compile(r"\\(?:text|textbf|mathrm|mathbf|textrm|mathit|operatorname)\s*\{([^{}]*)\}|\*\*([^*]+)\*\*|__([^_]+)__")
_NOISE = regex.compile(r"\\[()\[\],;: ]|\\(?:q?quad)\b|\$|`")
# One letter or several, in one go and without a way back: hostile text costs linear time.
_OR = r"[/|]|\b(?i:or|maybe|perhaps|possibly|alternatively)\b|或者?是?|还是|也?可能是?"
_JOIN = rf"(?:[\s,，、;；&+]|\b(?i:and)\b|和|与|以及|{_OR}){{0,6}}+"
_LETTER = r"[(\[【]?+\s*+(?:(?i:option|choice)\s++|选项)?+(?:[A-J](?![a-z])|[a-j](?![A-Za-z]))(?:\s*+[)\]】])?+"
_GROUP = rf"{_LETTER}(?:{_JOIN}{_LETTER}){{0,19}}+"
_ALONE = regex.compile(rf"(?:(?i:option|choice|answer)\s*:?\s*|选项|答案?[:：]?\s*|选择?)?({_GROUP})[\s.。,，:：;!！?)]*")
_LABELLED = regex.compile(r"[(\[【]?\s*([A-J])\s*(?:[)\]】]\s*[.:：、]?|[.:：、]|\s[-–—]\s)\s*(\S.*)", regex.DOTALL)
_STATEMENT = regex.compile(
    r"(?:(?i:\b(?:answers?|choice|option)\s*(?:is|are|should\s+be|must\s+be|would\s+be|[:：=])"
    r"|(?<!not\s)(?<!n't\s)\b(?:choose|pick|select)(?:\s+option)?)"
    r"|(?:答案|选项|正确的?|应)(?:应该?)?(?:是|为|选择?)?\s*[:：]?|(?<![不没非别])选择?)"
    rf"\s*[:：]?\s*(?i:(?:either|both|probably|most\s+likely|option|choice)\s+)*({_GROUP})"
    r"(?=\s*(?:[.。,，:：;；!！?)\]]|$|\n|(?i:because|since|as|for|which)\b|\p{Han}|(?<=[)\]】])))"
)
_IS_RIGHT = regex.compile(
    rf"({_GROUP})\s*(?:(?i:is|are)\s+(?i:the\s+)?(?i:correct|right|answer)|(?:是|为)?(?:正确|对)).{{0,200}}", regex.DOTALL
)
_BESIDE_TEXT = regex.compile(r"[(\[]?([A-J])[)\]]?\W+(\S.*)", regex.DOTALL)
_SAID = regex.compile(r"(?i:^.*\b(?:answer|choice|option)\s*(?:is|[:：])\s*|^.*(?:答案|选)(?:是|为|[:：])\s*)", regex.DOTALL)
_HEDGE = regex.compile(
    rf"(?:\b(?:or|maybe|perhaps|possibly|alternatively)\b|也?可能|或者?|还是)\W{{0,5}}(?:\b(?:it|is|be|also|even|是)\b\W*){{0,3}}{_LETTER}(?!\w)"
)
_ONE = regex.compile(r"(?i:option|choice|answer|and)|[A-Ja-j]")


def verify_choice(problem: Problem, answer: str) -> Verdict:
    """Does ``answer`` take exactly the options of ``problem.answer`` (``"B"``; ``"AC"``, ``"A, C"``: all of them, in any order)?

    ``data["options"]``, a list of texts or a mapping from letters to texts, lets an answer give the text, and bounds the letters.
    Raises `ValueError` for a gold that is no letter, or none of the options.
    """
    options = _options(problem.data.get("options"))
    gold = frozenset(regex.findall(rf"[{LETTERS}]", (problem.answer or "").upper()))
    if not gold or not regex.fullmatch(rf"[{LETTERS}\s,;、]+", (problem.answer or "").upper()) or (options and not gold <= options.keys()):
        raise ValueError(f"gold answer {str(problem.answer)[:50]!r}: it must be letters of the options")
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, "unparsable", f"{len(answer)} characters, at most {MAX_LENGTH}")
    boxes = offered_boxes(answer)
    if len(boxes) > 1:
        return Verdict(0.0, "wrong", "several boxes")
    chosen, problem_with_it = _chosen(_plain(boxes[0] if boxes else answer), options)
    if not chosen:
        return Verdict(0.0, "wrong" if problem_with_it else "unparsable", problem_with_it or "no option")
    return Verdict(1.0, "correct") if chosen == gold else Verdict(0.0, "wrong", f"takes {''.join(sorted(chosen))}")


def _options(given: object) -> dict[str, tuple[str, ...]]:
    """Normalised texts by letter; empty where the problem gives none."""
    if given is None:
        return {}
    pairs = given.items() if isinstance(given, Mapping) else zip(LETTERS, given, strict=False) if isinstance(given, list | tuple) else ()
    options = {str(letter).upper(): normalise(str(text)) for letter, text in pairs}
    if not options or not options.keys() <= set(LETTERS):
        raise ValueError(f"options {str(given)[:80]}: a list of texts, or a mapping from letters {LETTERS[0]} to {LETTERS[-1]}")
    return options


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).strip()
    for _ in range(3):
        text = _WRAPPER.sub(lambda match: next(group for group in match.groups() if group is not None), text)
    return str(_NOISE.sub(" ", text)).strip()


def _chosen(text: str, options: Mapping[str, tuple[str, ...]]) -> tuple[frozenset[str], str]:
    """The letters taken, or none and what is wrong with them (empty: nothing was found)."""
    if match := _ALONE.fullmatch(text):
        return _letters(match.group(1), options)
    if (match := _LABELLED.fullmatch(text)) and not _LABELLED.search(match.group(2)):
        return _labelled(match.group(1), match.group(2), options)
    statements = list(_STATEMENT.finditer(text))
    if statements:
        last = statements[-1]
        if _HEDGE.search(text, last.end(1)):
            return frozenset(), "alternatives"
        return _letters(last.group(1), options)
    if match := _IS_RIGHT.fullmatch(text):
        return (frozenset(), "alternatives") if _HEDGE.search(text, match.end(1)) else _letters(match.group(1), options)
    if (match := _BESIDE_TEXT.fullmatch(text)) and options.get(match.group(1)) == normalise(match.group(2)):
        return frozenset(match.group(1)), ""
    said = normalise(_SAID.sub("", text).strip(" .。"))
    named = frozenset(letter for letter, option in options.items() if option and option in (said, normalise(text)))
    return (named, "") if len(named) == 1 else (frozenset(), "")


def _letters(group: str, options: Mapping[str, tuple[str, ...]]) -> tuple[frozenset[str], str]:
    if regex.search(_OR, group):
        return frozenset(), "alternatives"
    found = [letter.upper() for letter in _ONE.findall(group) if len(letter) == 1]
    letters = frozenset(found)
    if len(letters) < len(found):
        return frozenset(), "a letter twice"
    if options and not letters <= options.keys():
        return frozenset(), "no such option"
    return letters, ""


def _labelled(letter: str, text: str, options: Mapping[str, tuple[str, ...]]) -> tuple[frozenset[str], str]:
    """``B. Paris``: the text must not be another option's, nor offer another letter."""
    said = normalise(text)
    if _HEDGE.search(text):
        return frozenset(), "alternatives"
    if options and letter not in options:
        return frozenset(), "no such option"
    if any(option == said and other != letter for other, option in options.items()) and options.get(letter) != said:
        return frozenset(), "a letter beside another option's text"
    return frozenset({letter}), ""
