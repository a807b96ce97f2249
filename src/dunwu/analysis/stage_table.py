"""The table of a pipeline's stages as a page: numbers, a plot per metric across the stages, thresholds, the paper's rows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.plots import level_plot
from dunwu.analysis.report import REPORT, write_page
from dunwu.analysis.text import unbroken, visible
from dunwu.errors import RunError
from dunwu.evaluation.stage_table import (
    PAPER_SOURCE,
    StageTable,
    cell_text,
    group_of,
    intervals_told,
    label_of,
    look_of,
    paper_section,
    read_table,
    sections,
    tables_in,
    threshold_lines,
    together,
)

PAGE = "stages.html"
MOST_PLOTS = 12
"""Of a group; metrics of single categories come last and may be many."""


def write_stage_page(runs: Sequence[Path], path: Path) -> Path:
    """Write the page of one run of a pipeline, or of several of one recipe (mean and range over them), and return its path.

    Raises ``RunError`` for a run without a table of stages, ``DataError`` for runs that cannot be put together.
    """
    assert runs, "a run at least"
    table = together([read_table(find_table(run)) for run in runs])
    return write_page(path, render(table, " · ".join(run.resolve().name for run in runs)))


def find_table(run: Path) -> Path:
    """The newest ``stages.json`` of a run of a pipeline, or of the folder itself. Raises ``RunError`` where there is none."""
    there = tables_in(run)
    if not there:
        raise RunError(f"{run} has no table of stages: give its recipe a stage `work: stage_table`, or let that stage finish")
    return max(there, key=lambda path: path.stat().st_mtime_ns)


def render(table: StageTable, title: str) -> str:
    """The page: no script, no external resource, everything escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"visible": visible, "unbroken": unbroken}
    outcomes = [finding.outcome for finding in table.findings()]
    return environment.from_string(_resource(PAGE)).render(
        title=title,
        style=report_style(),
        told=intervals_told(table.runs),
        outcomes=list(zip(outcomes, (line.partition(": ")[2] for line in threshold_lines(table)), strict=True)),
        sections=[(section, figures(table, section.title, place)) for place, section in enumerate(sections(table))],
        paper=paper_section(table.rows),
        source=PAPER_SOURCE,
    )


def report_style() -> Markup:
    """The style sheet of the reports, which this page shares."""
    _, opened, rest = _resource(REPORT).partition("<style>")
    style, closed, _ = rest.partition("</style>")
    assert opened, "the report's template has a style sheet"
    assert closed, "and it ends"
    return Markup(style)  # our own file: nothing of a user is in it


def _resource(name: str) -> str:
    return resources.files("dunwu.analysis").joinpath(name).read_text(encoding="utf-8")


def figures(table: StageTable, group: str, index: int) -> list[PlotFigure]:
    """A plot for each metric of a group that two checkpoints have at least; ``index`` numbers the group on the page."""
    names = [name for name, found in table.metrics.items() if group_of(name) == group and len(found) > 1]
    return [_figure(table, name, f"stage-{index}-{place}") for place, name in enumerate(names[:MOST_PLOTS])]


def _figure(table: StageTable, metric: str, slug: str) -> PlotFigure:
    look, label, found = look_of(metric), visible(label_of(metric)), table.metrics[metric]
    values = [found[row].value if row in found else float("nan") for row in table.rows]
    svg = level_plot(slug, label, table.rows, {label: values}, "checkpoint", look.label, share=look.share)
    there = [row for row in table.rows if row in found]
    told = f"From {cell_text(found[there[0]], look)} of {there[0]} to {cell_text(found[there[-1]], look)} of {there[-1]}."
    return PlotFigure(label, svg, told)
