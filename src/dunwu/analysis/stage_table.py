"""The page of a pipeline run: its graph, the result and cost of each stage, the table of its checkpoints with a plot per metric and the
thresholds, the paper's rows, and the cards of its data sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from dunwu.analysis.claims import shown_claims
from dunwu.analysis.cost import NO_PRICES, PAPER, Prices
from dunwu.analysis.curves import number
from dunwu.analysis.data_cards import card_sections
from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.pipeline_run import PipelineRun, StageRun, read_pipeline_run
from dunwu.analysis.plots import Spent, compute_plot, level_plot
from dunwu.analysis.report import REPORT, write_page, write_report
from dunwu.analysis.sections import Headline
from dunwu.analysis.side_by_side import More, more_of
from dunwu.analysis.stage_graph import HEIGHT, WIDTH, draw
from dunwu.analysis.text import unbroken, visible
from dunwu.errors import RunError
from dunwu.evaluation.comparison import NOTE, Comparison, comparisons_in, read_comparison, section, sentence
from dunwu.evaluation.comparison import PAPER_SOURCE as COMPARED_SOURCE
from dunwu.evaluation.comparison import paper_section as compared_paper
from dunwu.evaluation.reproduction import Reproduction, read_reproduction, reproductions_in
from dunwu.evaluation.stage_table import (
    HEADLINES,
    PAPER_SOURCE,
    Section,
    StageTable,
    cell_text,
    combine,
    group_of,
    interval_text,
    label_of,
    look_of,
    paper_section,
    read_table,
    sections,
    tables_in,
    threshold_words,
)

PAGE = "stages.html"
MOST_PLOTS = 12
"""Per group; metrics of single categories come last and may be many."""


REPORTED = ("zero", "sft", "distillation", "reward_model")
"""Kinds of stages with their own report."""


def write_stage_page(runs: Sequence[Path], path: Path, prices: Prices = NO_PRICES) -> Path:
    """Write the page of one pipeline run, finished or not, or of several; returns its path.

    Several runs are shown side by side, and the tables of their stages as one (mean and range) if they are of one recipe. With a single
    run, missing reports of its stages are written too. Raises ``RunError`` if a folder has neither a pipeline nor a table of stages,
    ``DataError`` if tables without their pipelines cannot be combined.
    """
    assert runs, "at least one run"
    pipelines = [read_pipeline_run(run) for run in runs]
    pipeline = pipelines[0] if len(runs) == 1 else None
    tables = _tables(runs, all_known=None not in pipelines)
    for stage in pipeline.stages if pipeline else ():
        if stage.kind in REPORTED and stage.folder and not stage.page and (stage.folder / "run").is_dir():
            write_report(stage.folder / "run")
    title = " · ".join(run.resolve().name for run in runs)
    found = comparisons_in(runs[0]) if pipeline else []
    comparison = read_comparison(found[-1]) if found else None
    claims = reproductions_in(runs[0]) if pipeline else []
    reproduction = read_reproduction(claims[-1]) if claims else None
    more = more_of(runs, pipelines, prices)
    return write_page(path, render(combine(tables) if tables else None, title, pipeline, path.parent, comparison, reproduction, more))


def _tables(runs: Sequence[Path], all_known: bool) -> list[StageTable]:
    """The tables of all runs; none if all are pipelines, but one lacks its table or they are of several recipes."""
    if all_known and not all(map(tables_in, runs)):
        return []
    tables = [read_table(find_table(run)) for run in runs]
    one_recipe = all((each.rows, each.thresholds) == (tables[0].rows, tables[0].thresholds) for each in tables)
    return tables if one_recipe or not all_known else []


def find_table(run: Path) -> Path:
    """The newest ``stages.json`` of a pipeline run, or of the folder itself. Raises ``RunError`` if there is none."""
    found = tables_in(run)
    if not found:
        raise RunError(f"{run} has no table of stages: add a stage `work: stage_table` to its recipe, or let that stage finish")
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def render(
    table: StageTable | None,
    title: str,
    pipeline: PipelineRun | None = None,
    folder: Path = Path(),
    comparison: Comparison | None = None,
    reproduction: Reproduction | None = None,
    more: More | None = None,
) -> str:
    """The page: no scripts, no external resources, everything escaped. Links to the stages' own pages are relative to ``folder``."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"visible": visible, "unbroken": unbroken}
    return environment.from_string(_resource(PAGE)).render(
        title=title,
        style=report_style(),
        intervals=interval_text(table.runs) if table else "",
        facts=list(_facts(table, pipeline)),
        headline=headline(table) if table else None,
        outcomes=list(outcomes(table)) if table else [],
        sections=[(section, figures(table, section.title, place)) for place, section in enumerate(sections(table))] if table else [],
        compared=compared(comparison) if comparison else None,
        claims=shown_claims(reproduction) if reproduction else None,
        paper=paper_section(table.rows) if table else None,
        source=PAPER_SOURCE,
        compared_note=NOTE,
        compared_source=COMPARED_SOURCE,
        pipeline=pipeline,
        graph=draw(pipeline.stages) if pipeline else None,
        box=(WIDTH, HEIGHT),
        costs=[*map(costs, pipeline.stages)] if pipeline else [],
        totals=total_costs(pipeline.stages) if pipeline else (),
        more=more or More(),
        paper_cost=PAPER,
        cards=card_sections(pipeline.stages) if pipeline else [],
        link=_linker(folder),
    )


@dataclass(frozen=True)
class Compared:
    """A comparison as the page shows it."""

    sentence: str
    table: Section
    figure: PlotFigure
    paper: Section


