"""A section of the laboratory: a pure function from the stored completions to plain data, and how that is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dunwu.analysis.curves import Curve
from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.lab.estimates import Json
from dunwu.analysis.lab.material import Material
from dunwu.analysis.plots import Series, legend, line_plot
from dunwu.analysis.sections import Part, Table
from dunwu.analysis.sentences import plain

ABSENT = "–"


@dataclass(frozen=True)
class Section:
    """``name`` is its key in ``lab.json``. ``analyse`` gives the numbers, or ``{"missing": why}``; the first table of ``part`` is also
    shown on the terminal."""

    name: str
    analyse: Callable[[Material], Json]
    part: Callable[[Json], Part]


def missing(why: str) -> Json:
    """What a section gives that has nothing to analyse."""
    return {"missing": why}


def shown(found: Mapping[str, Any] | None, digits: int = 2, percent: bool = False) -> str:
    """``0.34 (0.31 to 0.37)``; with ``percent`` ``34.0 % (31.0 to 37.0)``."""
    if found is None or found.get("value") is None:
        return ABSENT
    scale, unit = (100, " %") if percent else (1, "")
    ends = found.get("interval")
    value = f"{plain(scale * found['value'], digits)}{unit}"
    return f"{value} ({plain(scale * ends[0], digits)} to {plain(scale * ends[1], digits)})" if ends else value


def moments_table(rows: Mapping[str, Mapping[str, str]], moments: Sequence[str]) -> Table:
    """A row per quantity, a column per moment."""
    return Table(("", *moments), tuple((name, *(cells.get(moment, ABSENT) for moment in moments)) for name, cells in rows.items()))


def step_series(label: str, steps: Sequence[Mapping[str, Any]], key: str) -> Series | None:
    """The estimates ``key`` of the steps as a line with its band; ``None`` without any."""
    known = [(each["step"], each[key]) for each in steps if each.get(key) is not None and each[key]["value"] is not None]
    if not known:
        return None
    bounds = [found["interval"] or [found["value"]] * 2 for _, found in known]
    line = Curve(tuple(step for step, _ in known), tuple(found["value"] for _, found in known))
    return Series(label, line, (tuple(low for low, _ in bounds), tuple(high for _, high in bounds)))


def lines_of(
    title: str, steps: Sequence[Mapping[str, Any]], labels: Mapping[str, str], unit: str, sentence: str = "", *, share: bool = False
) -> PlotFigure | None:
    """A figure with a line and its band for each key that the steps have; ``None`` without any. By default it says how each one went."""
    series = [found for key, label in labels.items() if (found := step_series(legend(label), steps, key)) is not None]
    if not series:
        return None
    text = sentence or " ".join(_went(label, steps, key) for key, label in labels.items())
    name = "lab-" + re.sub(r"[^a-z]+", "-", title.lower())
    return PlotFigure(title, line_plot(name, title, series, unit, share=share, smooth=False), text)


def _went(label: str, steps: Sequence[Mapping[str, Any]], key: str) -> str:
    known = [(each["step"], each[key]) for each in steps if each.get(key) is not None]
    if not known:
        return ""
    (first, start), (last, end) = known[0], known[-1]
    return f"{label[0].upper()}{label[1:]}: {shown(start)} at step {first}, {shown(end)} at step {last}."
