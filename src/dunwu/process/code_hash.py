"""The hash of Python code by its syntax tree, so that a comment, another layout or another message is no change."""

from __future__ import annotations

import ast
import hashlib
import re
from pathlib import Path

from dunwu.errors import ConfigError

_SAYING = re.compile(r"print|([\w.]+\.)?_?reporter\.(say|warn)")


def file_code_hash(path: Path) -> str:
    """`code_hash` of a file. Raises `ConfigError` if it is not valid Python."""
    return code_hash(parse_code(path))


def parse_code(path: Path) -> ast.Module:
    """The syntax tree of a file. Raises `ConfigError` if it is not valid Python."""
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte
        raise ConfigError(f"{path} is not valid Python ({error}): correct it") from error


def code_hash(tree: ast.Module) -> str:
    """SHA-256 of a syntax tree, which is changed, without docstrings, positions, comments and messages: they change no output.

    Of one version of Python.
    """
    for node in ast.walk(tree):
        for name, field in ast.iter_fields(node):
            if isinstance(field, list) and any(map(_is_docstring, field)):
                setattr(node, name, [each for each in field if not _is_docstring(each)])
        if isinstance(call := _message(node), ast.Call):
            call.args = [_without_text(argument) for argument in call.args]
    return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()


def _message(node: ast.AST) -> ast.expr | None:
    """The call of a statement that raises, prints or reports."""
    if isinstance(node, ast.Raise):
        return node.exc
    call = node.value if isinstance(node, ast.Expr) else None
    return call if isinstance(call, ast.Call) and _SAYING.fullmatch(ast.unparse(call.func)) else None


def _without_text(argument: ast.expr) -> ast.expr:
    """A text without what stands in it word for word; the values that are put into it stay."""
    if isinstance(argument, ast.JoinedStr):
        return ast.JoinedStr([piece for piece in argument.values if not isinstance(piece, ast.Constant)])
    return ast.JoinedStr([]) if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else argument


def _is_docstring(node: object) -> bool:
    """A string that stands as a statement, of a field or a constant as well."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
