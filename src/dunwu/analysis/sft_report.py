"""The report of supervised fine-tuning and of distillation: losses, data, and samples during training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dunwu.analysis import sentences
from dunwu.analysis.curves import Curve, Row, curve, number
from dunwu.analysis.figures import PlotFigure, lines
from dunwu.analysis.rundir import Run, mapping
from dunwu.analysis.sections import Answer, Body, Headline, Part, Sample, Table
from dunwu.analysis.sentences import PHASES, plain
from dunwu.analysis.text import shown

SAMPLES = 6
"""Maximum number shown, spread from the first to the last."""
_COUNTS = {
    "conversations": "conversations",
    "tokens": "tokens",
    "learned_tokens": "learned tokens",
    "too_long": "conversations dropped as too long",
}
_NATS = "nats per learned token"
_TERMS = {
    "cross_entropy": ("Cross-entropy", _NATS),
    "divergence": ("Divergence from the teacher", _NATS),
    "hidden": ("Distance of hidden states", "mean over the width"),
    "attention": ("Divergence of attention", _NATS),
}
"""Terms of a loss beside the teacher (`dunwu.trainers.distill_scoring`)."""


def sft_body(run: Run) -> Body:
    """The page's body; parts that the run does not have yet are omitted."""
    parts = (data_part(mapping(run.manifest, "data")), samples_part(run.metrics.rows))
    return Body([headline(run)] if run.metrics.rows else [], figures(run), [part for part in parts if part])


def headline(run: Run) -> Headline:
    """The validation loss before and after training, or without a validation set the training loss at its start and end."""
    before, after = (mapping(mapping(run.summary, "validation"), phase) for phase in PHASES)
    first, last = number(before.get("eval_loss")), number(after.get("eval_loss"))
    if first is not None and last is not None:
        accuracy = "eval_mean_token_accuracy"
        changes = _changes({"token accuracy": accuracy, "entropy": "eval_entropy"}, before, after)
        text = "Nats per assistant token, over held-out conversations."
        return Headline("Validation loss", plain(first, 3), plain(last, 3), text, tuple(changes))
    loss = curve(run.metrics.rows, "loss")
    ends = (plain(loss.first, 3), plain(loss.last, 3)) if loss else ("", "not measured")
    return Headline("Training loss", *ends, "Nats per learned token. There is no validation set, or its evaluation did not finish.")


def _changes(names: Mapping[str, str], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, key in names.items():
        first, last = number(before.get(key)), number(after.get(key))
        if first is not None and last is not None:
            yield name, plain(first), plain(last)


def figures(run: Run) -> list[PlotFigure]:
    """Figures over the updates; empty without updates."""
    rows = run.metrics.rows
    if not rows:
        return []
    curves = {name: curve(rows, name) for name in ("loss", "mean_token_accuracy", "entropy", "learning_rate", "grad_norm")}
    held_out, speed = curve(rows, "eval_loss"), curve(rows, "tokens_per_second")
    losses = (
        f"{sentences.change('Training loss', curves['loss'], 3)} {sentences.change('Validation loss', held_out, 3) if held_out else ''}"
    )
    accuracies = {"training": curves["mean_token_accuracy"], "validation": curve(rows, "eval_mean_token_accuracy")}
    ranked_first = sentences.change("The share of learned tokens that the model ranked first", accuracies["training"])
    return [
        lines("Loss", {"training": curves["loss"], "validation": held_out}, _NATS, losses.strip()),
        *term_figures(rows),
        lines("Token accuracy", accuracies, "share of learned tokens", ranked_first, share=True),
        lines(
            "Learning rate", {"rate": curves["learning_rate"]}, "rate", sentences.change("The learning rate", curves["learning_rate"], 5)
        ),
        lines("Entropy", {"entropy": curves["entropy"]}, "nats per token", sentences.change("Entropy", curves["entropy"])),
        lines(
            "Gradient", {"norm": curves["grad_norm"]}, "norm before clipping", sentences.change("The gradient's norm", curves["grad_norm"])
        ),
        lines("Speed", {"speed": speed}, "tokens per second", sentences.change("Tokens per second", speed, 0)),
    ]


def term_figures(rows: tuple[Row, ...]) -> list[PlotFigure]:
    """The terms of a loss beside the teacher, of training and of held-out rows; empty of any other loss."""
    found = ((title, unit, curve(rows, name), curve(rows, f"eval_{name}")) for name, (title, unit) in _TERMS.items())
    return [
        lines(title, {"training": ours, "validation": held_out}, unit, _term_in_words(title, ours, held_out))
        for title, unit, ours, held_out in found
        if ours
    ]


def _term_in_words(title: str, ours: Curve, held_out: Curve) -> str:
    text = sentences.change(title, ours, 3)
    return f"{text} {sentences.change('On held-out rows it', held_out, 3)}" if held_out else text


def data_part(data: Mapping[str, Any]) -> Part | None:
    """Counts of the training and the validation set."""
    sets = {name: mapping(data, name) for name in data}
    rows = [(name, *(_count(facts.get(key)) for facts in sets.values())) for key, name in _COUNTS.items()]
    return Part("The data", tables=[Table(("", *sets), tuple(rows))]) if sets else None


def samples_part(rows: tuple[Row, ...]) -> Part | None:
    """The model's answers to prompts of the data during training."""
    sampled = [row for row in rows if isinstance(row.get("sample"), str)]
    if not sampled:
        return None
    last = len(sampled) - 1
    indices = sorted({round(index * last / (SAMPLES - 1)) for index in range(SAMPLES)})
    text = "Prompts of the data (held-out ones if there are any), and the model's answers at that step."
    return Part("Samples during training", text, samples=[_sample(sampled[index]) for index in indices])


def _sample(row: Row) -> Sample:
    return Sample((f"step {row['step']}",), str(row.get("sample_prompt", "")), (Answer("", "", shown(row["sample"])),))


def _count(value: Any) -> str:
    found = number(value)
    return "–" if found is None else f"{found:,.0f}"
