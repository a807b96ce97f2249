"""Named suites: public eval sets as keys of `EvalConfig`. An entry of ``suites.yaml`` is data; tasks do what it needs of the rows.

`samples` are DeepSeek-R1's k where the paper states it (``stated``; v1 section 3): 64 for AIME and GPQA, 16 for MATH and Codeforces, 8 for
LiveCodeBench. For other sets they are ours, by size. `problems` is the size of the set as published.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from dunwu.config.base import merge
from dunwu.config.references import SUFFIXES
from dunwu.config.task_names import REASONING_GYM
from dunwu.config.yaml_text import parse_yaml
from dunwu.errors import ConfigError

DATA_VARIABLE = "DUNWU_DATA"
"""Environment variable with a folder of data sets, which are read instead of the hub's where no data is named."""
_TABLE = Path(__file__).with_name("suites.yaml")
_SUITE, _DATA = "suite", "data"


@dataclass(frozen=True, slots=True)
class NamedSuite:
    """A public eval set. ``task``: the keys of its task without the data.

    The data is a file or folder, which is called ``local`` in a folder of data sets; by default the data set ``hub`` (with its subset).
    ``source`` says where to get a set that is not on the hub in this form.
    """

    title: str
    problems: int
    samples: int
    task: Mapping[str, Any]
    stated: bool = False
    split: str = "test"
    group_by: list[str] = field(default_factory=list)
    local: str = ""
    hub: str = ""
    source: str = ""
    licence: str = ""

    @property
    def generated(self) -> bool:
        """True if its problems are generated, or come with Dunwu."""
        return not self.local


@cache
def suites() -> Mapping[str, NamedSuite]:
    """All named suites, by name."""
    return {name: NamedSuite(**entry) for name, entry in parse_yaml(_TABLE.read_text(encoding="utf-8")).items()}


def named_suite(name: str) -> NamedSuite:
    """The suite of a name; ``reasoning-gym:NAME`` is any data set of reasoning-gym. Raises `ConfigError` with the nearest name."""
    if name.startswith(REASONING_GYM) and len(name) > len(REASONING_GYM):
        task = {"kind": "reasoning_gym", "name": name.removeprefix(REASONING_GYM)}
        return NamedSuite(f"reasoning-gym, {task['name']}", 200, 16, task)
    if name not in suites():
        near = difflib.get_close_matches(name.lower(), suites(), n=1)
        known = ", ".join([*suites(), f"{REASONING_GYM}NAME"])
        remedy = f"did you mean {near[0]}? All: {known}" if near else f"choose from {known}"
        raise ConfigError(f"unknown suite {name!r}: {remedy}")
    return suites()[name]


def with_suite(given: Any) -> Any:
    """The keys of an eval set over those of the suite that it names, if any; ``data`` is the suite's file or folder."""
    if not isinstance(given, dict) or given.get(_SUITE) is None:
        return given
    name, own = str(given[_SUITE]), {key: value for key, value in given.items() if key != _DATA}
    suite, data = named_suite(name), given.get(_DATA)
    task = dict(suite.task)
    if not suite.generated and not (isinstance(own.get("task"), dict) and own["task"].get("path")):
        task["path"] = _path(name, suite, data if data is None else str(data))
    keys = {key: getattr(suite, key) for key in ("problems", "samples", "split", "group_by")}
    return merge({**keys, "task": task}, own)


def _path(name: str, suite: NamedSuite, data: str | None) -> str:
    """The file or folder of a suite, or its hub id. Raises `ConfigError` if there is none."""
    if data is not None:
        return str(_within(name, suite, Path(data).expanduser()))
    root = os.environ.get(DATA_VARIABLE)
    if root and (Path(root) / suite.local).exists():
        return str(Path(root) / suite.local)
    if not suite.hub:
        raise ConfigError(f"suite {name} needs a file: give --data FILE (from {suite.source}; licence: {suite.licence})")
    return suite.hub


def _within(name: str, suite: NamedSuite, data: Path) -> Path:
    """The suite's data in a folder of data sets, in its own folder, or the file itself. Raises `ConfigError` if it is not there."""
    if not data.exists():
        raise ConfigError(f"--data {data} does not exist: check the path")
    if not data.is_dir():
        return data
    places = [data / suite.local, data / Path(suite.local).name]
    if found := next((place for place in places if place.exists()), None):
        return found
    if any(file.name.endswith(SUFFIXES) for file in data.iterdir()):
        return data
    raise ConfigError(f"--data {data} has no data of suite {name}: put it at {data / suite.local}, or name the file")
