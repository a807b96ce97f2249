"""A pipeline as data: stages and their inputs from other stages, checked on creation. Imports no torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from dunwu.config.base import Config
from dunwu.config.defaults import TINY
from dunwu.config.load import validate
from dunwu.config.overrides import Override, apply_overrides
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.errors import ConfigError
from dunwu.pipeline.stages import KINDS, Work, describe, kind_of

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Stage:
    """A named piece of work. ``inputs`` maps keys of its configuration to the stages whose output fills them.

    The value at such a key is replaced by ``@STAGE``, and by a path when the stage runs.
    """

    name: str
    work: Config
    inputs: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=lambda: TINY.context, compare=False)
    """In which its configuration is validated, see `dunwu.config.defaults`."""

    def __post_init__(self) -> None:
        check_name(self.name, "stage")
        if type(self.work) not in KINDS.values():
            raise ConfigError(f"stage {self.name}: {type(self.work).__name__} is not a kind of work; the kinds are {', '.join(KINDS)}")
        takes = describe(self.work).takes
        for key in self.inputs:
            if not any(fnmatchcase(key, pattern) for pattern in takes):
                known = f"it takes {', '.join(takes)}" if takes else "it takes no inputs"
                raise ConfigError(f"stage {self.name}: inputs.{key} is not an input of {self.kind}; {known}")
        object.__setattr__(self, "inputs", MappingProxyType(dict(self.inputs)))
        object.__setattr__(self, "work", self.filled({key: f"@{source}" for key, source in self.inputs.items()}))
        if isinstance(self.work, SftConfig | RewardModelConfig) and self.work.data is None:
            raise ConfigError(f"stage {self.name}: data is missing: set it to a file, or give the stage that makes it as inputs.data")

    @property
    def kind(self) -> str:
        """The name of its kind of work."""
        return kind_of(self.work)

    @property
    def described(self) -> Work:
        """What the pipeline must know about its work."""
        return describe(self.work)

    def filled(self, values: Mapping[str, str]) -> Config:
        """The configuration with these values at dotted keys."""
        try:
            data = apply_overrides(self.work.as_set(), [Override(*item) for item in values.items()], {})
            return validate(type(self.work), data, context=self.context)
        except ConfigError as error:
            raise ConfigError(f"stage {self.name}: {error}") from None


@dataclass(frozen=True)
class Pipeline:
    """Stages that form a graph without cycles. ``stages`` may be given in any order and are held in one that can be done.

    Raises `ConfigError`: a name twice, an input that no stage makes or of the wrong kind, a cycle (named).
    """

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        check_name(self.name, "pipeline")
        if not self.stages:
            raise ConfigError(f"pipeline {self.name} has no stages: give it one")
        names = [stage.name for stage in self.stages]
        if double := next((name for name in names if names.count(name) > 1), None):
            raise ConfigError(f"pipeline {self.name} has two stages named {double!r}: give one of them another name")
        for stage in self.stages:
            self._check_inputs(stage)
        object.__setattr__(self, "stages", tuple(_ordered(self.stages)))

    def __getitem__(self, name: str) -> Stage:
        """The stage of this name. Raises `ConfigError` with the nearest."""
        return next((stage for stage in self.stages if stage.name == name), None) or self._refuse(name)

    def between(self, first: str | None = None, last: str | None = None) -> list[Stage]:
        """``first`` and what follows from it, as far as ``last`` needs it; ``None``: no such limit."""
        after = self._reach(first, {stage.name: self._consumers(stage.name) for stage in self.stages})
        before = self._reach(last, {stage.name: stage.inputs.values() for stage in self.stages})
        found = [stage for stage in self.stages if stage.name in after & before]
        if not found:
            raise ConfigError(f"--until {last} does not follow from --from {first}: there is nothing to do between them")
        return found

    def final(self) -> list[Stage]:
        """The stages that no other takes from."""
        return [stage for stage in self.stages if not self._consumers(stage.name)]

    def _consumers(self, name: str) -> list[str]:
        return [stage.name for stage in self.stages if name in stage.inputs.values()]

    def _reach(self, start: str | None, neighbours: Mapping[str, Collection[str]]) -> set[str]:
        waiting = [stage.name for stage in self.stages] if start is None else [self[start].name]
        found: set[str] = set()
        while waiting:
            found.add(name := waiting.pop())
            waiting += [each for each in neighbours[name] if each not in found]
        return found

    def _check_inputs(self, stage: Stage) -> None:
        for key, source in stage.inputs.items():
            made = next((other for other in self.stages if other.name == source), None)
            if made is None:
                hint = _nearest(source, [other.name for other in self.stages])
                remedy = "a file from outside is a stage with `work: file`" if "/" in source or "." in source else hint
                raise ConfigError(f"stage {stage.name}: inputs.{key} = {source!r} is not a stage; {remedy}")
            needed = next(kind for pattern, kind in stage.described.takes.items() if fnmatchcase(key, pattern))
            if needed not in (None, made.described.makes):
                raise ConfigError(
                    f"stage {stage.name}: inputs.{key} must be of the kind {needed}, and {source} makes {made.described.makes}"
                )

    def _refuse(self, name: str) -> Stage:
        raise ConfigError(f"pipeline {self.name} has no stage {name!r}: {_nearest(name, [stage.name for stage in self.stages])}")


def check_name(name: str, what: str) -> None:
    """Raises `ConfigError` unless ``name`` is valid as a folder name on any system and as the first part of a dotted key."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{what} name {name[:80]!r}: use lower-case letters, digits, - and _, such as cold-start")


def _ordered(stages: Iterable[Stage]) -> list[Stage]:
    """The stages in the given order, but each after its inputs. Raises `ConfigError` with the cycle if there is one."""
    waiting, done = list(stages), list[Stage]()
    while waiting:
        names = {stage.name for stage in waiting}
        ready = next((stage for stage in waiting if not names & set(stage.inputs.values())), None)
        if ready is None:
            cycle = " -> ".join(_cycle({stage.name: [each for each in stage.inputs.values() if each in names] for stage in waiting}))
            raise ConfigError(f"the stages {cycle} depend on each other in a cycle: remove one of these inputs")
        waiting.remove(ready)
        done.append(ready)
    return done


def _cycle(sources: Mapping[str, list[str]]) -> list[str]:
    """One cycle in execution order, with its first stage repeated; every stage of ``sources`` has a source among them."""
    path = [next(iter(sources))]
    while path[-1] not in path[:-1]:
        path.append(sources[path[-1]][0])
    return path[path.index(path[-1]) :][::-1]


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"the stages are {', '.join(names)}"
