"""The figures of a report: plots with their captions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from dunwu.analysis import sentences
from dunwu.analysis.bins import binned
from dunwu.analysis.curves import Curve, Row, curve, number
from dunwu.analysis.plots import Series, legend, level_plot, line_plot, scatter_plot, stacked_plot
from dunwu.analysis.rundir import HeldOutSet, Run
from dunwu.analysis.sentences import PHASES
from dunwu.evaluation.metrics import spearman
from dunwu.evaluation.result import EvaluationResult, human_pairs

PHASE_COLUMNS = ("time/generate", "time/reward", "time/train", "time/save")


@dataclass(frozen=True)
class PlotFigure:
    """A plot (``None`` without data), its title, and a sentence that says what it shows; a plot of lines with its series.

    ``live``: the place of the interactive plot, on a page that has them.
    """

    title: str
    svg: Markup | None
    sentence: str
    series: Sequence[Series] = ()
    unit: str = ""
    share: bool = False
    smooth: bool = True
    live: Markup | None = None


def bin_size(figures: Sequence[PlotFigure]) -> int:
    """Steps in the largest bin of the figures' lines."""
    return max((binned(series.curve).size for figure in figures for series in figure.series), default=1)


def training_figures(run: Run) -> list[PlotFigure]:
    """Figures over the steps of the run; a figure without data has only its sentence."""
    rows = run.metrics.rows
    reward, spread = curve(rows, "reward"), curve(rows, "reward_std")
    accuracy, form = curve(rows, "rewards/accuracy"), curve(rows, "rewards/format")
    length, thinking = curve(rows, "completions/mean_length"), curve(rows, "thinking_length")
    entropy, kl, dead = curve(rows, "entropy"), curve(rows, "kl"), curve(rows, "frac_reward_zero_std")
    grpo = run.config.get("grpo")
    beta = number(grpo.get("beta")) if isinstance(grpo, dict) else None
    beta = 0.0 if beta is None and "no KL" in str(run.manifest.get("algorithm")) else beta
    skipped = sum(bool(number(row.get("skipped")) or row.get("skipped") is True) for row in rows)
    shares = [sentences.change("Accuracy", accuracy), sentences.change("Format reward", form)]
    lengths = [sentences.growth("Mean completion length", length, unit=" tokens"), sentences.change("Thinking", thinking, 1, " tokens")]
    lengths.append(sentences.cut_off(curve(rows, "completions/clipped_ratio")))
    return [
        lines("Accuracy and format", {"accuracy": accuracy, "format": form}, "share of rollouts", " ".join(shares), share=True),
        *other_part_figures(rows),
        lines("Reward", {"mean": reward, "standard deviation": spread}, "reward", sentences.change("Mean reward", reward)),
        lines("Length", {"completion": length, "thinking": thinking}, "tokens", " ".join(lengths).strip()),
        reflection_figure(rows),
        lines(
            "Entropy", {"entropy": entropy}, "nats per token", sentences.change("Entropy of the policy", entropy, unit=" nats per token")
        ),
        lines("KL to the reference", {"KL": kl}, "nats per token", sentences.divergence(kl, beta)),
        lines("Dead groups", {"dead": dead}, "share of groups", sentences.dead_groups(dead, skipped), share=True),
        time_figure(rows),
    ]


def other_part_figures(rows: tuple[Row, ...]) -> list[PlotFigure]:
    """The other reward parts and the tripwire, if the run has them."""
    names = sorted({key.removeprefix("rewards/") for row in rows for key in row if re.fullmatch(r"rewards/[^/]+", key)})
    parts = {name: found for name in names if name not in ("accuracy", "format", "hidden") and (found := curve(rows, f"rewards/{name}"))}
    text = " ".join(sentences.change(f"Part {name}", found) for name, found in parts.items())
    unit = "mean over the rollouts it applies to"
    figures = [lines("Other parts of the reward", parts, unit, text, names=True)] if parts else []
    if rejected := curve(rows, "tripwire/disagreement"):
        text = sentences.change("The share of rewarded rollouts that the hidden check rejects", rejected)
        figures.append(lines("Tripwire", {"rejected": rejected}, "share of rewarded and checked rollouts", text, share=True))
    return figures


def reflection_figure(rows: tuple[Row, ...]) -> PlotFigure:
    """Reflective words per completion over steps."""
    found = curve(rows, "reflections_per_completion")
    text = sentences.growth("The number of reflective words per completion", found)
    return lines("Reflective words", {"reflective words": found}, "words per completion", text)


def time_figure(rows: tuple[Row, ...]) -> PlotFigure:
    """Seconds per phase, stacked, over the steps that have a time."""
    timed = [row for row in rows if any(number(row.get(column)) is not None for column in PHASE_COLUMNS)]
    columns = [column for column in PHASE_COLUMNS if any(curve(timed, column).values)]
    layers = {column.removeprefix("time/"): [max(0.0, number(row.get(column)) or 0.0) for row in timed] for column in columns}
    text = sentences.time_spent({name: sum(values) for name, values in layers.items()})
    steps = [int(row["step"]) for row in timed]
    svg = stacked_plot("time", "Time per phase", steps, layers, "seconds per step") if layers and len(steps) > 1 else None
    return PlotFigure("Time per phase", svg, text)


