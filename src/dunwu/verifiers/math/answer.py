r"""Find the answer in a text: all of a short text, or what its markers point at.

Text before the first ``</think>`` is ignored. Then, in this order: the content of ``<answer>`` (several must agree); the last ``\boxed{}``,
unless different ones are offered side by side (`dunwu.text.boxes`); the text after the last ``####``, ``answer is``, ``Answer:``, ``A:``
or ``答案是``; the only line that is one letter; the only formula between dollar signs; the unchanged text.
"""

from __future__ import annotations

import re

from dunwu.text.boxes import named_boxes, offered_boxes
from dunwu.verifiers.math.sentence import denies, keeps

MAX_LENGTH = 2048
MAX_TEXT = 1_000_000
MAX_NESTING = 50
MAX_DIGITS = 1000

_MARKER = re.compile(
    r"####|\banswers?\s*(?:(?:is|are|equals)(?![A-Za-z']|\s+not\b)|=)\s*:?|\banswer\**\s*[:：]\**|(?:^|\n)[ \t]*A[ \t]*:(?!\s*[a-z]\s*[:=])"
    r"|(?:答案|结果)】?\s*(?:就是|应该是|应为|是|为|等于)?\s*[:：]?",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:^|[\n,;.，；。]|\band)[ \t]{0,4}[B-PR-Z][ \t]{0,4}[:：]", re.IGNORECASE)
