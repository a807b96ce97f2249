"""The report of a reward model: agreement with human preferences, calibration, and bias towards length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dunwu.analysis import sentences
from dunwu.analysis.curves import curve, number
from dunwu.analysis.figures import PlotFigure, lines
from dunwu.analysis.plots import reliability_plot
from dunwu.analysis.rundir import Run, mapping
from dunwu.analysis.sections import Answer, Body, Headline, Part, Sample, Table
from dunwu.analysis.sentences import percent
from dunwu.analysis.text import shown


def reward_model_body(run: Run) -> Body:
    """The page's body; parts that the run does not have yet are omitted."""
    held_out = mapping(run.summary, "held_out")
    parts = (held_out_part(held_out), data_part(mapping(run.manifest, "data")), examples_part(run.examples))
    return Body([headline(held_out)] if held_out else [], figures(run), [part for part in parts if part])


def headline(held_out: Mapping[str, Any]) -> Headline:
    """Held-out accuracy."""
    bounds = sentences.interval(held_out)
    interval = f"95 % interval {percent(bounds[0])} to {percent(bounds[1])}" if bounds else "95 % interval not measured"
    text = f"{number(held_out.get('count')) or 0:,.0f} held-out examples; {interval}. Chance is 50 %; a tie counts as wrong."
    facts = {
        "calibration_error": "expected calibration error",
        "longer_preferred": "pairs of unequal length: longer answer scored higher",
        "longer_chosen": "pairs of unequal length: longer answer chosen",
    }
    changes = tuple((name, "", percent(value)) for key, name in facts.items() if (value := number(held_out.get(key))) is not None)
    return Headline("Held-out accuracy", "", percent(number(held_out.get("accuracy"))), text, changes)


def figures(run: Run) -> list[PlotFigure]:
    """Figures over the steps; empty without steps."""
    rows = run.metrics.rows
    if not rows:
        return []
    loss, rate, longer = curve(rows, "loss"), curve(rows, "learning_rate"), curve(rows, "chosen_longer")
    accuracies = {"training": curve(rows, "accuracy"), "held-out": curve(rows, "held_out_accuracy")}
    scores = {name: curve(rows, f"{name}_reward") for name in ("max", "mean", "min")}
    text = " ".join(sentences.change(f"{name} accuracy".capitalize(), found) for name, found in accuracies.items())
    balance = "Share of a batch whose preferred answer is the longer one (equal lengths count as neither), or that is labelled safe."
    return [
        lines("Loss", {"loss": loss}, "nats per example", sentences.change("Loss", loss, 3)),
        lines("Accuracy", accuracies, "share of examples", text, share=True),
        lines("Scores", scores, "score", sentences.change("The mean score", scores["mean"])),
        lines("Length balance", {"longer": longer}, "share of the batch", balance, share=True),
        lines("Learning rate", {"rate": rate}, "rate", sentences.change("The learning rate", rate, 5)),
    ]


def held_out_part(held_out: Mapping[str, Any]) -> Part | None:
    """Accuracy by group, and calibration."""
    groups = mapping(held_out, "groups")
    rows = [_group(name, mapping(groups, name)) for name in groups]
    tables = [Table(("group", "number", "accuracy", "95 % interval"), tuple(rows))] if rows else []
    bins = [each for each in _list(held_out.get("reliability")) if isinstance(each, Mapping)]
    if bins:
        head = ("confidence", "number", "mean confidence", "accuracy")
        tables.append(Table(head, tuple(_bin(each) for each in bins)))
    return Part("Held-out results", figures=list(_reliability(bins)), tables=tables) if tables else None


def _group(name: str, facts: Mapping[str, Any]) -> tuple[str, ...]:
    bounds = sentences.interval(facts)
    interval = f"{percent(bounds[0])} to {percent(bounds[1])}" if bounds else "–"
    return name, f"{number(facts.get('count')) or 0:,.0f}", percent(number(facts.get("accuracy"))), interval


def _bin(facts: Mapping[str, Any]) -> tuple[str, ...]:
    low, high, confidence, accuracy = (percent(number(facts.get(key))) for key in ("low", "high", "confidence", "accuracy"))
    return f"{low} to {high}", f"{number(facts.get('count')) or 0:,.0f}", confidence, accuracy


def _reliability(bins: Sequence[Mapping[str, Any]]) -> Iterator[PlotFigure]:
    points = [(number(each.get("confidence")), number(each.get("accuracy"))) for each in bins]
    known = [(x, y) for x, y in points if x is not None and y is not None]
    if known:
        text = "Each point is a group of examples of similar confidence. Below the dashed line the model is overconfident."
        yield PlotFigure("Calibration", reliability_plot("calibration", "Calibration", known), text)


def data_part(counts: Mapping[str, Any]) -> Part | None:
    """The numbers of examples used and excluded."""
    rows = tuple((name, f"{value:,.0f}") for name in counts if (value := number(counts[name])) is not None)
    return Part("The data", tables=[Table(("", "examples"), rows)]) if rows else None


def examples_part(examples: Sequence[Mapping[str, Any]]) -> Part | None:
    """Held-out examples as the model saw them, with its scores."""
    samples = [
        Sample((str(each.get("kind", "")),), _conversation(_list(each.get("prompt"))), tuple(_answers(_list(each.get("answers")))))
        for each in examples
    ]
    text = "As the model saw them: without the chain of thought if it judges helpfulness. Scores are comparable only with each other."
    return Part("Held-out examples and their scores", text, samples=samples) if samples else None


def _conversation(turns: Sequence[Any]) -> str:
    """The question; if there are several turns, each with its role."""
    found = [turn for turn in turns if isinstance(turn, Mapping)]
    if len(found) == 1:
        return str(found[0].get("content", ""))
    return "\n".join(f"{turn.get('role')}: {turn.get('content')}" for turn in found)


def _answers(answers: Sequence[Any]) -> Iterator[Answer]:
    for each in answers:
        if isinstance(each, Mapping):
            score = number(each.get("score"))
            yield Answer(
                str(each.get("name", "")), "no score" if score is None else f"score {score:+.2f}", shown(str(each.get("text", "")))
            )


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
