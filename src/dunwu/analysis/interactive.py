"""The curves of a page with zoom, values under the pointer and smoothing, by Bokeh, whose JavaScript becomes part of the page.

The static plots stay in the page, for printing and for browsers without scripts. Bokeh is imported when a page is written.
A page's policy allows its scripts only, by their hashes; a script in a model's text would not run even if it were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle
from typing import Any

from markupsafe import Markup

from dunwu.analysis.bins import MOST, Binned, Clock, binned, binned_band
from dunwu.analysis.curves import smoothed
from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.plots import SMOOTH_FROM, Series
from dunwu.analysis.text import visible
from dunwu.text.translate import translate

COLOURS = ("#2f83cb", "#d9731f", "#3f9d66", "#9469c8", "#8a9098")
"""They can be told from white and from the dark page alike."""
LEVELS: Mapping[str, int] = {"none": 0, "light": 50, "medium": 15, "strong": 5}
"""A level of smoothing: a moving average over one point in so many of the curve."""
_AXES = {"step": "step", "hours": "hours", "tokens": "tokens"}
_FONT = 'system-ui, "Noto Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'
_LINE, _ENTRY = 44, 24
"""Characters of a legend that fit the width of a phone, and the height of an entry in pixels."""
_CHOOSE = """
for (const source of sources) {
  const data = source.data;
  source.data = {...data, x: data[axes[axis.active]], shown: data[levels[smoothing.active]]};
}
for (const named of named_axes) named.axis_label = names[axis.active];
if (cb_obj === axis) for (const plot of plots) plot.reset.emit();
"""
_EMBED = 'const made = JSON.parse(document.getElementById("curves").textContent); Bokeh.embed.embed_items(made.documents, made.items);'


@dataclass(frozen=True)
class Live:
    """What a page with interactive curves has besides them: its code, the places of its two controls, and scripts."""

    codes: tuple[str, ...]
    axis: Markup
    smoothing: Markup
    scripts: Markup


def interactive(figures: Sequence[PlotFigure], clocks: Mapping[str, Clock]) -> tuple[list[PlotFigure], Live | None]:
    """The figures, those of lines with their place for an interactive plot, and what else the page needs (``None`` without lines).

    ``clocks``: by the label of a series, or under the empty name for all.
    """
    from bokeh.document import Document

    drawn = [figure for figure in figures if figure.series]
    if not drawn:
        return list(figures), None
    plots = [_plot(figure, clocks) for figure in drawn]
    roots = [*plots, *_controls(plots)]
    document = Document(title="")
    for root in roots:
        document.add_root(root)
    places = [f"live-{i}" for i in range(len(roots))]
    holders = [Markup('<div id="{}"></div>').format(place) for place in places]
    made = iter(holders)
    codes, scripts = _scripts(_embedded(document, places))
    return [replace(f, live=next(made)) if f.series else f for f in figures], Live(codes, holders[-2], holders[-1], scripts)


def columns(series: Series, clock: Clock, smooth: bool) -> dict[str, Sequence[float]]:
    """The columns of a line: places by step, hours and tokens, values with their extremes, and the smoothed values of each level."""
    found = binned(series.curve)
    hours, tokens = clock.at(found.curve.steps)
    many = smooth and len(found.curve) >= SMOOTH_FROM
    levels = {name: _smooth(found, part) if many and part else found.curve.values for name, part in LEVELS.items()}
    low, high = (found.low, found.high) if series.band is None else binned_band(series.band, found.size)
    return {"step": found.curve.steps, "hours": hours, "tokens": tokens, "value": found.curve.values, "low": low, "high": high, **levels}


def _smooth(found: Binned, part: int) -> Sequence[float]:
    return smoothed(found.curve.values, max(3, len(found.curve) // part))


def _plot(figure: PlotFigure, clocks: Mapping[str, Clock]) -> Any:
    """One figure of Bokeh's."""
    from bokeh.models import BoxZoomTool, NumeralTickFormatter, PanTool, Range1d, ResetTool, SaveTool, WheelZoomTool
    from bokeh.plotting import figure as new_plot

    zoom = BoxZoomTool(dimensions="width")
    tools = [zoom, PanTool(dimensions="width"), WheelZoomTool(dimensions="width"), ResetTool(), SaveTool()]
    plot = new_plot(
        height=260, sizing_mode="stretch_width", tools=tools, active_drag=zoom, toolbar_location="above",
        toolbar_inner=True, x_axis_label=_name("step"),
        y_axis_label=_name(figure.unit), background_fill_alpha=0, border_fill_alpha=0, outline_line_color=None, min_border=4,
        stylesheets=[".bk-events { touch-action: pan-y !important; }"],
    )  # fmt: skip
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[00]a")
    if figure.share:
        plot.y_range = Range1d(-0.02, 1.02)
    for axis in (plot.xaxis, plot.yaxis):
        axis.axis_label_text_font = axis.major_label_text_font = _FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
    for series, colour in zip(figure.series, cycle(COLOURS), strict=False):
        _draw(plot, series, clocks.get(series.label) or clocks[""], colour, figure.smooth)
    _finish_legend(plot, len(figure.series))
    return plot


