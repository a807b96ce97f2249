"""Row forms of public data sets, and the columns that each becomes: a conversation, a pair of answers, or a labelled answer.

A form is recognised row by row by its columns. Problems with a gold need no form, only the names of two columns (`dunwu.tasks.dataset`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dunwu.errors import DataError
from dunwu.tasks.columns import cell, has, missing
from dunwu.tasks.gold import cell_text
from dunwu.tasks.rows import Row

Columns = Mapping[str, Any]
PROBLEM_COLUMNS = ("problem", "question", "prompt", "instruction", "query")
ANSWER_COLUMNS = ("answer", "solution", "reward_model.ground_truth", "ground_truth")
SYSTEM_COLUMNS = ("system", "system_prompt", "system_message")
PROMPTS = ("prompt", "question", "problem", "instruction", "query")
SHAREGPT_ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant"}

UNKNOWN = "its columns are of no known form"

_HH_TURN = re.compile(r"\n\n(Human|Assistant):")
"""Starts of turns in the texts of Anthropic's hh-rlhf."""


@dataclass(frozen=True, slots=True)
class Form:
    """A row form: its name, what is taken, the columns that it needs (each with alternatives), and how it becomes ours."""

    name: str
    takes: str
    needs: tuple[tuple[str, ...], ...]
    make: Callable[[Columns], dict[str, Any]] = dict
    also: tuple[str, ...] = ()
    """Columns that it uses if they are there."""
    only: Callable[[Columns], bool] = lambda columns: True

    def fits(self, columns: Columns) -> bool:
        """True for a row of this form."""
        return not self.lacks(columns) and self.only(columns)

    def lacks(self, columns: Columns) -> list[str]:
        """The columns that a row lacks."""
        return [" or ".join(names) for names in self.needs if first(columns, names) is None]

    def used(self, columns: Columns) -> set[str]:
        """The top-level columns that are taken from a row."""
        found = [first(columns, names) for names in self.needs]
        return {name.partition(".")[0] for name in [*found, *self.also] if name is not None} & columns.keys()

    def read(self, columns: Columns) -> dict[str, Any]:
        """The row in our columns; columns that the form does not use are unchanged."""
        used = self.used(columns)
        return {name: value for name, value in columns.items() if name not in used} | self.make(columns)


def in_form(row: Row, form: Form) -> Row:
    """The row in our columns. Raises ``DataError`` for a column that the form cannot read."""
    try:
        return replace(row, columns=form.read(row.columns))
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from error


def form_of(columns: Columns, forms: Sequence[Form]) -> Form | None:
    """The first of ``forms`` that a row has."""
    return next((form for form in forms if form.fits(columns)), None)


def unknown(columns: Columns, forms: Sequence[Form]) -> str:
    """What to say about a row of no known form: its columns, and the nearest form with the columns that it lacks."""
    # A form that lacks nothing has these columns with other contents.
    near = max(forms, key=lambda form: bool(form.lacks(columns)) * (1 - len(form.lacks(columns)) / len(form.needs)))
    lacks = near.lacks(columns)
    names = ", ".join(map(str, columns)) or "none"
    if len(lacks) in (0, len(near.needs)):
        known = "; or ".join(dict.fromkeys(", ".join(alternatives[0] for alternatives in form.needs) for form in forms))
        return f"{UNKNOWN} (columns: {names}): give {known}"
    needed = f"the nearest, {near.name}, needs a value in {' and in '.join(lacks)}"
    remedy = f"rename yours, or for dunwu sft and reward-model set columns.{lacks[0].partition(' or ')[0]}=COLUMN"
    return f"{UNKNOWN} (columns: {names}); {needed}: {remedy}"


def renamed(row: Row, names: Mapping[str, str]) -> Row:
    """The row with its columns under our names (``names``: the row's column, which may be nested, by ours).

    Raises ``DataError`` with the nearest column for one that the row lacks.
    """
    for name in names.values():
        if not has(row.columns, name):
            present, near = missing(row.columns, [name])
            raise DataError(
                f"{row.where}: no column {name} (columns: {present}): {f'did you mean {near}?' if near else 'correct `columns`'}"
            )
    return replace(row, columns={**row.columns, **{ours: cell(row.columns, name) for ours, name in names.items()}}) if names else row


def first(columns: Columns, names: Sequence[str]) -> str | None:
    """The first of ``names`` that the row has."""
    return next((name for name in names if cell(columns, name) is not None), None)


