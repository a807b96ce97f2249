"""Check that a resumed run is the one that was started: same kind, configuration, seed and inputs. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dunwu.config.blocks import ABSENT
from dunwu.errors import RunError
from dunwu.run.reporter import QUIET, Reporter

Json = dict[str, Any]

_SCHEDULE = "the learning rate falls over all steps, so a longer run would differ from the first; train on from its checkpoint as a new run"
FIXED = {
    "epochs": _SCHEDULE,
    "tokens": _SCHEDULE,
    "grpo.steps": "steps may only be raised, and not at all if a reward model has `after`, which is a share of them",
}
"""Why a key that one might want to change is fixed."""


def check_same_run(
    path: Path, manifest: Json, identity: Json, may_change: Callable[[str, Any, Any], bool], reporter: Reporter = QUIET
) -> None:
    """Raise ``RunError`` unless ``manifest``, of the run at ``path``, has the kind, config, seed and inputs that ``identity`` has.

    Dotted keys of the config for which ``may_change(key, old value, new value)`` holds may differ; ``reporter`` gets a line for each.
    """
    for name in (name for name in ("kind", "config", "seed", "inputs") if name in identity):
        for key, old, new in differences(manifest[name], identity[name], "" if name == "config" else name):
            if name == "config" and may_change(key, old, new):
                if old != ABSENT:
                    reporter.say(f"{key} was {old!r}, is now {new!r}")
                continue
            if name == "inputs" and (changed_files := _changed(manifest, identity, key.partition(".")[2])):
                raise RunError(f"run {path} had other {key} ({changed_files} changed since): restore it or choose another run directory")
            raise RunError(f"run {path} has {key} = {old!r}, not {new!r}: {_remedy(key)}")


def _remedy(key: str) -> str:
    """What to do about a key that may not change."""
    reason = f"{FIXED[key]}; " if key in FIXED else ""
    return f"{reason}leave {re.split(r'[.][0-9]', key)[0]} out to resume it, or choose another run directory"


def _changed(manifest: Json, identity: Json, name: str) -> str:
    """The changed or missing files of an input; all of them if their hashes were not recorded."""
    old, new = (each.get("files", {}).get(name, {}) for each in (manifest, identity))
    names = list(dict.fromkeys([*new, *old]))
    return ", ".join(file for file in names if old.get(file) != new.get(file)) or ", ".join(names)


def first_difference(old: object, new: object, key: str = "") -> tuple[str, object, object] | None:
    """The first of `differences`; ``None`` if there is none."""
    return next(differences(old, new, key), None)


def differences(old: object, new: object, key: str = "") -> Iterator[tuple[str, object, object]]:
    """Dotted key, old and new value of each leaf in which two configurations differ."""
    if isinstance(old, list) and isinstance(new, list):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if not (old == new and type(old) is type(new)):
            yield key, old, new
        return
    if "kind" in old and "kind" in new and old["kind"] != new["kind"]:  # no other key can be compared
        old, new = {"kind": old["kind"]}, {"kind": new["kind"]}
    for name in [*old, *(name for name in new if name not in old)]:
        yield from differences(old.get(name, ABSENT), new.get(name, ABSENT), f"{key}.{name}" if key else str(name))