def _draw(plot: Any, series: Series, clock: Clock, colour: str, smooth: bool) -> None:
    """A line: its band, its single values faintly, the smoothed values, and what is shown under the pointer."""
    import numpy as np
    from bokeh.models import ColumnDataSource, HoverTool

    found = {name: np.asarray(values, dtype=float) for name, values in columns(series, clock, smooth).items()}
    default = "medium" if smooth else "none"
    source = ColumnDataSource(found | {"x": found["step"], "shown": found[default]})
    name = _short(visible(series.label.replace("\N{NO-BREAK SPACE}", " ").rstrip()))
    if series.band is not None or len(series.curve) > MOST:
        plot.varea("x", "low", "high", source=source, color=colour, alpha=0.18)
    if smooth and len(series.curve) >= SMOOTH_FROM:
        plot.line("x", "value", source=source, color=colour, alpha=0.35, line_width=0.8, legend_label=name)
    line = plot.line("x", "shown", source=source, color=colour, line_width=2, legend_label=name)
    if len(series.curve) < SMOOTH_FROM:
        plot.scatter("x", "shown", source=source, color=colour, size=6, legend_label=name)
    tips = [(name, "@shown{0.[0000]}"), (_name("step"), "@step{0,0}")]
    plot.add_tools(HoverTool(renderers=[line], mode="mouse", tooltips=tips, visible=False))


def _short(name: str, longest: int = 32) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _finish_legend(plot: Any, entries: int) -> None:
    """The legend above the plot, where a click hides a line; none for one line."""
    legend = plot.legend[0]
    if entries < 2:
        legend.visible = False
        return
    plot.center.remove(legend)
    plot.add_layout(legend, "above")
    legend.click_policy = "hide"
    if sum(len(item.label.value) + 6 for item in legend.items) < _LINE:
        legend.orientation = "horizontal"
    else:
        plot.height += _ENTRY * entries
    legend.label_text_font, legend.background_fill_alpha, legend.border_line_color = _FONT, 0, None
    legend.location, legend.label_text_color = "top_left", "#7a8087"
    legend.padding, legend.margin = 0, 0


def _controls(plots: Sequence[Any]) -> tuple[Any, Any]:
    """Two rows of buttons for all plots: what is along the horizontal axis, and the smoothing. All plots share one horizontal range."""
    from bokeh.models import ColumnDataSource, CustomJS, RadioButtonGroup

    for plot in plots[1:]:
        plot.x_range = plots[0].x_range
    axis = RadioButtonGroup(labels=[_name(name) for name in _AXES.values()], active=0, stylesheets=[_BUTTONS])
    smoothing = RadioButtonGroup(labels=[_name(name) for name in LEVELS], active=list(LEVELS).index("medium"), stylesheets=[_BUTTONS])
    sources = list({id(r.data_source): r.data_source for plot in plots for r in plot.renderers}.values())
    assert all(isinstance(source, ColumnDataSource) for source in sources)
    known = {"axes": list(_AXES), "names": axis.labels, "levels": list(LEVELS), "axis": axis, "smoothing": smoothing}
    change = CustomJS(args=known | {"sources": sources, "named_axes": [p.xaxis[0] for p in plots], "plots": list(plots)}, code=_CHOOSE)
    axis.js_on_change("active", change)
    smoothing.js_on_change("active", change)
    return axis, smoothing


_BUTTONS = """
.bk-btn { background: var(--card); color: var(--ink); border-color: var(--rule); font: inherit; }
.bk-btn:hover { background: var(--inset); }
.bk-btn.bk-active { background: var(--accent); color: var(--card); border-color: var(--accent); }
"""


def _name(text: str) -> str:
    return translate(text, label=True)


def _embedded(document: Any, places: Sequence[str]) -> str:
    """The document as JSON for Bokeh's ``embed_items``. Models are numbered in order, so that the same run gives the same page."""
    made = _numbered(document.to_json(deferred=False), {})
    roots = {root["id"]: place for root, place in zip(made["roots"], places, strict=True)}
    found = {"documents": {"page": made}, "items": [{"docid": "page", "roots": roots, "root_ids": list(roots)}]}
    return json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")


def _numbered(found: Any, names: dict[str, str]) -> Any:
    """A copy with the ids of models by order. Texts of ours and of users are never under a key ``id``."""
    if isinstance(found, dict):
        return {key: names.setdefault(value, f"m{len(names)}") if key == "id" else _numbered(value, names) for key, value in found.items()}
    return [_numbered(value, names) for value in found] if isinstance(found, list | tuple) else found


def _scripts(data: str) -> tuple[tuple[str, ...], Markup]:
    """The code of a page's curves, and its elements with their data."""
    codes = (*_library(), _EMBED)
    elements = [f'<script type="application/json" id="curves">{data}</script>', *(f"<script>{code}</script>" for code in codes)]
    return codes, Markup("\n".join(elements))


def policy(curves: Live | None, others: Sequence[str] = ()) -> str:
    """The policy of a page: it allows only the scripts of ``curves`` and the ``others``, no connection and no foreign image.

    Bokeh makes functions of the glue above (``unsafe-eval``).
    """
    codes = [*(curves.codes if curves else ()), *others]
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in codes)
    unsafe = "'unsafe-eval' " if curves else ""
    scripts = f"; script-src {unsafe}{hashes}" if codes else ""
    return f"default-src 'none'; style-src 'unsafe-inline'{'; img-src data:' if curves else ''}{scripts}"


@cache
def _library() -> tuple[str, ...]:
    """Bokeh's own JavaScript: the core and the widgets."""
    from bokeh.resources import Resources

    return tuple(_inert(code) for code in Resources(mode="inline", minified=True, components=["bokeh", "bokeh-widgets"]).js_raw)


def _inert(code: str) -> str:
    """JavaScript without the end tag of its element, which in a string has the same meaning with a backslash."""
    return code.replace("</script", "<\\/script").replace("\r", "")
