"""Builders of small run directories."""

import json
from types import SimpleNamespace

import pytest

from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.store import write_evaluation


def make_row(place, sample=0, *, right=True, completion="wait, 1+2</think><answer>1+2</answer>", **changes):
    values = {
        "problem_id": f"p{place}",
        "text": f"Use 1,2 to make {place}.",
        "language": "en",
        "difficulty": float(place % 4),
        "human_seconds": None,
        "sample": sample,
        "completion": completion,
        "thinking_tokens": 5 + place,
        "tokens": 12 + place,
        "finish_reason": "stop",
        "score": float(right),
        "verdict": "correct" if right else "wrong",
        "reflections": 1,
        "answer": "1+2",
        "vote": "1+2",
    }
    return EvaluationRow(**values | changes)


def metrics(steps=90):
    """Accuracy from 0.18 to 0.63, flat within the first and last tenth."""
    for step in range(1, steps + 1):
        share = 0.0 if step <= 9 else 1.0 if step > steps - 9 else (step - 9) / (steps - 18)
        yield {
            "step": step,
            "reward": 1 + 0.4 * share,
            "reward_std": 0.3,
            "rewards/accuracy": 0.18 + 0.45 * share,
            "rewards/format": 0.9,
            "frac_reward_zero_std": 0.25 + 0.25 * share,
            "dead_groups": 16,
            "completions/mean_length": 28 + 50 * share,
            "completions/clipped_ratio": 0.125 * share,
            "thinking_length": 20 + 40 * share,
            "reflections_per_completion": 1 + 5 * share,
            "entropy": 1 - 0.5 * share,
            "kl": 0.01 * share,
            "step_time": 2.0,
            "time/generate": 1.2,
            "time/reward": 0.2,
            "time/train": 0.6,
            "time/save": 0.0,
            "skipped": int(step == 50),
        }


def write_metrics(run, rows):
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_sets(run, before, after, name="countdown"):
    """Writes both evaluations and returns their part of the summary."""
    results = {"before": EvaluationResult(name, 1, tuple(before)), "after": EvaluationResult(name, 1, tuple(after))}
    for phase, result in results.items():
        write_evaluation(run / "evaluations" / f"{phase}-{name}.parquet", result)
    return {phase: result.summary() for phase, result in results.items()}


def write_whole_run(run):
    """A finished run of every part."""
    write_metrics(run, metrics())
    countdown = write_sets(run, [make_row(i, right=i % 5 == 0) for i in range(40)], [make_row(i, right=i % 5 > 0) for i in range(40)])
    timed = [make_row(i, human_seconds=3.0 + i, difficulty=901.0 + i) for i in range(20)]
    game24 = write_sets(run, timed, timed, "game24")
    summary = {"countdown": countdown, "game24": game24, "seconds": {"train": 300.0, "evaluate": 30.5}, "seed": 7, "device": "cpu"}
    (run / "summary.json").write_text(json.dumps(summary))
    card = {"recipe": "tiny", "base": {"pass_at_1": 0.175}, "corpus": {"reflections_per_document": 0.41}}
    (run / "manifest.json").write_text(json.dumps({"kind": "zero", "base_card": card}))
    (run / "config.yaml").write_text("model: tiny\ngrpo:\n  beta: 0.001\n")


@pytest.fixture(scope="session")
def make():
    """The builders of this file."""
    return SimpleNamespace(
        row=make_row, metrics=metrics, write_metrics=write_metrics, write_sets=write_sets, write_whole_run=write_whole_run
    )
