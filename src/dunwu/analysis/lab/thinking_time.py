"""Thinking time: how long a chain of thought is, by difficulty, by training step, and beside the time that people need.

A line is fitted by least squares to ``log(1 + tokens)``, the mean over a problem's chains, so that a slope is a ratio: of lengths per level
of difficulty and per ten training steps. Against human seconds both sides are logarithms, and the slope is an exponent.
"""

from __future__ import annotations

import math
from statistics import fmean

from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.lab.estimates import Json, mean_of, slope_of
from dunwu.analysis.lab.material import Chain, Chains, Material
from dunwu.analysis.lab.section import Section, missing, moments_table, shown, step_series
from dunwu.analysis.plots import level_plot, line_plot, scatter_plot
from dunwu.analysis.sections import Part
from dunwu.analysis.sentences import PHASES, by_level, plain
from dunwu.evaluation.metrics import spearman
from dunwu.evaluation.result import difficulty_groups
from dunwu.evaluation.store import ALONE

_STEPS_PER_UNIT = 10
_RELATIONS = (
    ("difficulty", "ratio per level", "rank correlation with difficulty"),
    ("human_seconds", "exponent of human seconds", "rank correlation with human seconds"),
)


def analyse(material: Material) -> Json:
    """Lengths in tokens: ``sets`` by set, moment and level; ``steps`` of the rollouts; ``by_step`` is the slope over steps."""
    if not material.sets and not material.steps:
        return missing("there is neither an evaluation nor a saved step of rollouts")
    sets = {name: {phase: _set(chains) for phase, chains in phases.items()} for name, phases in material.sets.items()}
    steps = [{"step": step, "tokens": mean_of(chains, _length, 0.0)} for step, chains in material.steps.items()]
    return {"sets": sets, "steps": steps, "by_step": _by_step(material)}


def _length(chain: Chain) -> float:
    return float(chain.thinking_tokens)


def _set(chains: Chains) -> Json:
    problems = _problems(chains)
    graded = [rows for rows in problems if rows[0].difficulty is not None]
    levels = difficulty_groups([rows[0].difficulty or 0.0 for rows in graded])
    timed = [rows for rows in problems if (rows[0].human_seconds or 0) > 0]
    return {
        "tokens": mean_of(chains, _length, 0.0),
        "right": mean_of([chain for chain in chains if chain.right == 1], _length, 0.0),
        "wrong": mean_of([chain for chain in chains if chain.right == 0], _length, 0.0),
        "levels": [_level([graded[place] for place in places]) for places in levels],
        "difficulty": _relation([rows[0].difficulty or 0.0 for rows in graded], graded),
        "human_seconds": _relation([math.log(rows[0].human_seconds or 1.0) for rows in timed], timed),
        "human_pairs": [[rows[0].human_seconds, _mean_length(rows)] for rows in timed],
    }


def _problems(chains: Chains) -> list[Chains]:
    found: dict[str, list[Chain]] = {}
    for chain in chains:
        found.setdefault(chain.problem, []).append(chain)
    return list(found.values())


def _mean_length(rows: Chains) -> float:
    return fmean(chain.thinking_tokens for chain in rows)


def _level(problems: list[Chains]) -> Json:
    known = [rows[0].difficulty or 0.0 for rows in problems]
    chains = [chain for rows in problems for chain in rows]
    return {"from": min(known), "to": max(known), "tokens": mean_of(chains, _length, 0.0)}


def _relation(xs: list[float], problems: list[Chains]) -> Json | None:
    """Spearman's rho of x and the length, what chance gives in 19 of 20 cases, and the line fitted to the logarithm."""
    lengths = [_mean_length(rows) for rows in problems]
    line = _line(xs, problems)
    if line is None:
        return None
    rho = spearman(xs, lengths)
    return {"spearman": rho if math.isfinite(rho) else None, "chance": 1.96 / math.sqrt(len(xs) - 1), "log_length": line}


def _line(xs: list[float], problems: list[Chains]) -> Json | None:
    return slope_of(xs, [math.log1p(_mean_length(rows)) for rows in problems], problems=[rows[0].problem for rows in problems])


def _by_step(material: Material) -> Json | None:
    """The slope of log length per ten steps; a problem may be in several steps."""
    pairs = [(step / _STEPS_PER_UNIT, rows) for step, chains in material.steps.items() for rows in _problems(chains)]
    line = _line([step for step, _ in pairs], [rows for _, rows in pairs])
    return None if line is None else {"log_length": line}


