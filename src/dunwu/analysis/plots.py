"""Small plots as inline SVG: no external resources, the same bytes for the same data, colours from the page's style sheet.

Plots never contain text of completions. matplotlib is used without pyplot, so that no state is shared.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from dunwu.analysis.bins import Band, binned, binned_band
from dunwu.analysis.curves import Curve, smoothed
from dunwu.text.translate import language, translate, width

# Each placeholder colour becomes a CSS variable, so that one SVG serves the light and the dark page.
_INK, _GRID = "#010203", "#010204"
_SERIES = ("#010210", "#010211", "#010212", "#010213", "#010214")
_VARIABLES = {_INK: "var(--ink-soft)", _GRID: "var(--rule)"} | {colour: f"var(--series-{i + 1})" for i, colour in enumerate(_SERIES)}

_STYLE: Mapping[str, Any] = {
    "svg.hashsalt": "dunwu",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}
SMOOTH_FROM = 20
"""A curve of so many values is smoothed."""


@dataclass(frozen=True)
class Series:
    """A named line, with the bounds of its band (low, high) at every step if it has one. The label may be a name of the user's."""

    label: str
    curve: Curve
    band: Band | None = None


def line_plot(
    name: str, title: str, series: Sequence[Series], unit: str, *, share: bool = False, smooth: bool = True, x: str = "step"
) -> Markup:
    """Lines over steps, or over another ``x``; with 20 values or more, a moving average over the faint values (``smooth``).

    ``share``: the axis is [0, 1]. Long lines are binned (`dunwu.analysis.bins`), with a band over the values of each bin.
    """

    def draw(axes: Axes) -> None:
        for place, line in enumerate(series):
            colour, style = _SERIES[place % len(_SERIES)], "-" if place < len(_SERIES) else "--"
            found = binned(line.curve)
            steps, values = found.curve.steps, found.curve.values
            if line.band is not None or found.size > 1:
                band = (found.low, found.high) if line.band is None else binned_band(line.band, found.size)
                axes.fill_between(steps, *band, color=colour, alpha=0.18, linewidth=0)
            many = smooth and len(values) >= SMOOTH_FROM
            if many:
                axes.plot(steps, values, color=colour, alpha=0.35, linewidth=0.8)
                values = tuple(smoothed(values, max(3, len(values) // 15)))
            axes.plot(steps, values, style, color=colour, label=line.label, marker=None if many else "o", markersize=3.5)
        if share:
            axes.set_ylim(-0.02, 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))

    return _svg(name, title, x, unit, len(series), draw)


def stacked_plot(name: str, title: str, steps: Sequence[int], layers: Mapping[str, Sequence[float]], unit: str) -> Markup:
    """Stacked layers over steps."""

    def draw(axes: Axes) -> None:
        axes.stackplot(
            steps, *layers.values(), labels=[legend(label) for label in layers], colors=_SERIES[: len(layers)], alpha=0.85, linewidth=0
        )
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))

    return _svg(name, title, "step", unit, len(layers), draw)


def level_plot(
    name: str, title: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], x: str, y: str, *, share: bool = False
) -> Markup:
    """Grouped bars, one group per level; a NaN has no bar. ``share``: the axis is [0, 1]."""
    width = 0.8 / max(1, len(series))

    def draw(axes: Axes) -> None:
        for i, (label, values) in enumerate(series.items()):
            places = [place - 0.4 + (i + 0.5) * width for place in range(len(labels))]
            axes.bar(places, values, width * 0.92, color=_colour_of(label), label=legend(label))
        axes.set_xticks(range(len(labels)), labels)
        axes.set_ylim(0, 1 if share else None)
        axes.grid(visible=False, axis="x")

    return _svg(name, title, x, y, len(series), draw)


def reliability_plot(name: str, title: str, points: Sequence[tuple[float, float]]) -> Markup:
    """Accuracy over confidence (both shares), with the diagonal of perfect calibration."""

    def draw(axes: Axes) -> None:
        axes.plot([0.5, 1], [0.5, 1], color=_SERIES[4], linestyle="--", linewidth=1)
        axes.plot([x for x, _ in points], [y for _, y in points], color=_SERIES[0], marker="o", markersize=4)
        axes.set_xlim(0.49, 1.01)
        axes.set_ylim(-0.02, 1.02)

    return _svg(name, title, "confidence", "accuracy", 1, draw)


