"""The sections of the experiments that need the model: what `dunwu lab RUN --causal` and `--budgets` have found (`lab/*.json`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dunwu.analysis.curves import Curve
from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.lab.estimates import Json
from dunwu.analysis.lab.material import Material
from dunwu.analysis.lab.section import Section, missing, moments_table
from dunwu.analysis.plots import Series, legend, line_plot
from dunwu.analysis.sections import Part, Table
from dunwu.evaluation.store import phase_file

ABSENT = "–"
Order = tuple[int, int]


def experiment_sections(run: Path, out: Path) -> tuple[Section, ...]:
    """The sections of the experiments on ``run`` whose figures are in ``out``; none for one that was not made."""
    made: list[Section] = []
    for name, part in (("causal", causal_part), ("budgets", budgets_part)):
        if (path := out / "lab" / f"{name}.json").exists():
            made.append(Section(name, partial(_read, run, path, part), part))
    return tuple(made)


def recorded(run: Path, path: Path) -> Json:
    """The figures of a file of experiments that are of the run's evaluations, as ``{"sets": ...}``, or why there are none."""
    if not path.exists():
        return missing(f"{path.name} does not exist")
    return _read(run, path, budgets_part if path.stem == "budgets" else causal_part)


def _read(run: Path, path: Path, part: Callable[[Json], Part], material: Material | None = None) -> Json:
    """The figures of the evaluations that are still those of the run, by set and phase."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return missing(f"{path.name} cannot be read ({type(error).__name__})")
    if not isinstance(found, dict) or not all(isinstance(phases, dict) for phases in found.values()):
        return missing(f"{path.name} is corrupt")
    kept = {name: {phase: each for phase, each in phases.items() if _is_of(run, name, phase, each)} for name, phases in found.items()}
    kept = {name: phases for name, phases in kept.items() if phases}
    if not kept:
        return missing(f"{path.name} is of other evaluations: make the experiment again")
    try:
        part({"sets": kept})
    except (AttributeError, KeyError, TypeError):
        return missing(f"{path.name} is corrupt")
    return {"sets": kept}


def _is_of(run: Path, name: str, phase: str, each: Json) -> bool:
    file = phase_file(run, phase, name)
    return isinstance(each, dict) and file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == each.get("evaluation")


def causal_part(found: Json) -> Part:
    """The table of the causal check."""
    intro = (
        "The model continues stored completions from before and from after the sentence with their first reflective word. "
        "Averted: the continuations from before it whose next sentence does not reflect. "
        "Reflections are decorative as far as neither accuracy nor answers differ between kept and averted by more than chance. "
        "Controls are ordinary sentences of completions without a reflection. Intervals are over problems, 95 %."
    )
    return Part("Reflections: true or decorative?", intro, [], [_table(found, _causal_cells)])


def _table(found: Json, cells: Callable[[Json], Iterator[tuple[Order, str, str]]]) -> Table:
    """A row per figure, a column per phase; rows of a set in their ``Order``."""
    rows: dict[tuple[str, Order, str], dict[str, str]] = {}
    for name, phases in found["sets"].items():
        for phase, each in phases.items():
            for order, label, text in cells(each):
                rows.setdefault((name, order, label), {})[phase] = text
    several = len(found["sets"]) > 1
    return moments_table({f"{key[0]}: {key[2]}" if several else key[2]: rows[key] for key in sorted(rows)}, _phases(found))


def _phases(found: Json) -> list[str]:
    """Before, steps in order, after."""
    named = {phase for phases in found["sets"].values() for phase in phases}
    return sorted(named, key=lambda phase: (phase == "after", phase != "before", phase))


def _causal_cells(each: Json) -> Iterator[tuple[Order, str, str]]:
    for place, (label, text) in enumerate(_causal_rows(each)):
        yield (0, place), label, text


def _causal_rows(each: Json) -> Iterator[tuple[str, str]]:
    main = each["reflection"]
    yield "completions", f"{main['completions']} of {main['problems']} problems, {each['k']} samples each"
    yield "attempt before it right", _share(main["forced"])
    yield "accuracy, cut before the reflection", _share(main["accuracy"]["before"])
    yield "accuracy, reflection kept", _share(main["accuracy"]["kept"])
    yield "accuracy, reflection averted", _share(main["accuracy"]["averted"])
    yield "completions that could not be averted", f"{main['never_averted']} of {main['completions']}"
    yield "averted by ending the thought", ABSENT if main["averted_closed"] is None else f"{100 * main['averted_closed']:.1f} %"
    yield "kept minus averted", _effect(main["effects"]["kept - averted"])
    yield "kept minus averted and going on", _effect(main["effects"]["kept - going on"])
    for name, label in (("right", "after a right attempt"), ("wrong", "after a wrong attempt")):
        yield label, _effect(each[f"reflection_after_{name}"]["effects"]["kept - averted"])
    yield "majority answer changed, averted to kept", _share(main["changed"]["averted to kept"])
    yield "changed by chance alone", _share(main["changed"]["by chance"])
    yield "changed more than by chance", _effect(main["changed"]["more"])
    yield "control: kept minus averted", _effect(each["control"]["effects"]["kept - averted"])
    yield "finding", each["verdict"]


def _share(found: Mapping[str, Any] | None) -> str:
    return ABSENT if found is None else f"{100 * found['value']:.1f} % ({100 * found['low']:.1f} to {100 * found['high']:.1f})"


def _effect(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ABSENT
    low, high = (100 * end for end in found["interval"])
    count = found["problems"]
    problems = f"{count} problem{'' if count == 1 else 's'}"
    return f"{100 * found['mean']:+.1f} points ({low:+.1f} to {high:+.1f}), p = {found['p_value']:.2g}, {problems}"


def budgets_part(found: Json) -> Part:
    """The curves and the table of the budgets."""
    intro = (
        "Stored thoughts are cut at n tokens and closed, and the model answers at once; shorter thoughts stay as they were. "
        "Majorities are over the stored samples, which cost all their tokens. Intervals are over problems, 95 %."
    )
    figures = [_figure(name, phases) for name, phases in found["sets"].items()]
    tables = [_named("accuracy", _table(found, _budget_cells)), _named("mean tokens", _table(found, _token_cells))]
    return Part("Accuracy by thinking budget", intro, figures, tables)


def _named(name: str, made: Table) -> Table:
    return replace(made, head=(name, *made.head[1:]))


def _budget_cells(each: Json) -> Iterator[tuple[Order, str, str]]:
    yield from ((order, label, accuracy) for order, label, accuracy, _ in _budget_rows(each))


def _token_cells(each: Json) -> Iterator[tuple[Order, str, str]]:
    yield from ((order, label, f"{tokens:.0f}") for order, label, _, tokens in _budget_rows(each))


def _budget_rows(each: Json) -> Iterator[tuple[Order, str, str, float]]:
    for point in each["budgets"]:
        whole = point["kept"] == 1
        label = "whole thought" if whole else f"n = {point['budget']}"
        yield (int(whole), 0 if whole else point["budget"]), label, _share(point["accuracy"]), point["tokens"]
    for point in each["majorities"]:
        low, high = point["interval"]
        value = _share({"value": point["majority"], "low": low, "high": high})
        yield (2, point["m"]), f"majority@{point['m']}", value, point["tokens"]


def _figure(name: str, phases: Json) -> PlotFigure:
    series = [line for phase in _phases({"sets": {name: phases}}) for line in _lines(phase, phases[phase])]
    slug = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
    title = "Accuracy over mean tokens"
    svg = line_plot(f"lab-budgets-{slug}", title, series, "accuracy", share=True, smooth=False, x="mean tokens of a completion")
    return PlotFigure(title, svg, "The figures are in the table.")


def _lines(phase: str, each: Json) -> Iterator[Series]:
    points = [point for point in each["budgets"] if point["accuracy"] is not None]
    cut = [(round(point["tokens"]), *(point["accuracy"][key] for key in ("value", "low", "high"))) for point in points]
    votes = [(round(point["tokens"]), point["majority"], *point["interval"]) for point in each["majorities"]]
    for label, known in ((phase, cut), (f"{phase}, majority", votes)):
        if known:
            tokens, values, lows, highs = zip(*known, strict=True)
            yield Series(legend(label), Curve(tokens, values), (lows, highs))