_END = re.compile(r"\n(?![\s$|\[(]*-?[0-9]+[\s,|]+-?[0-9][-0-9\s,|\])$.]*\Z)|。|\.\s+(?=[A-Z])|(?<!\.)\.\s*\Z")
_CALCULATION = re.compile(r"<<[^<>=\n]{1,200}=[^<>=\n]{1,100}>>(?=[0-9])")
"""Calculator annotations in GSM8K's solutions: ``<<9*2=18>>18``."""
_CLAUSE = re.compile(r"[.,;:!?\n。，；：！？]|\b(?:so|thus|then|hence|therefore|but|and)\b", re.IGNORECASE)
_FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$(.+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_SENTENCE = re.compile(r"[A-Za-z\u4e00-\u9fff\s,.:;，。：*'-]*")
_SIGN_BEFORE = re.compile(r"-\s*\Z|(?<![\w)*])\.\s*\Z|\.\Z")
"""Outside the dollar signs, but part of the number: ``-$5$``, ``.$5$``."""
_ASIDE = re.compile(
    r"(?<=\S)\s*[（(]\s*(?:since|because|as|where|which|rounded|from|by|using|so|that is|note|i\.e\.|e\.g\.|因为|即)(?![A-Za-z])"
    r"[^()（）]{0,200}[)）]\s*[.。]?\s*\Z",
    re.IGNORECASE,
)
_LETTER_LINE = re.compile(r"^[ \t]*[(\[]?([A-Z])[)\]]?[.:]?[ \t]*$", re.MULTILINE)
_NESTING = re.compile(r"[({\[]|[)}\]]")


class NoAnswer(ValueError):
    """The text gives no answer that can be checked; the message says why."""


class SeveralAnswers(NoAnswer):
    """The text offers different answers."""


def find_answer(text: str) -> str:
    """The answer in ``text``, within bounds; raises `NoAnswer`. Takes linear time."""
    answers = find_answers(text)
    if len(answers) > 1:
        raise SeveralAnswers("several boxes")
    return answers[0]


def find_answers(text: str) -> tuple[str, ...]:
    """The answer in ``text``, or those of different boxes side by side, each within bounds; raises `NoAnswer`."""
    if len(text) > MAX_TEXT:
        raise NoAnswer(f"{len(text)} characters, at most {MAX_TEXT}")
    return tuple(map(_bounded, _pointed_at(_CALCULATION.sub("", _after_thinking(text)))))


def _bounded(answer: str) -> str:
    answer = answer.strip()
    if not answer:
        raise NoAnswer("no answer")
    if len(answer) > MAX_LENGTH:
        raise NoAnswer(f"an answer of {len(answer)} characters, at most {MAX_LENGTH}")
    if sum(map(str.isdigit, answer)) > MAX_DIGITS:
        raise NoAnswer(f"more than {MAX_DIGITS} digits")
    if nesting(answer) > MAX_NESTING:
        raise NoAnswer(f"more than {MAX_NESTING} nested brackets")
    return answer


def nesting(text: str) -> int:
    """How deeply brackets of any kind are nested."""
    depth = deepest = 0
    for mark in _NESTING.findall(text):
        depth += 1 if mark in "({[" else -1
        deepest = max(deepest, depth)
    return deepest


def _after_thinking(text: str) -> str:
    head, close, tail = text.partition("</think>")
    if close:
        return tail
    if "<think>" in head:
        raise NoAnswer("the reasoning is not closed")
    return text


def _pointed_at(text: str) -> tuple[str, ...]:
    if "<answer>" in text:
        answers = {part.partition("</answer>")[0].strip() for part in text.split("<answer>")[1:]}
        if len(answers) > 1:
            raise SeveralAnswers("several answers")
        text = answers.pop()
    boxes = offered_boxes(text)
    if boxes:
        return _with_names(text) if len(boxes) > 1 else (_innermost(boxes[0]),)
    if "\\boxed" in text:
        raise NoAnswer("the box is not closed")
    listed = _ITEM.search(text) is not None  # A: 5, B: 7
    markers = (
        marker
        for marker in reversed([*_MARKER.finditer(text)])
        if not denies(_clause_before(text, marker)) and not (listed and marker.group().strip(" \t\n:") in ("A", "a"))
    )
    if last := next(markers, None):
        after = text[last.end() :].lstrip("} ").strip()
        after = after.removesuffix("**") if after.count("**") == 1 else after  # **The answer is 8.**
        if after.startswith("\\[") and after.rstrip(" .").endswith("\\]"):
            return (after.rstrip(" .")[2:-2],)
        text = after[: end.start()] if (end := _END.search(after)) else after
    elif len(letters := _LETTER_LINE.findall(text)) == 1:
        return (letters[0],)
    return (_only_formula(_ASIDE.sub("", text)),)


def _with_names(text: str) -> tuple[str, ...]:
    r"""Boxes side by side; ``x=\boxed{1}`` and ``y=\boxed{2}`` become ``x = 1`` and ``y = 2`` if each has a name."""
    boxes = [(name, _innermost(content)) for name, content in named_boxes(text)]
    named = all(name for name, _ in boxes)
    return tuple(dict.fromkeys(f"{name} = {content}" if named else content for name, content in boxes))


def _clause_before(text: str, marker: re.Match[str]) -> str:
    """The text before a marker in the same line and clause."""
    if marker.group()[0] in "\n#":
        return ""
    return _CLAUSE.split(text[max(marker.start() - 120, 0) : marker.start()])[-1]


def _innermost(box: str) -> str:
    """The content of a box in a box, up to a few levels."""
    for _ in range(3):
        inner = offered_boxes(box)
        if len(inner) != 1 or not box.startswith("\\boxed"):
            break
        box = inner[0]
    return box


def _only_formula(text: str) -> str:
    """The only formula of a sentence with no digits outside it and only words that leave it unchanged; otherwise the text."""
    formulas = list(_FORMULA.finditer(text[: MAX_LENGTH * 2]))
    if len(formulas) != 1:
        return text
    only = formulas[0]
    before, after = text[: only.start()], text[only.end() :]
    around = before + after
    signed = _SIGN_BEFORE.search(before) or after.lstrip().startswith("-")
    kept = not signed and around.strip() and len(around) <= MAX_LENGTH and _SENTENCE.fullmatch(around) and keeps(before, after)
    return next(group for group in only.groups() if group) if kept else text
