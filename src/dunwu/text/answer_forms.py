r"""Where the final answer of a completion stands: in ``<answer>`` tags, in ``\boxed{}``, after ``####``, or as its last number.

A form is a value that everything follows: what is read (`dunwu.models.thinking`), what the format reward and the full wording of generated
problems ask for, and what messages say. A problem carries the name of its form in ``data["answer_form"]``, if it is not `DEFAULT`.

Nothing before ``</think>`` is ever read, and candidates side by side are no answer. ``last-number`` is meant for evaluating models that
follow no form, ``boxed-or-last-number`` for models that may not do what they are asked. In training a last number is weak: a completion
that only repeats numbers of the problem may end in the right one, and so may one that is cut off, which ``boxed-or-last-number`` excludes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import get_args

from dunwu.errors import ConfigError
from dunwu.text.boxes import find_boxes, offered_boxes
from dunwu.types import AnswerForm, Language, Problem

DEFAULT: AnswerForm = "tags-or-boxed"
KEY = "answer_form"
Found = tuple[str | None, str]
"""The answer (``None``: there is none), and what is wrong with it or its form."""


@dataclass(frozen=True)
class Form:
    """``find(text)`` gets the text after the reasoning; ``once(text)`` is true if no second answer is offered anywhere in it.

    ``place`` asks for the answer, with ``{what}`` and ``{example}``. A ``tagged`` completion is well-formed only as a whole
    (`dunwu.models.thinking`); of any other form it is if it has an answer, with or without reasoning.
    """

    name: AnswerForm
    find: Callable[[str], Found]
    once: Callable[[str], bool]
    reads: str
    """What is read, for messages."""
    place: Mapping[Language, str]
    asks: Mapping[Language, str] = field(default_factory=dict)
    """Asks for reasoning and an answer in this form, after a problem that does not; empty: such a form is never asked for."""
    tagged: bool = False
    numbers_only: bool = False

    @property
    def missing(self) -> str:
        """Why there is no answer, for messages."""
        return f"no {self.reads}"


def form_named(name: AnswerForm) -> Form:
    """The form; raises ``ValueError`` for another name."""
    if name not in FORMS:
        raise ValueError(f"answer_form {name!r} is unknown: choose from {', '.join(FORMS)}")
    return FORMS[name]


def form_of(problem: Problem) -> Form:
    """The form of a problem's answer."""
    return form_named(problem.data.get(KEY, DEFAULT))


def as_read(problem: Problem, cut: bool) -> Problem:
    """The problem as a completion of it is read: one that was ``cut`` off never came to the box it was asked for, so its last number is
    a step of its reasoning. A model that is asked for no box (``last-number``) may well write on after its answer."""
    return in_form(problem, "boxed") if cut and problem.data.get(KEY) == "boxed-or-last-number" else problem


def in_form(problem: Problem, form: AnswerForm) -> Problem:
    """The problem with its answer in this form. Raises ``ConfigError`` if answers of its verifier cannot be."""
    if form == problem.data.get(KEY, DEFAULT):
        return problem
    if form_named(form).numbers_only and problem.verifier in ("expression", "choice", "text", "names"):
        raise ConfigError(f"answer_form = {form}: the answer of {problem.id} is not a number; choose tags, boxed or '####'")
    return replace(problem, data={**problem.data, KEY: form})


def _in_tags(text: str) -> Found:
    opened, closed = text.count("<answer>"), text.count("</answer>")
    if opened == closed == 0:
        return None, "no answer"
    if opened > 1 or closed > 1:
        return None, "several answers"
    before, _, rest = text.partition("<answer>")
    content, close, _ = rest.partition("</answer>")
    if not close or "</answer>" in before:
        return None, "the answer is not closed"
    answer = content.strip()
    return (answer, "") if answer else (None, "empty answer")


def _in_box(text: str) -> Found:
    boxes = offered_boxes(text)
    if len(boxes) == 1 and boxes[0]:
        return boxes[0], ""
    return None, "several answers" if len(boxes) > 1 else "no answer"


def _in_tags_or_box(text: str) -> Found:
    """A box counts if there is no tag, but it is not the form that was asked for."""
    answer, problem = _in_tags(text)
    if problem != "no answer":
        return answer, problem
    answer, problem = _in_box(text)
    return answer, problem or "no answer tags"


_HASHES = re.compile(r"(?<!#)####(?!#)((?:(?!####)[^\n])*)")
_NUMBER = re.compile(
    r"(?:(?<![\w)\].%])[-+−])?(?<![A-Za-z_0-9.])\$?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?:[eE][-+]?[0-9]+|/[0-9]+)?(?:\\?%)?"
)
_BETWEEN = re.compile(r"[\s,;，、；|]*+(?:\b(?:or|and|also|maybe|perhaps)\b|或者?|和|还是|也许)?[\s,;，、；|]*+", re.IGNORECASE)
"""Between two candidates that are offered side by side: ``40, 41 or 42``."""


