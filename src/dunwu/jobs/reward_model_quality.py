"""Quality of a reward model on held-out examples: accuracy with its interval, calibration, and how much it favours length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table

from dunwu.algorithms.preference import expected_calibration_error, reliability
from dunwu.analysis.sentences import percent
from dunwu.data.io.preferences import LabelledAnswer, Pair
from dunwu.evaluation.metrics import finite_or_none, pass_at_1, pass_interval, spearman
from dunwu.run.reporter import Reporter
from dunwu.trainers.reward_model import RewardModelTrainer
from dunwu.trainers.reward_model_examples import Example, seen_by

SHOWN = 2
"""Examples of each kind."""
ABOUT = 0.1
"""Answers whose lengths differ by at most this share of the longer count as equally long."""


def measure(examples: Sequence[Example], agreements: Sequence[float]) -> dict[str, Any]:
    """Figures of held-out ``examples``, JSON-able; ``agreements`` are log-odds of the preferred answer (`RewardModelTrainer.agreements`).

    Accuracy weighs every conversation equally, however many pairs it has, and counts a tie as wrong. ``longer_preferred`` is the share of
    pairs of unequal length in which the longer answer is scored higher, ``longer_chosen`` the share in which it was chosen: a model that
    favours length has a higher first than second.
    """
    correct = [int(agreement > 0) for agreement in agreements]
    confidence_N = torch.tensor(agreements, dtype=torch.float64).abs().sigmoid()
    table = reliability(confidence_N, torch.tensor(correct, dtype=torch.float64))
    figures = {
        **_accuracy(examples, correct),
        "calibration_error": expected_calibration_error(table),
        "reliability": [asdict(each) for each in table],
        "groups": {name: _accuracy([examples[i] for i in part], [correct[i] for i in part]) for name, part in _groups(examples)},
        **_length(examples, agreements),
    }
    found: dict[str, Any] = finite_or_none(figures)
    return found


def notable_examples(trainer: RewardModelTrainer, agreements: Sequence[float]) -> list[dict[str, Any]]:
    """Held-out examples with their scores, as the model saw them: the surest right and wrong ones, and the least sure."""
    order = sorted(range(len(agreements)), key=agreements.__getitem__)
    wrong, right = ([i for i in order if (agreements[i] > 0) == side] for side in (False, True))
    chosen = {"right, surest": right[-SHOWN:][::-1], "wrong, surest": wrong[:SHOWN]}
    taken = [*chosen["right, surest"], *chosen["wrong, surest"]]
    chosen["least sure"] = sorted((i for i in order if i not in taken), key=lambda i: abs(agreements[i]))[:SHOWN]
    return [_scored(kind, trainer, trainer.held_out[i]) for kind, places in chosen.items() for i in places]


def _scored(kind: str, trainer: RewardModelTrainer, example: Example) -> dict[str, Any]:
    with torch.no_grad():
        given = trainer.scores([example])[0].tolist()
    item = example.item
    texts = {"chosen": item.chosen, "rejected": item.rejected} if isinstance(item, Pair) else {_label(item): item.completion}
    answers = [
        {"name": name, "score": round(score, 3), "text": seen_by(trainer.config.criterion, text).text}
        for (name, text), score in zip(texts.items(), given, strict=True)
    ]
    return {"kind": kind, "prompt": [{"role": turn.role, "content": turn.content} for turn in item.prompt], "answers": answers}


def _label(item: LabelledAnswer) -> str:
    return "safe" if item.safe else "unsafe"


def show(reporter: Reporter, figures: dict[str, Any]) -> None:
    """Print the final table of a run."""
    table = Table("held out", "number", "accuracy (95 % interval)", box=SIMPLE_HEAD, pad_edge=False)
    for name, group in (("all", figures), *figures["groups"].items()):
        bounds = " to ".join(percent(bound) for bound in group["interval"] if bound is not None)
        table.add_row(name, str(group["count"]), percent(group["accuracy"]) + (f" ({bounds})" if bounds else ""))
    reporter.table(table)
    calibration = Table("confidence", "number", "mean confidence", "accuracy", box=SIMPLE_HEAD, pad_edge=False)
    for each in figures["reliability"]:
        span = f"{percent(each['low'])} to {percent(each['high'])}"
        calibration.add_row(span, str(each["count"]), percent(each["confidence"]), percent(each["accuracy"]))
    reporter.table(calibration)
    reporter.say(f"expected calibration error {percent(figures['calibration_error'])}")
    if figures.get("longer_preferred") is not None:
        longer, chosen = (percent(figures[key]) for key in ("longer_preferred", "longer_chosen"))
        reporter.say(f"the longer answer is scored higher in {longer} of the pairs and was chosen in {chosen}")


def _accuracy(examples: Sequence[Example], correct: Sequence[int]) -> dict[str, Any]:
    by_prompt: dict[Any, list[int]] = {}
    for example, right in zip(examples, correct, strict=True):
        by_prompt.setdefault(example.item.prompt, []).append(right)
    samples = list(by_prompt.values())
    return {"count": len(correct), "accuracy": pass_at_1(samples), "interval": list(pass_interval(samples))}


def _groups(examples: Sequence[Example]) -> Iterator[tuple[str, list[int]]]:
    """Indices of pairs by which answer is longer; of labelled answers by label, and by length (the shorter and the longer half)."""
    places = range(len(examples))
    if len(examples[0].rows) == 2:
        longer = [_longer(example) for example in examples]
        for name, side in (("chosen shorter", -1), ("about as long", 0), ("chosen longer", 1)):
            yield name, [i for i in places if longer[i] == side]
        return
    for name, sign in (("safe", 1), ("unsafe", -1)):
        yield name, [i for i in places if examples[i].sign == sign]
    order = sorted(places, key=lambda i: examples[i].size)
    half = len(order) // 2
    yield "shorter half", order[:half]
    yield "longer half", order[half:]


def _longer(example: Example) -> int:
    return 0 if example.size <= ABOUT * max(example.lengths) else example.side


def _length(examples: Sequence[Example], agreements: Sequence[float]) -> dict[str, Any]:
    """Effect of length, for pairs; empty for labelled answers."""
    if len(examples[0].rows) != 2:
        return {}
    differences = [example.lengths[0] - example.lengths[1] for example in examples]
    unequal = [(agreement, difference) for agreement, difference in zip(agreements, differences, strict=True) if difference]
    count = len(unequal) or 1
    return {
        "longer_preferred": sum((agreement > 0) == (difference > 0) for agreement, difference in unequal) / count,
        "longer_chosen": sum(difference > 0 for _, difference in unequal) / count,
        "length_correlation": spearman(agreements, differences),
    }