def scatter_plot(name: str, title: str, series: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> Markup:
    """Points (x, y) of each series."""

    def draw(axes: Axes) -> None:
        for label, points in series.items():
            colour = _colour_of(label)
            axes.scatter([p[0] for p in points], [p[1] for p in points], s=14, color=colour, alpha=0.65, linewidths=0, label=legend(label))

    return _svg(name, title, x, y, len(series), draw)


@dataclass(frozen=True)
class Spent:
    """An accuracy with its interval, and the FLOPs that it took: the student's, and all."""

    label: str
    own: float
    all: float
    value: float
    low: float
    high: float


def compute_plot(name: str, title: str, points: Sequence[Spent], levels: Mapping[str, float]) -> Markup:
    """Accuracies over FLOPs: hollow at those of the student, filled and with the interval at all FLOPs. ``levels``: dashed lines."""

    def draw(axes: Axes) -> None:
        for label, value in levels.items():
            axes.axhline(value, color=_SERIES[4], linestyle="--", linewidth=1)
            axes.annotate(label, (0, value), (2, 2), ("axes fraction", "data"), "offset points", color=_INK, fontsize=8)
        for point in points:
            axes.plot([point.own, point.all], [point.value] * 2, color=_SERIES[0], marker="o", markerfacecolor="none", linewidth=0.8)
            axes.errorbar(point.all, point.value, [[point.value - point.low], [point.high - point.value]], fmt="o", color=_SERIES[0])
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda flops, _: f"{flops:.0e}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xmargin(0.15)
        for point, height in zip(
            points, _apart([point.value for point in points], 0.06 * (axes.get_ylim()[1] - axes.get_ylim()[0])), strict=True
        ):
            axes.annotate(point.label, (point.all, height), (6, 0), textcoords="offset points", va="center", color=_INK, fontsize=8)

    return _svg(name, title, "FLOPs", "pass@1", 1, draw)


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """Heights for labels near ``values``, at least ``gap`` apart: those that would overlap are stacked around their mean."""

    def height(group: Sequence[int], place: int) -> float:
        return fmean(values[each] for each in group) + (place - (len(group) - 1) / 2) * gap

    groups = list[list[int]]()
    for value in sorted(range(len(values)), key=values.__getitem__):
        groups.append([value])
        while len(groups) > 1 and height(groups[-1], 0) - height(groups[-2], len(groups[-2]) - 1) < gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    found = {value: height(group, place) for group in groups for place, value in enumerate(group)}
    return [found[value] for value in range(len(values))]


def _colour_of(label: str) -> str:
    """On every plot "before" is grey and anything else the accent; the indices are those of the style sheet."""
    return _SERIES[4] if label == "before" else _SERIES[0]


@contextmanager
def _style() -> Iterator[None]:
    """Our style. Chinese is written as text, in the fonts of the page: no font of matplotlib's has its letters, of which it warns."""
    with mpl.rc_context(), warnings.catch_warnings() if language() == "zh" else nullcontext():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        if language() == "zh":
            warnings.simplefilter("ignore", UserWarning)
            mpl.rcParams["svg.fonttype"] = "none"
        yield


def legend(label: str) -> str:
    """A label in the user's language; spaces for the room that matplotlib, without the font, does not know of."""
    ours = translate(label, label=True)
    return ours + "\N{NO-BREAK SPACE}" * math.ceil(0.4 * (width(ours) - len(ours)))


def _svg(name: str, title: str, x: str, y: str, entries: int, draw: Callable[[Axes], None]) -> Markup:
    """A figure that ``draw`` fills, with a legend above it if there is more than one entry."""
    with _style():
        figure = Figure(figsize=(4.5, 2.7), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        axes.tick_params(length=0)
        axes.set_xlabel(translate(x, label=True))
        axes.set_ylabel(translate(y, label=True))
        draw(axes)
        if entries > 1:
            columns = min(entries, 4)
            axes.legend(
                loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderaxespad=0.2, handlelength=1.2, columnspacing=1.4
            )
        return _inline(figure, name, title)


def _inline(figure: Figure, name: str, title: str) -> Markup:
    """The figure as ``<svg>``: prefixed ids (a page has many plots), CSS variables as colours, no prologue, metadata or namespaces."""
    buffer = io.StringIO()
    # the layout leaves too little room for long tick labels: the box is that of what was drawn
    figure.savefig(
        buffer, format="svg", bbox_inches="tight", pad_inches=0.03, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"""\sxmlns(?::\w+)?="[^"]*\"""", "", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg).replace("xlink:href", "href")
    svg = svg.replace("url(#", f"url(#{name}-")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    head = re.match(r"<svg[^>]*>", svg)
    assert head is not None, "matplotlib wrote no svg element"
    box = re.search(r'viewBox="[^"]*"', head.group())
    assert box is not None, "matplotlib wrote no viewBox"
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg[head.end() :])
    opening = f'<svg {box.group()} role="img" aria-label="{escape(translate(title, label=True))}" translate="no">'
    return Markup(opening + re.sub(r"\n\s*", "\n", svg).strip())
