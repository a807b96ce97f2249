"""Finds recipes: a file the user names, or a bundled one (`tiny/zero`, `recipes/tiny/zero.yaml`, `tiny`)."""

from __future__ import annotations

import difflib
from pathlib import Path

from dunwu.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "recipes", _PACKAGE.parents[1] / "recipes")
"""In an installed wheel recipes are inside the package, in a checkout at its root (docs/decisions/0001)."""


def bundled_recipes() -> dict[str, Path]:
    """Bundled recipes by name (`tiny/zero`)."""
    root = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    if root is None:
        return {}
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.yaml"))}


def find_recipe(text: str, command: str) -> Path:
    """The file that `text` means; a folder (`tiny`) means its recipe of this command. Raises `ConfigError` with the nearest."""
    given = Path(text)
    if given.is_file():
        return given
    bundled = bundled_recipes()
    name = text.removeprefix("./").removeprefix("recipes/").removesuffix(".yaml").removesuffix(".yml").rstrip("/")
    for candidate in (name, f"{name}/{command}"):
        if candidate in bundled:
            return bundled[candidate]
    close = difflib.get_close_matches(name, bundled, n=1)
    hint = f"did you mean {close[0]}?" if close else f"give a YAML file or one of {', '.join(bundled)}"
    raise ConfigError(f"there is no recipe {text!r}: {hint}")
