"""The report of a reward model: accuracy, calibration, length, examples; whole, begun and under attack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dunwu.analysis.report import write_report
from tests.analysis.test_report import ALLOWED_TAGS, HOSTILE, Page

HELD_OUT = {
    "count": 40,
    "accuracy": 0.8,
    "interval": [0.65, 0.9],
    "calibration_error": 0.034,
    "reliability": [
        {"low": 0.5, "high": 0.6, "count": 10, "confidence": 0.55, "accuracy": 0.5},
        {"low": 0.9, "high": 1.0, "count": 30, "confidence": 0.95, "accuracy": 0.9},
    ],
    "groups": {"chosen longer": {"count": 21, "accuracy": 0.75, "interval": [0.5, 0.9]}},
    "longer_preferred": 0.55,
    "longer_chosen": 0.5,
}
EXAMPLE = {
    "kind": "wrong, surest",
    "prompt": [{"role": "user", "content": "Say hello."}],
    "answers": [{"name": "chosen", "score": -1.25, "text": "Hello!"}, {"name": "rejected", "score": 0.5, "text": "No."}],
}


def write_run(run: Path, held_out: Any = HELD_OUT, examples: Any = (EXAMPLE,)) -> Path:
    rows = [{"step": step, "loss": 0.7 - 0.05 * step, "accuracy": 0.5, "chosen_longer": 0.5, "min_reward": -1.0} for step in range(1, 8)]
    rows[-1]["held_out_accuracy"] = 0.8
    (run / "evaluations").mkdir()
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    manifest = {"kind": "reward-model", "data": {"training": 300, "held out": 40, "left out: the two answers read the same": 0}}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (run / "config.yaml").write_text("model: tiny\n", encoding="utf-8")
    if held_out is not None:
        (run / "summary.json").write_text(json.dumps({"held_out": held_out, "seed": 0}), encoding="utf-8")
        (run / "evaluations" / "examples.json").write_text(json.dumps({"examples": examples}), encoding="utf-8")
    return run


def test_it_shows_accuracy_calibration_length_and_examples(tmp_path: Path) -> None:
    html = write_report(write_run(tmp_path)).read_text(encoding="utf-8")
    words = Page(html).words.replace("\N{NO-BREAK SPACE}", " ")
    for expected in (
        "Held-out accuracy 80.0 % 3.4 % expected calibration error 55.0 % pairs of unequal length: longer answer scored higher",
        "40 held-out examples; 95 % interval 65.0 % to 90.0 %.",
        "Loss went from 0.650 to 0.350 over 7 steps.",
        "chosen longer 21 75.0 % 50.0 % to 90.0 %",
        "90.0 % to 100.0 % 30 95.0 % 90.0 %",
        "training 300 held out 40",
        "wrong, surest Say hello. Chosen score -1.25 Hello! Rejected score +0.50 No.",
    ):
        assert expected in words
    assert 'aria-label="Calibration"' in html
    assert 'id="missing"' not in html


def test_an_unfinished_run_has_a_page(tmp_path: Path) -> None:
    html = write_report(write_run(tmp_path, None)).read_text(encoding="utf-8")
    assert "Loss went from" in Page(html).words
    assert 'class="hero"' not in html, "there is no headline yet"


def test_model_output_is_escaped_and_corrupt_data_is_skipped(tmp_path: Path) -> None:
    answers = [{"name": HOSTILE, "score": HOSTILE, "text": HOSTILE}, HOSTILE]
    examples = [{"kind": HOSTILE, "prompt": [{"role": HOSTILE, "content": HOSTILE}, 3, {}], "answers": answers}, HOSTILE, {"answers": 3}]
    held_out = {"accuracy": HOSTILE, "interval": [1], "reliability": [HOSTILE, {"confidence": None}], "groups": {HOSTILE: 3, "x": {}}}
    page = Page(write_report(write_run(tmp_path, held_out, examples)).read_text(encoding="utf-8"))
    assert page.tags <= ALLOWED_TAGS
    assert page.comments == []
    assert "<script>alert(1)</script>" in page.words
    assert not any(name.startswith("on") for name, _ in page.attributes)
