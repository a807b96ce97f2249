"""One turn of a conversation in the formats of public data sets: its text, its reasoning, and whether it is learned.

Unknown keys are refused by name, because dropping one silently, such as a tool call, would train a model other than the row's author
meant. Keys in `HARMLESS` only describe a turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from dunwu.errors import DataError
from dunwu.models.chat import Message, Role

REASONING_KEY = "reasoning_content"
REASONING_KEYS = (
    REASONING_KEY,
    "reasoning",
    "reasoning_text",
    "thinking",
    "thinking_content",
    "thoughts",
    "thought",
    "chain_of_thought",
    "cot",
)
"""Names of the chain of thought in data sets; the first is ours."""
MASK_KEYS = ("weight", "train", "loss", "training", "train_on_turn", "learn", "trainable")
"""False or 0: the turn is context, not a target."""
HARMLESS = frozenset(
    {
        *("name", "id", "uuid", "message_id", "parent_id", "parent", "index", "turn", "turn_id", "timestamp", "time", "date", "created"),
        *("created_at", "create_time", "updated_at", "author", "model", "language", "lang", "source", "metadata", "meta", "token_count"),
        *("num_tokens", "finish_reason", "stop_reason"),
    }
)
"""Keys that only describe a turn."""
ROLES = get_args(Role)
TAGS = ("<think>", "</think>")

_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text"}
_THOUGHT_PARTS = {"thinking": ("thinking", "text"), "reasoning": ("reasoning", "text")}
_HARMLESS_IN_PARTS = frozenset({"signature", "cache_control", "annotations", "citations", "index", "id"})


def read_turn(turn: Any, where: str) -> Message:
    """A turn of a row. Raises ``DataError`` with ``where``, the key and the remedy."""
    if not isinstance(turn, Mapping):
        raise DataError(f"{where} is {short(turn)}; give {{role, content}}")
    role: Any = turn.get("role")
    if role not in ROLES:
        raise DataError(f"{where} has the role {short(role)}; the roles are {', '.join(ROLES)}")
    _refuse_others(turn, {"role", "content", *REASONING_KEYS, *MASK_KEYS, *HARMLESS}, where)
    content, thought = _content(turn, where)
    reasoning = _reasoning(turn, thought, where)
    learned = _learned(turn, where)
    if role != "assistant":
        if reasoning or learned:
            raise DataError(
                f"{where}: reasoning and {', '.join(MASK_KEYS[:3])} belong to an assistant turn; remove them from this {role} turn"
            )
        return Message(role, content)
    if not content and not reasoning:
        raise DataError(f"{where} is empty, which would train the model to say nothing; drop the row")
    if reasoning and any(tag in text for tag in TAGS for text in (content, reasoning)):
        raise DataError(f"{where} has both {REASONING_KEY} and think tags in its text; give the reasoning once, without tags")
    return Message(role, content, reasoning, learned is not False)


def is_empty(value: Any) -> bool:
    """True for ``None`` and empty values, with which Parquet fills missing keys."""
    return value is None or (isinstance(value, str | list | tuple | Mapping) and not value)


def short(value: Any) -> str:
    """``value`` in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def one_reasoning(found: Iterable[tuple[str, str]], where: str) -> str:
    """The only chain of thought among ``(key, text)``, or an empty text. Raises ``DataError`` if two differ."""
    texts = {text: key for key, text in found if text}
    if len(texts) > 1:
        raise DataError(f"{where} has two chains of thought, in {' and '.join(texts.values())}; keep one")
    return next(iter(texts), "")


def _refuse_others(turn: Mapping[str, Any], known: set[str] | frozenset[str], where: str) -> None:
    other = next((key for key, value in turn.items() if key not in known and not is_empty(value)), None)
    if other is not None:
        raise DataError(
            f"{where} has the key {other!r}, which is not read and might change what is learned;"
            f" remove it or write it into the content ({REASONING_KEY}: reasoning; weight: 0 or 1)"
        )


def _content(turn: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Text and reasoning of the content: a text, or a list of parts."""
    content = turn.get("content")
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list) or not content:
        raise DataError(f"{where}: content and {REASONING_KEY} must be text, and content is {short(content)}; write it as text")
    texts, thoughts = list[str](), list[str]()
    for place, part in enumerate(content):
        kind, text = _part(part, f"{where}: content[{place}]")
        if kind == "text":
            texts.append(text)
        elif texts:
            raise DataError(f"{where}: content[{place}] is reasoning after the answer; put the reasoning first")
        else:
            thoughts.append(text)
    return "".join(texts), "\n".join(thoughts)


def _part(part: Any, where: str) -> tuple[str, str]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or not isinstance(kind, str) or kind not in _TEXT_PARTS.keys() | _THOUGHT_PARTS.keys():
        raise DataError(f"{where} is {short(part)}; only parts of the types {', '.join([*_TEXT_PARTS, *_THOUGHT_PARTS])} are read")
    keys = _THOUGHT_PARTS.get(kind) or (_TEXT_PARTS[kind],)
    _refuse_others(part, {"type", *keys, *_HARMLESS_IN_PARTS}, where)
    text = next((part[key] for key in keys if not is_empty(part.get(key))), "")
    if not isinstance(text, str):
        raise DataError(f"{where}: {kind} is {short(text)}; write it as text")
    return ("thought" if kind in _THOUGHT_PARTS else "text"), text


def _reasoning(turn: Mapping[str, Any], thought: str, where: str) -> str:
    found = [("content", thought)]
    for key in REASONING_KEYS:
        value = turn.get(key)
        if not isinstance(value, str | None):
            raise DataError(f"{where}: content and {key} must be text, and {key} is {short(value)}; write it as text")
        found.append((key, value or ""))
    return one_reasoning(found, where)


def _learned(turn: Mapping[str, Any], where: str) -> bool | None:
    """The value of the masks; ``None`` if there are none."""
    given = {key: turn[key] for key in MASK_KEYS if turn.get(key) is not None}
    for key, value in given.items():
        if not isinstance(value, bool | int | float) or value not in (0, 1):
            raise DataError(f"{where}: {key} is {short(value)}; only 1 (learn the turn) and 0 (do not) are read")
    if len(set(map(bool, given.values()))) > 1:
        raise DataError(f"{where}: {' and '.join(given)} contradict each other; keep one")
    return bool(next(iter(given.values()))) if given else None
