"""`--help`: the docstrings of the options without defaults that say nothing, and in Chinese with tyro's own words in its frame."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from dunwu.text.translate import translate, width

_FILLER = "\0"
"""tyro takes every character for one column: a wide one has a filler before it until the text is framed."""
_OWN = {
    "usage: ": "用法：",
    "show this help message and exit": "显示本帮助并退出",
    "positional arguments": "位置参数",
    "[OPTIONS]": "[选项]",
    " options ": " 选项 ",
    " (default: )": "",
    " (required)": "（必填）",
    " (optional)": "（可省）",
}
_NAMES = {str: "STR", int: "INT", float: "FLOAT", Path: "PATH"}
_END = re.compile(r"(?:─*|(?<=[^─]) *)([│╮╯])$")


def described(kind: type[Any]) -> tuple[type[Any], str]:
    """``kind`` with the help of its options in the user's language, and its description."""
    description = inspect.cleandoc(kind.__doc__ or "")
    ours = _padded(_one_line(description))
    ours = description if ours == _one_line(description) else ours
    hints, helps = get_type_hints(kind, include_extras=True), _docstrings(kind)
    types: dict[str, Any] = {
        name: Annotated[hints[name], tyro.conf.arg(help=_padded(text), metavar=_metavar(hints[name]), help_behavior_hint=_default)]
        for name, text in helps.items()
    }
    defaults: dict[str, Any] = {each.name: each.default for each in dataclasses.fields(kind) if each.default is not dataclasses.MISSING}
    for name, hint in hints.items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            types[name], _ = described(hint)
            defaults[name] = dataclasses.field(default_factory=types[name])
    same = type(kind.__name__, (kind,), {"__annotations__": types, "__doc__": ours, "__module__": kind.__module__, **defaults})
    return dataclasses.dataclass(frozen=True)(same), ours


def _metavar(hint: Any) -> str | None:
    """The values of an option that may be left out, without tyro's None; ``None``: as tyro writes them."""
    hint = _bare(hint)
    if get_origin(hint) not in (Union, UnionType) or NoneType not in get_args(hint):
        return None
    given = _bare(next(each for each in get_args(hint) if each is not NoneType))
    return f"{{{','.join(get_args(given))}}}" if get_origin(given) is Literal else _NAMES[given]


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _default(value: str) -> str:
    return "" if value in ("", "None", "False") else f"(default: {value})"


def framed(text: str) -> str:
    """What tyro printed, without fillers, its own words in Chinese, and the right side of its boxes straight."""
    for source, target in _OWN.items():
        text = text.replace(source, target)
    text = re.sub(r" ?\(default: ([^()]*)\)", r"（默认 \1）", text)
    lines = text.replace(_FILLER, "").split("\n")
    wide = max((len(line) for line in lines if line.startswith("╰")), default=0)
    return "\n".join(_ended(line, wide) if line[:1] in ("│", "╭") else line for line in lines)


def _ended(line: str, wide: int) -> str:
    """A line of a box with its end at the width of the box."""
    end = _END.search(line)
    if end is None:
        return line
    head = line[: end.start()]
    fill = "─" if end[1] == "╮" else " "
    return head + fill * max(1, wide - 1 - width(head)) + end[1]


def _docstrings(kind: type[Any]) -> Mapping[str, str]:
    """The text below each field, in one line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            found[field.target.id] = _one_line(ast.literal_eval(below.value))
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _padded(text: str) -> str:
    """Translated, each wide character behind a filler."""
    return "".join(_FILLER + each if width(each) == 2 else each for each in translate(text, encoding=sys.stdout.encoding))
