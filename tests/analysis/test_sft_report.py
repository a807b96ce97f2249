"""The report of supervised fine-tuning: losses, data, samples; whole, begun and under attack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.analysis.report import write_report
from tests.analysis.test_report import ALLOWED_TAGS, HOSTILE, Page, without_scripts


def rows(steps: int = 12, sample: str = "4") -> list[dict[str, Any]]:
    """Training loss from 2 to 0.9, the validation loss and a sample at every third step."""
    found: list[dict[str, Any]] = [
        {"step": step, "loss": 2.0 - 0.1 * (step - 1), "learning_rate": 1e-3 / step, "mean_token_accuracy": 0.5, "tokens_per_second": 900.0}
        for step in range(1, steps + 1)
    ]
    for row in found[2::3]:
        row |= {"eval_loss": 1.9 - 0.05 * row["step"], "sample_prompt": f"User: {row['step']} times 2?", "sample": sample}
    return found


def write_run(run: Path, metrics: list[dict[str, Any]], summary: dict[str, Any] | None = None) -> Path:
    run.mkdir(exist_ok=True)
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics), encoding="utf-8")
    data = {"data": {"conversations": 1234, "too_long": 2, "tokens": 99_000, "learned_tokens": 55_000}, "validation": {"conversations": 60}}
    (run / "manifest.json").write_text(json.dumps({"kind": "sft", "data": data}), encoding="utf-8")
    (run / "config.yaml").write_text("model: tiny\n", encoding="utf-8")
    if summary:
        (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return run


def validation(before: float, after: float) -> dict[str, Any]:
    return {
        "before": {"eval_loss": before, "eval_mean_token_accuracy": 0.4},
        "after": {"eval_loss": after, "eval_mean_token_accuracy": 0.7},
    }


def test_it_shows_losses_data_and_samples(tmp_path: Path) -> None:
    summary = {"validation": validation(2.1, 1.3), "seed": 0, "device": "cpu", "seconds": {"train": 20.0}}
    html = write_report(write_run(tmp_path, rows(), summary)).read_text(encoding="utf-8")
    words = Page(html).words
    for expected in (
        "Supervised fine-tuning",
        "Validation loss 2.100 → 1.300 0.40 → 0.70 token accuracy",
        "Training loss went from 2.000 to 0.900 over 12 steps. Validation loss went from 1.750 to 1.300 over 4 steps.",
        "The learning rate went from 0.00100 to 0.00008 over 12 steps.",
        "conversations 1,234 60 tokens 99,000 – learned tokens 55,000 – conversations dropped as too long 2 –",
        "step 3 User: 3 times 2? 4",
        "step 12 User: 12 times 2? 4",
    ):
        assert expected in words
    assert "pass@1" not in words
    assert 'id="missing"' not in html
    assert without_scripts(html).count("<svg") == 4, "entropy and gradient were not recorded"


@pytest.mark.parametrize("term", ["divergence", "hidden", "attention"])
def test_the_terms_of_a_loss_beside_the_teacher_are_curves(tmp_path: Path, term: str) -> None:
    metrics = rows()
    for row in metrics:
        row |= {"cross_entropy": row["loss"] / 2, term: 1.0 / row["step"]}
        row |= {f"eval_{term}": 2.0 / row["step"], "eval_cross_entropy": 0.5} if "eval_loss" in row else {}
    run = write_run(tmp_path, metrics)
    page = write_report(run).read_text(encoding="utf-8")
    words = Page(page).words
    assert (
        "Cross-entropy went from 1.000 to 0.450 over 12 steps. On held-out rows it was 0.500 at the start and at the end of 4 steps."
        in words
    )
    assert "went from 1.000 to 0.083 over 12 steps. On held-out rows it went from 0.667 to 0.167 over 4 steps." in words
    assert without_scripts(page).count("<svg") == 6


def test_an_unfinished_run_has_a_page(tmp_path: Path) -> None:
    words = Page(write_report(write_run(tmp_path, rows(2))).read_text(encoding="utf-8")).words
    assert "Training loss 2.000 → 1.900" in words
    assert "Samples during training" not in words
    nothing = Page(write_report(write_run(tmp_path, [])).read_text(encoding="utf-8")).words
    assert "metrics.jsonl has no steps yet" in nothing
    assert "No held-out evaluation" not in nothing


def test_at_most_six_samples_the_first_and_the_last_among_them(tmp_path: Path) -> None:
    words = Page(write_report(write_run(tmp_path, rows(60))).read_text(encoding="utf-8")).words
    shown = [step for step in range(3, 61, 3) if f"User: {step} times 2?" in words]
    assert (len(shown), shown[0], shown[-1]) == (6, 3, 60)


def test_model_output_is_escaped_and_corrupt_data_is_skipped(tmp_path: Path) -> None:
    damaged = {"validation": {"before": HOSTILE, "after": [1]}}
    html = write_report(write_run(tmp_path, [*rows(12, HOSTILE), {"step": 13, "sample": HOSTILE, "sample_prompt": 3}], damaged))
    page = Page(html.read_text(encoding="utf-8"))
    assert page.tags <= ALLOWED_TAGS
    assert page.comments == []
    assert "<script>alert(1)</script>" in page.words
    assert not any(name.startswith("on") for name, _ in page.attributes)
