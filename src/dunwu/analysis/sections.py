"""What the body of a report is made of, whatever kind of run it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.text import Shown


@dataclass(frozen=True)
class Table:
    """A table of text; the first cell of a row is its name."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Headline:
    """The number at the top of the page, where there was one before training with it; ``changes``: name, before (or empty) and after."""

    title: str
    before: str
    after: str
    sentence: str
    changes: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a model wrote, or what it was shown; ``tag`` is what is told of it."""

    name: str
    tag: str
    text: Shown


@dataclass(frozen=True)
class Sample:
    """A question and answers to it."""

    tags: tuple[str, ...]
    question: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Part:
    """A part of the page under a title of its own."""

    title: str
    told: str = ""
    figures: Sequence[PlotFigure] = ()
    tables: Sequence[Table] = ()
    samples: Sequence[Sample] = ()


@dataclass(frozen=True)
class Body:
    """All that depends on the kind of run."""

    headlines: Sequence[Headline] = ()
    training: Sequence[PlotFigure] = ()
    parts: Sequence[Part] = ()
