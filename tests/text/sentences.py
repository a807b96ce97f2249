"""What Dunwu says, read from its source: string constants, f-strings and their concatenations, docstrings of options, pages' templates."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "dunwu"
ERRORS = {"UserError", "ConfigError", "DataError", "ModelError", "RunError", "CheckpointError", "TrainingError", "Interrupted"}
REPORTED = {"say", "warn", "facts", "sample", "progress", "show", "table"}
SECTIONS = {"MathPolicy"}
"""Classes of options inside the options of a command."""
MOST_VARIANTS = 32
_PLACEHOLDER = re.compile(r"(?<!\{)\{(\w+)(?:!([ntw]))?\}(?!\})")


def normal(key: str) -> str:
    """A catalogue's key with nameless placeholders, as `sentences_in` writes them."""
    return _PLACEHOLDER.sub("{}", key)


def placeholders(text: str) -> list[str]:
    """The names in a key or its translation, in order."""
    return [found[1] for found in _PLACEHOLDER.finditer(text)]


@cache
def modules() -> dict[str, ast.Module]:
    """Every module's tree by its path inside the package."""
    return {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}


@cache
def every_sentence() -> frozenset[str]:
    """All texts of the source and the templates, with their lines and sentences, stripped; placeholders are nameless."""
    found: set[str] = set()
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp, ast.IfExp)):
                for text in texts_of(node, named=False):
                    found |= pieces(text)
    for path in SOURCE.rglob("*.html"):
        for text in template_texts(path.read_text(encoding="utf-8")):
            found |= pieces(text)
    return frozenset(found)


def pieces(text: str) -> set[str]:
    """The text in one line, its lines, columns and sentences."""
    text = text.removeprefix("!")  # marks an answer that is no key (`dunwu.config.peer_keys`)
    lines = {" ".join(text.split()), text.strip(), *(line.strip() for line in text.split("\n"))}
    return lines | {piece for line in lines for piece in re.split(r"(?<=[.!?]) (?=\S)| {2,}", line)}


def texts_of(node: ast.expr | ast.AST, named: bool = True) -> list[str]:
    """The texts that a string expression may have; a conditional of constants gives one text for each case."""
    if isinstance(node, ast.Constant):
        return [node.value.replace("{", "{{").replace("}", "}}")] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        parts = [texts_of(value, named) for value in node.values]
        product = list(itertools.islice(itertools.product(*parts), MOST_VARIANTS))
        return [_numbered("".join(each)) for each in product]
    if isinstance(node, ast.FormattedValue):
        inner = node.value
        cases = texts_of(inner, named) if isinstance(inner, (ast.IfExp, ast.Constant)) else []
        return [*cases, "{" + (_name(inner) if named else "") + "}"]
    if isinstance(node, ast.IfExp):
        return [*texts_of(node.body, named), *texts_of(node.orelse, named)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = texts_of(node.left, named), texts_of(node.right, named)
        if not left and not right:
            return []
        anything = ["{" + ("more" if named else "") + "}"]
        return [a + b for a in left or anything for b in right or anything]
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return [text for value in node.values for text in texts_of(value, named)]
    return []


def _numbered(text: str) -> str:
    """Placeholders of one name get numbers."""
    seen: dict[str, int] = {}

    def once(found: re.Match[str]) -> str:
        seen[found[1]] = count = seen.get(found[1], 0) + 1
        return f"{{{found[1]}{count if count > 1 else ''}}}"

    return _PLACEHOLDER.sub(once, text)


def _name(node: ast.expr) -> str:
    """A name for a placeholder: the last identifier of the expression."""
    names = re.findall(r"[a-z_]{2,}", ast.unparse(node).partition(" for ")[0])
    kept = [name.strip("_") for name in names if name not in ("str", "len", "join", "sorted", "self", "repr", "map", "strip", "shown")]
    return (kept[-1] if kept else "") or "x"


def template_texts(html: str) -> Iterator[str]:
    """Text between tags of a Jinja template, statements as ends and expressions as placeholders."""
    html = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL).replace("&nbsp;", "\N{NO-BREAK SPACE}")
    short = re.sub(r"\{% if [^%]*%\}[^<]*?\{% endif %\}", "", html)  # the texts with what is conditional in them, and without
    for text in re.split(r"<[^>]*>|\n", "\n".join((re.sub(r"\{%.*?%\}", "", html), short, re.sub(r"\{%.*?%\}", "\n", html)))):
        yield re.sub(r"\{\{.*?\}\}", "{}", text)
    yield from (found[1] for found in re.finditer(r'(?:aria-label|title)="([^"{]*)"', html))


def shown_sentences(kind: str) -> dict[str, str]:
    """Sentences that people are shown, and where each stands. Kinds: `errors`, `reports` (a reporter's calls, prints) and `help`."""
    found: dict[str, str] = {}
    for path, tree in modules().items():
        for line, expression in _HELD[kind](path, tree):
            for whole in texts_of(expression):
                for text in [" ".join(whole.split())] if kind == "help" else map(str.strip, whole.split("\n")):
                    if re.search(r"[A-Za-z]{2,}", _PLACEHOLDER.sub("", text)):
                        found.setdefault(text, f"{path}:{line}")
    return found


def _errors(path: str, tree: ast.Module) -> Iterator[tuple[int, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in ERRORS and node.args:
            yield node.lineno, node.args[0]


def _reports(path: str, tree: ast.Module) -> Iterator[tuple[int, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in REPORTED | ({"print"} if path.startswith("cli/") else set()):
            yield from ((node.lineno, value) for argument in node.args for value in ast.walk(argument) if isinstance(value, ast.JoinedStr))
            yield from ((node.lineno, argument) for argument in node.args if isinstance(argument, ast.Constant))


def _help(path: str, tree: ast.Module) -> Iterator[tuple[int, ast.expr]]:
    for node in ast.walk(tree):
        options = isinstance(node, ast.ClassDef) and node.name.endswith("Options") and node.decorator_list and path.startswith("cli/")
        if isinstance(node, ast.ClassDef) and (options or node.name in SECTIONS):
            yield from ((each.lineno, each.value) for each in node.body if isinstance(each, ast.Expr))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Dict) and path == "cli/main.py":
            yield from ((value.lineno, value) for value in node.value.values)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


_HELD = {"errors": _errors, "reports": _reports, "help": _help}
