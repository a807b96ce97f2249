"""What the report tells of supervised fine-tuning: losses, the data, and what the model said while it learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dunwu.analysis import sentences
from dunwu.analysis.curves import Row, curve, number
from dunwu.analysis.figures import PlotFigure, lines
from dunwu.analysis.rundir import Run, mapping
from dunwu.analysis.sections import Answer, Body, Headline, Part, Sample, Table
from dunwu.analysis.sentences import PHASES, plain
from dunwu.analysis.text import shown

SAMPLES = 6
"""At most, from the first to the last."""
_COUNTS = {
    "conversations": "conversations",
    "tokens": "tokens",
    "learned_tokens": "of them learned",
    "too_long": "conversations too long and dropped",
}


def sft_body(run: Run) -> Body:
    """The page's body; what the run does not have yet is left out."""
    parts = (data_part(mapping(run.manifest, "data")), samples_part(run.metrics.rows))
    return Body([headline(run)] if run.metrics.rows else [], figures(run), [part for part in parts if part])


def headline(run: Run) -> Headline:
    """The validation loss before and after, or where nothing was held out that of the first and the last update."""
    before, after = (mapping(mapping(run.summary, "validation"), phase) for phase in PHASES)
    first, last = number(before.get("eval_loss")), number(after.get("eval_loss"))
    if first is not None and last is not None:
        accuracy = "eval_mean_token_accuracy"
        changes = _changes({"tokens guessed right": accuracy, "entropy": "eval_entropy"}, before, after)
        told = "Nats per token that the assistant says, over conversations that were not learned from."
        return Headline("Validation loss", plain(first, 3), plain(last, 3), told, tuple(changes))
    loss = curve(run.metrics.rows, "loss")
    ends = (plain(loss.first, 3), plain(loss.last, 3)) if loss else ("unknown", "unknown")
    return Headline("Training loss", *ends, "Nats per learned token. There is no validation set, or it was not measured to the end.")


def _changes(names: Mapping[str, str], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, key in names.items():
        first, last = number(before.get(key)), number(after.get(key))
        if first is not None and last is not None:
            yield name, plain(first), plain(last)


def figures(run: Run) -> list[PlotFigure]:
    """Over the updates; none where there are no updates."""
    rows = run.metrics.rows
    if not rows:
        return []
    curves = {name: curve(rows, name) for name in ("loss", "mean_token_accuracy", "entropy", "learning_rate", "grad_norm")}
    held_out, speed = curve(rows, "eval_loss"), curve(rows, "tokens_per_second")
    losses = (
        f"{sentences.change('Training loss', curves['loss'], 3)} {sentences.change('Validation loss', held_out, 3) if held_out else ''}"
    )
    accuracies = {"training": curves["mean_token_accuracy"], "validation": curve(rows, "eval_mean_token_accuracy")}
    guessed = sentences.change("The share of learned tokens that were the likeliest", accuracies["training"])
    return [
        lines("Loss", {"training": curves["loss"], "validation": held_out}, "nats per learned token", losses.strip()),
        lines("Tokens guessed right", accuracies, "share of learned tokens", guessed, share=True),
        lines(
            "Learning rate", {"rate": curves["learning_rate"]}, "rate", sentences.change("The learning rate", curves["learning_rate"], 5)
        ),
        lines("Entropy", {"entropy": curves["entropy"]}, "nats per token", sentences.change("Entropy", curves["entropy"])),
        lines(
            "Gradient", {"norm": curves["grad_norm"]}, "norm before clipping", sentences.change("The gradient's norm", curves["grad_norm"])
        ),
        lines("Speed", {"speed": speed}, "tokens per second", sentences.change("Tokens per second", speed, 0)),
    ]


def data_part(data: Mapping[str, Any]) -> Part | None:
    """Counts of the training and the validation set."""
    sets = {name: mapping(data, name) for name in data}
    rows = [(told, *(_count(facts.get(key)) for facts in sets.values())) for key, told in _COUNTS.items()]
    return Part("The data", tables=[Table(("", *sets), tuple(rows))]) if sets else None


def samples_part(rows: tuple[Row, ...]) -> Part | None:
    """What the model said to prompts of the data on its way."""
    there = [row for row in rows if isinstance(row.get("sample"), str)]
    if not there:
        return None
    last = len(there) - 1
    places = sorted({round(place * last / (SAMPLES - 1)) for place in range(SAMPLES)})
    told = "Prompts of the data (of the held-out ones where there are any), and what the model of that step made of them."
    return Part("What it says", told, samples=[_sample(there[place]) for place in places])


def _sample(row: Row) -> Sample:
    return Sample((f"step {row['step']}",), str(row.get("sample_prompt", "")), (Answer("", "", shown(row["sample"])),))


def _count(value: Any) -> str:
    found = number(value)
    return "–" if found is None else f"{found:,.0f}"