def asked(columns: Columns, names: Sequence[str] = PROMPTS) -> Any:
    """The question of a row, a text or a list of turns: an instruction with its input, and the system prompt before it."""
    name = first(columns, names)
    value = None if name is None else cell(columns, name)
    return with_system(columns, instruction(columns) if name == "instruction" else as_turns(value) if name == "prompt" else value)


def instruction(columns: Columns) -> Any:
    """An instruction with its input below it."""
    texts = [columns.get("instruction"), columns.get("input")]
    return "\n\n".join(text for text in texts if isinstance(text, str) and text.strip()) if isinstance(texts[0], str) else texts[0]


def with_system(columns: Columns, value: Any) -> Any:
    """``value``, a text or a list of turns, with the system prompt of the row as its first turn, unless it has one."""
    name = next((name for name in SYSTEM_COLUMNS if isinstance(columns.get(name), str) and columns[name].strip()), None)
    turns = [_turn("user", value)] if isinstance(value, str) else value
    if name is None or not isinstance(turns, list) or any(isinstance(turn, Mapping) and turn.get("role") == "system" for turn in turns):
        return value
    return [_turn("system", columns[name]), *turns]


def _turn(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def as_turns(value: Any) -> Any:
    """ShareGPT's turns (from, value) as role and content, also from JSON text; other values unchanged."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return (
        [_sharegpt(turn) if isinstance(turn, Mapping) and "from" in turn else turn for turn in value] if isinstance(value, list) else value
    )


def _sharegpt(turn: Mapping[str, Any]) -> dict[str, Any]:
    others = {key: value for key, value in turn.items() if key not in ("from", "value")}
    role = turn["from"]
    return {"role": SHAREGPT_ROLES.get(role, role) if isinstance(role, str) else role, "content": turn.get("value"), **others}


def _alpaca(columns: Columns) -> dict[str, Any]:
    history = [_turn(role, text) for pair in _history(columns) for role, text in zip(("user", "assistant"), pair, strict=True)]
    answer = _turn("assistant", columns["output"] if columns.get("output") is not None else columns.get("response"))
    return {"messages": with_system(columns, [*history, _turn("user", instruction(columns)), answer])}


def _history(columns: Columns) -> list[Any]:
    """Alpaca's earlier turns, also from JSON text. Raises ``DataError`` for anything but pairs of texts."""
    pairs = as_turns(columns.get("history")) or []
    if isinstance(pairs, list) and all(isinstance(pair, list) and [type(text) for text in pair] == [str, str] for pair in pairs):
        return pairs
    raise DataError(f"history is {repr(pairs)[:60]}: give a list of [question, answer] pairs, or drop the column")


def _answered(columns: Columns) -> dict[str, Any]:
    answer = cell(columns, first(columns, WORKED_COLUMNS) or "")
    return {"prompt": asked(columns, PROBLEM_COLUMNS), "completion": answer if isinstance(answer, str) else cell_text(answer) or answer}


def _implicit(columns: Columns) -> dict[str, Any]:
    """Prompt and answers from two conversations: the turns that both begin with are the prompt.

    Conversations that begin with an answer come after the prompt of the row.
    """
    chosen, rejected = (_after_prompt(columns, as_turns(columns[name])) for name in ("chosen", "rejected"))
    shared = next((n for n, (one, two) in enumerate(zip(chosen, rejected, strict=False)) if one != two), min(len(chosen), len(rejected)))
    shared = min(shared, len(chosen) - 1, len(rejected) - 1)
    return {"prompt": with_system(columns, chosen[:shared]), "chosen": chosen[shared:], "rejected": rejected[shared:]}


def _after_prompt(columns: Columns, turns: list[Any]) -> list[Any]:
    if not (isinstance(turns[0], Mapping) and turns[0].get("role") == "assistant"):
        return turns
    before = asked(columns)
    return [*([_turn("user", before)] if isinstance(before, str) else before if isinstance(before, list) else []), *turns]


def _hh(columns: Columns) -> dict[str, Any]:
    return _implicit({**columns, **{name: _hh_turns(columns[name]) for name in ("chosen", "rejected")}})


def _hh_turns(text: str) -> list[dict[str, Any]]:
    _, *parts = _HH_TURN.split(text)
    names = {"Human": "user", "Assistant": "assistant"}
    return [_turn(names[name], content.strip()) for name, content in zip(parts[::2], parts[1::2], strict=True)]


def _is_hh(columns: Columns) -> bool:
    return all(isinstance(columns[name], str) and _HH_TURN.match(columns[name]) for name in ("chosen", "rejected"))


def _both_whole(columns: Columns) -> bool:
    """True if both answers are conversations of at least two turns, so that they contain the prompt."""
    return all(isinstance(turns := as_turns(columns[name]), list) and len(turns) > 1 for name in ("chosen", "rejected"))


def _chosen(columns: Columns) -> dict[str, Any]:
    found = form_of(columns, PAIRS)
    pair = found.read(columns) if found else {}
    return {"prompt": pair.get("prompt"), "completion": pair.get("chosen")}


WORKED_COLUMNS = ("solution", "response", "answer")
"""Answers to learn, worked ones first."""
_NOT_BESIDE_TEXT = (*PROMPTS, "completion", "answer", "output", "response", "code", "label")
"""Columns beside which a column ``text`` is not a document."""
_CHOSEN = (("chosen",), ("rejected",))
_PAIR_COLUMNS = ("prompt", "rejected", *SYSTEM_COLUMNS)

PAIRS = (
    Form(
        "TRL's implicit preferences",
        "the turns that chosen and rejected share are the prompt",
        _CHOSEN,
        _implicit,
        ("prompt",),
        _both_whole,
    ),
    Form("hh-rlhf's texts", "the turns that chosen and rejected share are the prompt", _CHOSEN, _hh, (), _is_hh),
    Form(
        "preferences",
        "prompt, chosen and rejected",
        (PROMPTS, *_CHOSEN),
        lambda columns: {"prompt": asked(columns), "chosen": as_turns(columns["chosen"]), "rejected": as_turns(columns["rejected"])},
        ("input", *SYSTEM_COLUMNS),
    ),
)
"""Forms of pairs; they become ``prompt``, ``chosen`` and ``rejected``."""

LABELLED = (
    Form(
        "labelled answers",
        "prompt, completion and label",
        (PROMPTS, ("completion", "response", "answer"), ("label",)),
        lambda columns: {
            "prompt": asked(columns),
            "completion": cell(columns, first(columns, ("completion", "response", "answer")) or ""),
            "label": columns["label"],
        },
        ("input", *SYSTEM_COLUMNS),
    ),
)
"""Forms of labelled answers; they become ``prompt``, ``completion`` and ``label``."""

CONVERSATIONS = (
    Form("messages", "learns the assistant's turns of messages", (("messages",),), lambda columns: {"messages": columns["messages"]}),
    Form(
        "prompt and completion",
        "learns the completion after the prompt",
        (("prompt",), ("completion",)),
        lambda columns: {name: columns[name] for name in ("prompt", "completion")},
    ),
    Form(
        "ShareGPT",
        "learns what gpt says in conversations",
        (("conversations", "conversation"),),
        lambda columns: {"messages": with_system(columns, as_turns(columns[first(columns, ("conversations", "conversation")) or ""]))},
        SYSTEM_COLUMNS,
    ),
    Form(
        "Alpaca",
        "learns the output after instruction and input",
        (("instruction",), ("output", "response")),
        _alpaca,
        ("input", "history", *SYSTEM_COLUMNS),
    ),
    Form(
        "preferences",
        "learns the chosen answers",
        _CHOSEN,
        _chosen,
        (*PROMPTS, "input", *SYSTEM_COLUMNS),
        lambda c: bool(form_of(c, PAIRS)),
    ),
    Form(
        "verl",
        "learns extra_info.answer after extra_info.question",
        (("extra_info.question",), ("extra_info.answer",)),
        lambda columns: {"prompt": cell(columns, "extra_info.question"), "completion": cell(columns, "extra_info.answer")},
        ("prompt",),
    ),
    Form(
        "problem and answer",
        "learns the answer after the problem",
        (PROBLEM_COLUMNS, WORKED_COLUMNS),
        _answered,
        ("input", *SYSTEM_COLUMNS),
    ),
    Form(
        "text",
        "learns the whole text, without a template",
        (("text",),),
        lambda columns: {"text": columns["text"]},
        (),
        lambda columns: first(columns, _NOT_BESIDE_TEXT) is None,
    ),
)
"""Forms of conversations, best first; they become ``messages``, ``prompt`` and ``completion``, or ``text``."""
TEXT = CONVERSATIONS[-1]
"""The only one without turns."""
