"""Check that a resumed run is the one that was started: same kind, configuration, seed and inputs. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dunwu.errors import RunError
from dunwu.run.reporter import Reporter

Json = dict[str, Any]

ABSENT = "(absent)"


def check_same_run(path: Path, manifest: Json, identity: Json, may_change: Callable[[str, Any, Any], bool], reporter: Reporter) -> None:
    """Raise ``RunError`` unless ``manifest``, of the run at ``path``, has the same kind, config, seed and inputs as ``identity``.

    Keys of the config for which ``may_change(key, old value, new value)`` holds may differ; ``reporter`` gets a line for each.
    """
    old, new = manifest["config"], identity["config"]
    changed = {key: (old[key], new[key]) for key in old.keys() & new.keys() if old[key] != new[key] and may_change(key, old[key], new[key])}
    for key, (before, now) in sorted(changed.items()):
        reporter.say(f"{key} is {now!r} from now on; it was {before!r}")
    identity = {**identity, "config": {**new, **{key: before for key, (before, _) in changed.items()}}}
    for name in ("kind", "config", "seed", "inputs"):
        if found := first_difference(manifest[name], identity[name], "" if name == "config" else name):
            key, old, new = found
            if name == "inputs" and (changed_files := _changed(manifest, identity, key.partition(".")[2])):
                raise RunError(f"run {path} had other {key} ({changed_files} changed since): put it back or choose another --out")
            raise RunError(f"run {path} has {key} = {old!r}, not {new!r}: put it back or choose another --out")


def _changed(manifest: Json, identity: Json, name: str) -> str:
    """The changed or missing files of an input; all of them if their hashes were not recorded."""
    old, new = (each.get("files", {}).get(name, {}) for each in (manifest, identity))
    names = list(dict.fromkeys([*new, *old]))
    return ", ".join(file for file in names if old.get(file) != new.get(file)) or ", ".join(names)


def first_difference(old: object, new: object, key: str = "") -> tuple[str, object, object] | None:
    """Dotted key, old and new value of the first leaf in which two configurations differ; ``None`` if they are equal."""
    if isinstance(old, list) and isinstance(new, list):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return None if old == new and type(old) is type(new) else (key, old, new)
    for name in [*old, *(name for name in new if name not in old)]:
        inner = f"{key}.{name}" if key else str(name)
        if found := first_difference(old.get(name, ABSENT), new.get(name, ABSENT), inner):
            return found
    return None