def part(found: Json) -> Part:
    """The page's part."""
    sets, names = found["sets"], list(found["sets"])
    moments = [phase for phase in (*PHASES, ALONE) if any(phase in phases for phases in sets.values())]
    rows: dict[str, dict[str, str]] = {}
    if not sets:
        ends = {f"step {each['step']}": shown(each["tokens"], 1) for each in (found["steps"][0], found["steps"][-1])}
        rows, moments = {"thinking (tokens)": ends}, [*ends]
    for name, phases in sets.items():
        for phase, each in phases.items():
            for label, text in _cells(each).items():
                rows.setdefault(label if len(names) == 1 else f"{name}: {label}", {})[phase] = text
    intro = (
        "Lengths are tokens of the reasoning: means over problems, with 95 % intervals. "
        "A ratio comes from a line fitted by least squares to the logarithm of the length; its interval is a bootstrap over problems."
    )
    tables = [moments_table(rows, moments)] if rows else []
    return Part("Thinking time", intro, [*_step_figures(found), *(each for name in names for each in _figures(name, sets[name]))], tables)


def _cells(found: Json) -> dict[str, str]:
    cells = {"thinking (tokens)": shown(found["tokens"], 1)}
    cells |= {"of right answers": shown(found["right"], 1), "of wrong answers": shown(found["wrong"], 1)}
    cells |= {f"difficulty {_label(level)}": shown(level["tokens"], 1) for level in found["levels"]}
    for key, unit, rank in _RELATIONS:
        if relation := found[key]:
            line = relation["log_length"]
            scale = _factor if key == "difficulty" else float
            values = {"value": scale(line["slope"]), "interval": [scale(end) for end in line["interval"]]}
            cells[unit] = shown(values, 2)
            cells[rank] = "–" if relation["spearman"] is None else f"{plain(relation['spearman'])} (chance ±{relation['chance']:.2f})"
    return cells


def _factor(slope: float) -> float:
    """What one more unit multiplies the length by, within what a float holds."""
    return math.exp(max(-700.0, min(slope, 700.0)))


def _step_figures(found: Json) -> list[PlotFigure]:
    series = step_series("thinking", found["steps"], "tokens")
    if series is None:
        return []
    slope, first, last = found["by_step"], found["steps"][0], found["steps"][-1]
    one, other = shown(first["tokens"], 1), shown(last["tokens"], 1)
    text = f"Mean thinking length was {one} at step {first['step']} and {other} at step {last['step']}."
    if slope is not None:
        line = slope["log_length"]
        low, high = (plain(_factor(end)) for end in line["interval"])
        text += f" Ten steps multiply it by {plain(_factor(line['slope']))} ({low} to {high})."
    svg = line_plot("lab-thinking", "Thinking length over steps", [series], "tokens", smooth=False)
    return [PlotFigure("Thinking length over steps", svg, text)]


def _figures(name: str, phases: Json) -> list[PlotFigure]:
    figures = []
    labels = {phase: [_label(level) for level in each["levels"]] for phase, each in phases.items()}
    if any(labels.values()) and len({tuple(each) for each in labels.values()}) == 1:
        values = {phase: [level["tokens"]["value"] for level in each["levels"]] for phase, each in phases.items()}
        texts = next(iter(labels.values()))
        svg = level_plot(_slug("lab-levels", name), "Thinking length by difficulty", texts, values, "difficulty", "thinking tokens")
        ends = {phase: list(zip(texts, each, strict=True)) for phase, each in values.items()}
        figures.append(PlotFigure("Thinking length by difficulty", svg, by_level("Mean thinking length in tokens", "difficulty", ends, 0)))
    pairs = {phase: each["human_pairs"] for phase, each in phases.items() if each["human_pairs"]}
    if pairs:
        title = "Thinking length and human solving time"
        svg = scatter_plot(_slug("lab-human", name), title, pairs, "human solving time (seconds)", "mean thinking length (tokens)")
        figures.append(PlotFigure(title, svg, "The rank correlation is in the table."))
    return figures


def _label(level: Json) -> str:
    return f"{level['from']:g}" if level["from"] == level["to"] else f"{level['from']:g}-{level['to']:g}"


def _slug(kind: str, name: str) -> str:
    return f"{kind}-{''.join(letter if letter.isascii() and letter.isalnum() else '-' for letter in name)}"


SECTION = Section("thinking_time", analyse, part)
