"""Where recipes are: a file the user names, or one that comes with Dunwu (`tiny/zero`, `recipes/tiny/zero.yaml`, `tiny`)."""

from __future__ import annotations

import difflib
from pathlib import Path

from dunwu.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]
_HOMES = (_PACKAGE / "recipes", _PACKAGE.parents[1] / "recipes")
"""In an installed wheel they lie inside the package, in a checkout at its root (docs/decisions/0001)."""


def bundled_recipes() -> dict[str, Path]:
    """Recipes that come with Dunwu, by name (`tiny/zero`)."""
    home = next((folder for folder in _HOMES if folder.is_dir()), None)
    if home is None:
        return {}
    return {path.relative_to(home).with_suffix("").as_posix(): path for path in sorted(home.rglob("*.yaml"))}


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