def lines(title: str, curves: Mapping[str, Curve], unit: str, sentence: str, *, share: bool = False, names: bool = False) -> PlotFigure:
    """A figure with one line per curve that has values. ``names``: the labels are names of the user's."""
    series = [Series(label if names else legend(label), found) for label, found in curves.items() if found]
    name = title.lower().replace(" ", "-")
    svg = line_plot(name, title, series, unit, share=share) if series else None
    return PlotFigure(title, svg, sentence, series, unit, share)


def measured_figures(run: Run) -> list[PlotFigure]:
    """pass@1 and majority@k over steps on each eval set that was measured during training (DeepSeek-R1, arXiv 2501.12948, Figure 2)."""
    return [_measured_figure(name, points, index) for index, (name, points) in enumerate(run.measured.items())]


def _measured_figure(name: str, points: Sequence[Row], index: int) -> PlotFigure:
    first, title = curve(points, "pass_at_1"), f"Held-out accuracy: {name}"
    bounds = [sentences.interval(point) or (point["pass_at_1"],) * 2 for point in points]
    series = [Series("pass@1", first, (tuple(low for low, _ in bounds), tuple(high for _, high in bounds)))]
    k = int(number(points[-1].get("k")) or 1)
    if k > 1:
        series.append(Series(f"majority@{k}", curve(points, "majority_at_k")))
    unit = "share of problems"
    svg = line_plot(f"measured-{index}", title, series, unit, share=True, smooth=False)
    return PlotFigure(title, svg, sentences.measured(points, k), series, unit, share=True, smooth=False)


def set_figures(held_out: HeldOutSet, index: int) -> list[PlotFigure]:
    """Thinking length and pass@1 by difficulty, and thinking length against human solving time, if the set has the data.

    ``index`` is the set's number on the page, used in the ids of SVG elements.
    """
    levels = {phase: found for phase in PHASES if (found := _levels(held_out.summaries.get(phase, {})))}
    figures = []
    if levels and len({tuple(found) for found in levels.values()}) == 1:
        thinking, solved = _level_figure(levels, "thinking_length", index), _level_figure(levels, "pass_at_1", index)
        if graded := {phase: difficulty_correlation(held_out.results[phase]) for phase in PHASES if phase in held_out.results}:
            thinking = replace(thinking, sentence=f"{thinking.sentence} {sentences.correlation('difficulty', graded)}")
        figures += [thinking, solved]
    pairs = {phase: timed for phase in PHASES if (result := held_out.results.get(phase)) and (timed := human_pairs(result.problems))}
    if pairs:
        title = "Thinking length and human solving time"
        rho = {phase: (spearman(*zip(*points, strict=True)), len(points)) for phase, points in pairs.items()}
        svg = scatter_plot(f"human-{index}", title, pairs, "human solving time (seconds)", "mean thinking length (tokens)")
        figures.append(PlotFigure(title, svg, sentences.correlation("human solving time", rho)))
    return figures


def _levels(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The levels of a summary by label, easiest first; those without numbers are omitted."""
    found = summary.get("by_difficulty")
    levels = [level for level in found if isinstance(level, dict)] if isinstance(found, list) else []
    return {label: level for level in levels if (label := _label(level)) is not None and number(level.get("thinking_length")) is not None}


def _label(level: Mapping[str, Any]) -> str | None:
    low, high = number(level.get("from")), number(level.get("to"))
    if low is None or high is None:
        return None
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"


def _level_figure(levels: Mapping[str, Mapping[str, Mapping[str, Any]]], key: str, index: int) -> PlotFigure:
    labels = list(next(iter(levels.values())))
    values = {phase: [_or_nan(number(level.get(key))) for level in found.values()] for phase, found in levels.items()}
    known = {phase: [(label, value) for label, value in zip(labels, row, strict=True) if value == value] for phase, row in values.items()}
    if key == "pass_at_1":
        svg = level_plot(f"solved-{index}", "pass@1 by difficulty", labels, values, "difficulty", "pass@1", share=True)
        return PlotFigure("Accuracy by difficulty", svg, sentences.by_level("pass@1", "difficulty", known, 2))
    svg = level_plot(f"thinking-{index}", "Thinking length by difficulty", labels, values, "difficulty", "thinking tokens")
    return PlotFigure("Thinking length by difficulty", svg, sentences.by_level("Mean thinking length in tokens", "difficulty", known, 0))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def difficulty_correlation(result: EvaluationResult) -> tuple[float, int]:
    """Spearman's rho of difficulty and mean thinking length over the problems with a difficulty, and the number of these."""
    graded = [rows for rows in result.problems if rows[0].difficulty is not None]
    lengths = [sum(row.thinking_tokens for row in rows) / len(rows) for rows in graded]
    return spearman([rows[0].difficulty or 0.0 for rows in graded], lengths), len(graded)
