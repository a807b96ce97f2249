"""The building blocks of a report's body, for any kind of run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.text import Shown


@dataclass(frozen=True)
class Table:
    """A table of text; the first cell of a row is the row's name."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Headline:
    """The number at the top of the page, with its value before training if there is one; ``changes``: name, before (or empty), after."""

    title: str
    before: str
    after: str
    sentence: str
    changes: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Answer:
    """Text that a model wrote or scored; ``tag`` is a short remark on it."""

    name: str
    tag: str
    text: Shown


@dataclass(frozen=True)
class Sample:
    """A question and its answers."""

    tags: tuple[str, ...]
    question: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Part:
    """A titled part of the page."""

    title: str
    intro: str = ""
    figures: Sequence[PlotFigure] = ()
    tables: Sequence[Table] = ()
    samples: Sequence[Sample] = ()
    still: bool = False
    """Only for printing and for browsers without scripts, if the page has a browser of completions."""


@dataclass(frozen=True)
class Body:
    """The content that depends on the kind of run."""

    headlines: Sequence[Headline] = ()
    training: Sequence[PlotFigure] = ()
    parts: Sequence[Part] = ()
