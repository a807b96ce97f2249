"""How a model was made, as its card says it. No path, host or user name of the machine is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dunwu.analysis.pairs import Pair
from dunwu.config.licences import UNKNOWN


@dataclass(frozen=True)
class Base:
    """The model that the first step began with. ``hub``: its id there; ``terms``: `license_name` and `license_link` of a licence that is
    `other`."""

    name: str
    hub: str = ""
    licence: str = UNKNOWN
    terms: Mapping[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Data of a step: its name, its hub id if it is from there, and the number of rows if the run counted them.

    ``made``: where it is from, if it is generated or the output of another step.
    """

    name: str
    licence: str = UNKNOWN
    rows: int | None = None
    hub: str = ""
    made: str = ""


@dataclass(frozen=True)
class Figure:
    """A measured value before and after a step, in words; either may be empty."""

    name: str
    after: str
    before: str = ""


@dataclass(frozen=True)
class Step:
    """One run or stage. ``cost`` has `seconds`, `trained_tokens`, `generated_tokens` and `flops`, as far as known."""

    kind: str
    name: str
    settings: tuple[tuple[str, Any], ...] = ()
    sources: tuple[Source, ...] = ()
    teachers: tuple[Source, ...] = ()
    figures: tuple[Figure, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict)
    machine: str = ""


@dataclass(frozen=True)
class History:
    """The ``steps`` from the base to the model. ``base`` is ``None`` for a model trained from scratch.

    ``asked``: the configuration of the last run, from which prompts follow. ``pair``: one problem before and after it.
    ``distilled``: a model with another base has written data.
    """

    base: Base | None
    steps: tuple[Step, ...] = ()
    languages: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    pair: Pair | None = None
    distilled: bool = False