def _after_hashes(text: str) -> Found:
    """The rest of the line after the last ``####``."""
    lines = _HASHES.findall(text)
    return (lines[-1].strip(), "") if lines and lines[-1].strip() else (None, "empty answer" if lines else "no answer")


def _last_number(text: str) -> Found:
    """The last number, unless others stand beside it."""
    last = before = None
    for match in _NUMBER.finditer(text):
        before, last = last, match
    if last is None:
        return None, "no answer"
    beside = before is not None and _BETWEEN.fullmatch(text, before.end(), last.start()) and before.group() != last.group()
    return (None, "several answers") if beside else (last.group().replace("$", "").replace("−", "-"), "")


def _in_box_or_last_number(text: str) -> Found:
    """The box, as it was asked for; the last number if there is none at all."""
    answer, problem = _in_box(text)
    return _last_number(text) if problem == "no answer" else (answer, problem)


def _boxes_once(text: str) -> bool:
    boxes = {content for _, _, content in find_boxes(text)}
    return len(boxes) <= 1 and text.lower().count("answer is") <= 1


def _ends_in_number(text: str) -> bool:
    """True if the number is in the last line, and no other candidate beside it."""
    return _last_number(text.strip().rpartition("\n")[2])[0] is not None


_TAGS_PLACE: Mapping[Language, str] = MappingProxyType(
    {
        "en": "Inside <answer> </answer> put {what}: <answer>{example}</answer>.",
        "zh": "<answer> </answer>里只写{what}，例如<answer>{example}</answer>。",
    }
)
_TAGS_ASKED: Mapping[Language, str] = MappingProxyType(
    {
        "en": "Please reason step by step within <think> </think>, then put your final answer within <answer> </answer>.",
        "zh": "请先在<think> </think>中逐步推理，再把最终答案放在<answer> </answer>中。",
    }
)
_BOX_PLACE: Mapping[Language, str] = MappingProxyType(
    {"en": r"In \boxed{{}} put {what}: \boxed{{{example}}}.", "zh": r"\boxed{{}}里只写{what}，例如\boxed{{{example}}}。"}
)
_BOX_ASKED: Mapping[Language, str] = MappingProxyType(
    {  # DeepSeek's own wording
        "en": r"Please reason step by step, and put your final answer within \boxed{}.",
        "zh": r"请通过逐步推理来解答问题，并把最终答案放置于\boxed{}中。",
    }
)
FORMS: Mapping[AnswerForm, Form] = MappingProxyType(
    {
        form.name: form
        for form in (
            Form(DEFAULT, _in_tags_or_box, _boxes_once, r"<answer> or \boxed{}", _TAGS_PLACE, _TAGS_ASKED, tagged=True),
            Form("tags", _in_tags, _boxes_once, "<answer>", _TAGS_PLACE, _TAGS_ASKED, tagged=True),
            Form(
                "boxed",
                _in_box,
                _boxes_once,
                r"\boxed{}",
                _BOX_PLACE,
                _BOX_ASKED,
            ),
            Form(
                "####",
                _after_hashes,
                lambda text: len(_HASHES.findall(text)) == 1,
                "line with ####",
                {"en": "In the last line, after ####, put {what}: #### {example}", "zh": "最后一行在####后只写{what}，例如#### {example}"},
                {
                    "en": 'Please reason step by step, and put your final answer in the last line, after "####".',
                    "zh": '请逐步推理，并在"####"后写出最终答案。',
                },
            ),
            Form(
                "last-number",
                _last_number,
                _ends_in_number,
                "number at the end",
                {"en": "At the end put {what}: {example}", "zh": "最后只写{what}，例如{example}"},
                numbers_only=True,
            ),
            Form(
                "boxed-or-last-number",
                _in_box_or_last_number,
                lambda text: _boxes_once(text) if find_boxes(text) else _ends_in_number(text),
                r"\boxed{} or number at the end",
                _BOX_PLACE,
                _BOX_ASKED,
            ),
        )
    }
)
"""By name: the value of the key ``answer_form``."""
assert set(FORMS) == set(get_args(AnswerForm))

_ASKED: Mapping[AnswerForm, re.Pattern[str]] = MappingProxyType(
    {DEFAULT: re.compile("<answer>"), "boxed": re.compile(r"\\boxed"), "####": re.compile(r"[^\s#][ \t]*####(?!#)")}
)
"""How a text that asks for an answer in a form is recognised; a line that starts with #### is a heading."""


def form_in(text: str) -> AnswerForm | None:
    """The form in which ``text``, such as a system prompt, asks for the answer; ``None`` if it asks for none."""
    return next((form for form, pattern in _ASKED.items() if pattern.search(text)), None)
