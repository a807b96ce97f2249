"""The source code that a stage can reach, so that changes elsewhere do not make it run again.

The code is followed by reading alone, from a stage's function: every import of `dunwu`, also inside functions, and every string that is the
dotted name of one of its modules (workers are started that way). A module includes the non-Python files beside it, and those in folders
beside it without any Python (C kernels, tables). **Not seen:** modules named by strings put together at run time, imports of custom files,
the bundled weights (an input of the stages that use them), and other packages. Their versions are in the manifest but not in a stage's
identity: an upgrade of torch may change the last bits of a run, which is no reason to repeat days of training. Code that only presents is
left out: `dunwu.analysis`, the modules of `PRESENTING`, and what `dunwu.process.code_hash` leaves out.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from dunwu.process.code_hash import code_hash, parse_code

PACKAGE = Path(__file__).resolve().parents[1]
LEFT_OUT = ("analysis", "assets", "recipes", "__pycache__", "zh.json")
PRESENTING = (
    "errors",
    "jobs.headline",
    "jobs.memory",
    "jobs.preview",
    "run.console",
    "run.reporter",
    "text.catalogue",
    "text.translate",
    "version",
)
"""Modules that print or refuse, and of which nothing reaches an artefact (`jobs.checks` drops rows too, and counts)."""
NO_SOURCE = (".py", ".pyc", ".typed")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


def source_hashes(entries: Iterable[Path], package: Path = PACKAGE) -> dict[str, str]:
    """SHA-256 by path within ``package`` of every file that the code in ``entries`` can reach; a file outside by its name.

    Of Python the syntax tree is hashed, without docstrings, comments and positions; of any other file the bytes.

    Raises ``ConfigError`` for a custom file that is not valid Python.
    """
    begun = [entry.resolve() for entry in entries]
    waiting, found = list(begun), dict[Path, str]()
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        stat = path.stat()
        found[path], names = _read(path, stat.st_mtime_ns, stat.st_size)
        if path.is_relative_to(package):
            found |= {inner: _hash(inner) for inner in _beside(path.parent) if inner not in found}
        waiting += [module for name in names if (module := _module(name, package)) is not None]
    ours = {path.relative_to(package).as_posix(): found[path] for path in sorted(found) if path.is_relative_to(package)}
    return ours | {name: found[path] for name, path in _outside(begun, package)}


def module_file(name: str) -> Path:
    """The file of a module of `dunwu` by its dotted name."""
    path = _module(name, PACKAGE)
    assert path is not None, f"there is no module {name}"
    return path


@lru_cache(maxsize=4096)
def _read(path: Path, changed: int, size: int) -> tuple[str, tuple[str, ...]]:
    """Hash and dotted names of one file; ``changed`` and ``size`` make a changed file another entry of the cache."""
    tree = parse_code(path)
    digest = code_hash(tree)  # first: it removes the docstrings, in which modules are named too
    return digest, tuple(sorted(set(_names(tree))))


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            yield node.value


def _module(name: str, package: Path) -> Path | None:
    """The file of a dotted name, where it is a module of the package that counts."""
    first, *parts = name.split(".")
    if first != package.name or (parts and parts[0] in LEFT_OUT) or ".".join(parts) in PRESENTING:
        return None
    place = package.joinpath(*parts)
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


@lru_cache(maxsize=4096)
def _beside(folder: Path) -> tuple[Path, ...]:
    """Files in ``folder`` that are no Python, and those in its folders that hold no Python."""
    inner = [path for path in sorted(folder.iterdir()) if path.name not in LEFT_OUT]
    files = [path for path in inner if path.is_file() and path.suffix not in NO_SOURCE and not path.name.startswith(".")]
    plain = [path for path in inner if path.is_dir() and not any(path.rglob("*.py"))]
    return (*files, *(path for below in plain for path in _beside(below)))


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _outside(begun: Iterable[Path], package: Path) -> Iterator[tuple[str, Path]]:
    """The user's own files by name; a further one of the same name is numbered, in the order in which the configuration has them."""
    names = Counter[str]()
    for path in dict.fromkeys(path for path in begun if not path.is_relative_to(package)):
        names[path.name] += 1
        yield (path.name if names[path.name] == 1 else f"{path.name} ({names[path.name]})"), path
