"""Compute: accuracy against training FLOPs, from the evaluations before, between and after the steps, and against the FLOPs of an answer.

Training FLOPs are those of the run's own usage (`dunwu.run.usage`): 6ND for tokens that were trained on and 2ND for those that were sampled
or scored, without evaluations, and without what made the base model. An answer takes 2ND for its tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dunwu.analysis.curves import Curve
from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.lab.estimates import Json
from dunwu.analysis.lab.experiments import recorded
from dunwu.analysis.lab.material import Chains, Material
from dunwu.analysis.lab.section import Section, missing
from dunwu.analysis.plots import Series, legend, line_plot
from dunwu.analysis.sections import Part, Table
from dunwu.evaluation.ability import Checkpoint, ability_curve
from dunwu.evaluation.forecast import Saturating

ABSENT = "–"


def compute_section(run: Path, out: Path) -> Section:
    """The section of a run whose experiments are in ``out``."""
    return Section("compute", partial(_analyse, run, out), part)


def _analyse(run: Path, out: Path, material: Material) -> Json:
    """``training``: a curve with its forecast per held-out set; ``answers``: accuracy and FLOPs of an answer by set and phase."""
    if not material.parameters:
        return missing("no checkpoint of the run tells its number of weights")
    training = {name: found for name in material.sets if (found := _training(material, name)) is not None}
    budgets = recorded(run, out / "lab" / "budgets.json").get("sets", {})
    answers = {name: {phase: _answers(each, material.parameters) for phase, each in phases.items()} for name, phases in budgets.items()}
    if not training and not answers:
        return missing("there are neither evaluations at two steps nor answers at several budgets (dunwu lab --budgets)")
    return {"parameters": material.parameters, "training": training, "answers": answers}


def _training(material: Material, name: str) -> Json | None:
    """The evaluations of a set by the FLOPs before them; ``None`` with fewer than two."""
    phases, during = material.sets[name], material.during.get(name, {})
    last = max(material.flops, default=0)
    measured: dict[int, Chains] = {0: phases.get("before", ()), **during, **({last: phases["after"]} if "after" in phases else {})}
    known = [
        Checkpoint(f"step {step}", material.flops.get(step, 0.0), _right(chains))
        for step, chains in sorted(measured.items())
        if chains and (step == 0 or step in material.flops)
    ]
    return ability_curve(known) if len(known) > 1 else None


def _right(chains: Chains) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for chain in chains:
        if chain.right is not None:
            found.setdefault(chain.problem, []).append(float(chain.right))
    return found


def _answers(found: Mapping[str, Any], parameters: int) -> Json:
    """Points of FLOPs, accuracy and its interval: of thoughts that were cut, and of majorities."""

    def flops(tokens: float) -> float:
        return 2.0 * parameters * tokens

    cut = [
        [flops(point["tokens"]), *(point["accuracy"][key] for key in ("value", "low", "high"))]
        for point in found["budgets"]
        if point["accuracy"] is not None
    ]
    votes = [[flops(point["tokens"]), point["majority"], *point["interval"]] for point in found["majorities"]]
    return {"cut": cut, "majority": votes}


def part(found: Json) -> Part:
    """The page's part."""
    figures = [ability_figure(f"lab-compute-{i}", name, each) for i, (name, each) in enumerate(found["training"].items())]
    figures += [_answer_figure(i, name, phases) for i, (name, phases) in enumerate(found["answers"].items())]
    intro = (
        "FLOPs of training are 6 per weight and token trained on, and 2 per weight and token sampled or scored; those of an answer "
        "are 2 per weight and token. What made the base model does not count. Intervals are over problems, 95 %."
    )
    return Part("Accuracy against compute", intro, figures, [forecast_table(found["training"])] if found["training"] else [])


def ability_figure(slug: str, name: str, found: Json) -> PlotFigure:
    """Measured checkpoints with their band over training FLOPs, and the forecast fitted to the first half."""
    points, forecast = found["points"], found["forecast"]
    power = exponent([point["flops"] for point in points])
    places = [point["flops"] / 10**power for point in points]
    band = (tuple(point["low"] for point in points), tuple(point["high"] for point in points))
    series = [Series(legend("checkpoints"), Curve(rounded(places), tuple(point["value"] for point in points)), band)]
    if "missing" not in forecast:
        curve = Saturating(**forecast["curve"])
        predicted = tuple(float(curve.at(point["flops"])) for point in points)
        series.append(Series(legend("forecast"), Curve(rounded(places), predicted)))
    title = f"{name}: accuracy over training compute"
    svg = line_plot(slug, title, series, "accuracy", share=True, smooth=False, x=f"training, 10^{power} FLOPs")
    return PlotFigure(title, svg, forecast_sentence(forecast))


def exponent(flops: Sequence[float]) -> int:
    """The power of ten for an axis: with it whole numbers have about four digits."""
    return max(0, math.floor(math.log10(max(flops, default=1.0) or 1.0)) - 3)


def rounded(places: Sequence[float]) -> tuple[int, ...]:
    """Places on an axis of whole numbers."""
    return tuple(round(place) for place in places)


def forecast_sentence(found: Json) -> str:
    """What the forecast was worth."""
    if "missing" in found:
        return f"No forecast: {found['missing']}."
    low, high = (100 * end for end in found["gain"])
    error, naive = (f"{100 * found[key]:.1f}" for key in ("error", "naive_error"))
    gain = f"{100 * (found['naive_error'] - found['error']):+.1f} ({low:+.1f} to {high:+.1f})"
    fitted = found["fitted"]
    return (
        f"A curve fitted to the first {fitted} checkpoints is {error} points off on average, the last value {naive}; "
        f"gain {gain}: {found['finding']}."
    )


def forecast_table(curves: Mapping[str, Json]) -> Table:
    """A row per ability: the first and the last checkpoint, and the errors of both forecasts."""
    head = ("", "first", "last", "error of the forecast", "error of the last value", "finding")
    return Table(head, tuple((name, *_cells(each)) for name, each in curves.items()))


def _cells(found: Json) -> tuple[str, ...]:
    first, last = (
        f"{100 * point['value']:.1f} % ({100 * point['low']:.1f} to {100 * point['high']:.1f})"
        for point in (found["points"][0], found["points"][-1])
    )
    forecast = found["forecast"]
    if "missing" in forecast:
        return first, last, ABSENT, ABSENT, forecast["missing"]
    return first, last, f"{100 * forecast['error']:.1f} points", f"{100 * forecast['naive_error']:.1f} points", forecast["finding"]


def _answer_figure(place: int, name: str, phases: Json) -> PlotFigure:
    """Accuracy over the FLOPs of an answer, by phase: thoughts cut at n tokens, and majorities."""
    power = exponent([point[0] for each in phases.values() for points in each.values() for point in points])
    series = []
    for phase, each in phases.items():
        for label, points in ((phase, each["cut"]), (f"{phase}, majority", each["majority"])):
            if points:
                flops, values, lows, highs = zip(*points, strict=True)
                series.append(Series(legend(label), Curve(rounded([x / 10**power for x in flops]), values), (lows, highs)))
    title = f"{name}: accuracy over the compute of an answer"
    svg = line_plot(f"lab-answers-{place}", title, series, "accuracy", share=True, smooth=False, x=f"an answer, 10^{power} FLOPs")
    return PlotFigure(title, svg, "Thoughts were cut at n tokens, or majorities taken of several; the tokens are in the table of budgets.")
