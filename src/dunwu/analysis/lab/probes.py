"""Ability emergence: the probes of all saved checkpoints by training compute, and whether the later ones could be forecast."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from dunwu.analysis.curves import Curve
from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.lab.compute import exponent, forecast_sentence, forecast_table, rounded
from dunwu.analysis.lab.estimates import Json
from dunwu.analysis.lab.material import Material
from dunwu.analysis.lab.section import Section, missing
from dunwu.analysis.plots import Series, legend, line_plot
from dunwu.analysis.sections import Part


def probe_sections(out: Path) -> tuple[Section, ...]:
    """The section of the probes whose figures are in ``out``; none if they were not made."""
    path = out / "lab" / "probes.json"
    return (Section("probes", partial(_read, path), part),) if path.exists() else ()


def _read(path: Path, material: Material | None = None) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        lines = {line: {name: each for name, each in abilities.items() if each} for line, abilities in found.items()}
        part({"lines": lines})
    except OSError as error:
        return missing(f"{path.name} cannot be read ({type(error).__name__})")
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError, IndexError, OverflowError):
        return missing(f"{path.name} is corrupt")
    return {"lines": lines}


def part(found: Json) -> Part:
    """The page's part: a figure per line of training, and a row per ability."""
    lines = {line: abilities for line, abilities in found["lines"].items() if abilities}
    several = len(lines) > 1
    rows = {f"{line}: {name}" if several else name: each for line, abilities in lines.items() for name, each in abilities.items()}
    intro = (
        "Each saved checkpoint answers the same probes. Safety is the share of harmful prompts refused and of harmless ones answered; "
        "diversity is 1 - self-BLEU of the completions of a problem; the others are accuracies. Intervals are over problems, 95 %. "
        "A curve is fitted to the first half of the checkpoints and compared with their last value on the others."
    )
    figures = [_figure(place, line, abilities, several) for place, (line, abilities) in enumerate(lines.items())]
    return Part("Emergence of abilities", intro, figures, [forecast_table(rows)])


def _figure(place: int, line: str, abilities: Json, several: bool) -> PlotFigure:
    power = exponent([point["flops"] for each in abilities.values() for point in each["points"]])
    series = []
    for name, each in abilities.items():
        points = each["points"]
        band = (tuple(point["low"] for point in points), tuple(point["high"] for point in points))
        flops = rounded([point["flops"] / 10**power for point in points])
        series.append(Series(legend(name), Curve(flops, tuple(point["value"] for point in points)), band))
    title = f"{line}: abilities over training compute" if several else "Abilities over training compute"
    svg = line_plot(f"lab-probes-{place}", title, series, "share", share=True, smooth=False, x=f"training, 10^{power} FLOPs")
    unknown = [each["forecast"] for each in abilities.values() if "missing" in each["forecast"]]
    return PlotFigure(title, svg, forecast_sentence(unknown[0]) if unknown else "The forecasts are in the table.")