def compared(comparison: Comparison) -> Compared:
    """The ways of training one student: their table, their accuracy over compute, and the paper's."""
    points = [
        Spent(visible(row.name), row.student_flops, row.student_flops + row.teacher_flops, *astuple(row.pooled)[:3])
        for row in comparison.rows
    ]
    levels = {visible(name): found.value for name, found in comparison.references.items()}
    title = "Accuracy over compute"
    text = "Hollow: FLOPs of the student alone. Filled, with the 95 % interval: with those of the teacher."
    figure = PlotFigure(title, compute_plot("compared", title, points, levels), text)
    return Compared(sentence(comparison), section(comparison), figure, compared_paper())


def _facts(table: StageTable | None, pipeline: PipelineRun | None) -> Iterator[tuple[str, str]]:
    """Short facts for the top: how far the run is, and how many thresholds are met."""
    if pipeline:
        yield "", progress(pipeline.stages)
    if table and table.thresholds:
        met = sum(finding.outcome == "met" for finding in table.findings())
        yield "thresholds met", f"{met} of {len(table.thresholds)}"
    if table and table.runs > 1:
        yield "runs", str(table.runs)


def progress(stages: Sequence[StageRun]) -> str:
    """``15 of 22 stages done; stopped: r1``; names those that are running, stopped or failed."""
    done = sum(stage.state == "done" for stage in stages)
    others = {state: [stage.name for stage in stages if stage.state == state] for state in ("running", "stopped", "failed")}
    named = "".join(f"; {state}: {', '.join(names)}" for state, names in others.items() if names)
    return f"{'all' if done == len(stages) else done} {'' if done == len(stages) else f'of {len(stages)} '}stages done{named}"


def headline(table: StageTable) -> Headline | None:
    """The main shares of the first and the last checkpoint; ``None`` if they have no metric in common."""
    first, last = table.rows[0], table.rows[-1]
    found = {label: table.metrics[metric] for metric, label in HEADLINES.items() if {first, last} <= table.metrics.get(metric, {}).keys()}
    if first == last or not found:
        return None
    shown = [(label, f"{100 * values[first].value:.1f} %", f"{100 * values[last].value:.1f} %") for label, values in found.items()]
    (label, before, after), *others = shown
    a, b = (found[label][row] for row in (first, last))
    intervals = "95 % intervals over problems" if table.runs == 1 else f"ranges over {table.runs} runs"
    apart = "do not overlap" if a.high < b.low or b.high < a.low else "overlap, so this evaluation alone does not show a change"
    return Headline(f"{label}: {first} → {last}", before, after, f"The {intervals} {apart}.", tuple(others))


def outcomes(table: StageTable) -> Iterator[tuple[str, str, str]]:
    """The mark of each threshold, its class in the style sheet, and the finding in words."""
    looks = {"met": ("met", "right"), "not met": ("NOT MET", "wrong"), "not measured": ("not measured", "open")}
    for finding, met in zip(table.findings(), table.met_in or [0] * len(table.thresholds), strict=True):
        several = f" Met in {met} of {table.runs} runs." if table.runs > 1 else ""
        yield (*looks[finding.outcome], threshold_words(finding) + several)


def _linker(folder: Path) -> Callable[[StageRun], str]:
    """A function that returns the link to a stage's own page, relative to ``folder``; empty if it has none."""

    def link(stage: StageRun) -> str:
        return quote(Path(os.path.relpath(stage.page, folder)).as_posix()) if stage.page else ""

    return link


def costs(stage: StageRun) -> tuple[str, ...]:
    """Seconds, tokens and FLOPs as text; empty for a 0."""
    return _costs(*_spent(stage))


def total_costs(stages: Sequence[StageRun]) -> tuple[str, ...]:
    """`costs`, summed over all stages."""
    spent = [_spent(stage) for stage in stages]
    return _costs(*(sum(column) for column in zip(*spent, strict=True)))


def _spent(stage: StageRun) -> tuple[float, float, float, float]:
    names = ("seconds", "trained_tokens", "generated_tokens", "flops", "teacher_flops")
    seconds, trained, generated, flops, taught = (number(stage.cost.get(name)) or 0.0 for name in names)
    return seconds, trained + generated, flops, taught


def _costs(seconds: float, tokens: float, flops: float, taught: float) -> tuple[str, ...]:
    time = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"
    all_flops = " + ".join(f"{each:.1e}" for each in (flops, taught) if each)
    return time if seconds else "", f"{tokens:,.0f}" if tokens else "", all_flops


def report_style() -> Markup:
    """The style sheet of the reports, which this page shares."""
    _, opened, rest = _resource(REPORT).partition("<style>")
    style, closed, _ = rest.partition("</style>")
    assert opened, "the report's template has a style sheet"
    assert closed, "the style sheet is closed"
    return Markup(style)  # our own file, without user input


def _resource(name: str) -> str:
    return resources.files("dunwu.analysis").joinpath(name).read_text(encoding="utf-8")


def figures(table: StageTable, group: str, index: int) -> list[PlotFigure]:
    """A plot for each metric of a group that at least two checkpoints have; ``index`` is the group's number on the page."""
    names = [name for name, found in table.metrics.items() if group_of(name) == group and len(found) > 1]
    return [_figure(table, name, f"stage-{index}-{place}") for place, name in enumerate(names[:MOST_PLOTS])]


def _figure(table: StageTable, metric: str, slug: str) -> PlotFigure:
    look, label, found = look_of(metric), visible(label_of(metric)), table.metrics[metric]
    values = [found[row].value if row in found else float("nan") for row in table.rows]
    svg = level_plot(slug, label, table.rows, {label: values}, "checkpoint", look.label, share=look.share)
    rows = [row for row in table.rows if row in found]
    text = f"From {cell_text(found[rows[0]], look)} for {rows[0]} to {cell_text(found[rows[-1]], look)} for {rows[-1]}."
    return PlotFigure(label, svg, text)
