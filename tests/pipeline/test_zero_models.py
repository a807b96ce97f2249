"""`run_zero` on reasoning and general prompts with a reward model: measured, trained, resumed, reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.errors import ConfigError, RunError
from dunwu.jobs.zero import run_zero
from dunwu.models.heads import load_scorer, set_label
from dunwu.models.loading import save_model
from dunwu.run.directory import content_hash, read_manifest, read_metrics
from tests.recorder import Recorder

WAYS = ("Tell me of {}.", "Where is the {}?", "Write of a {}.", "What is a {}?")


@pytest.fixture
def scorer(tmp_path: Path, taught_base: str) -> Path:
    model, tokenizer = load_scorer(taught_base, seed=0)
    set_label(model, "helpfulness")
    save_model(model, tokenizer, tmp_path / "scorer")
    return tmp_path / "scorer"


@pytest.fixture
def config(tmp_path: Path, scorer: Path, say_data: Path, zero_config: Callable[..., Any]) -> Any:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": way.format(thing)}) + "\n" for way in WAYS for thing in ("cat", "tree", "river")))
    chat = f"{{kind: chat, path: {prompts}}}"
    say = f"{{kind: dataset, path: {say_data}}}"
    held_out = f"{{task: {chat}, split: validation, problems: 1, samples: 2, sampling: {{max_tokens: 10}}}}"
    return zero_config(
        f"tasks=[{{task: {say}}}, {{task: {chat}}}]",
        f"evaluations=[{held_out}]",
        f"reward=[accuracy, format, {{kind: helpfulness, model: {scorer}, after: 0.5, normalise: true}}]",
        "tripwire={mode: divergence, part: helpfulness, share: 1.0}",
        "grpo.steps=4",
        "grpo.prompts_per_step=6",
        "reward_workers=1",
    )


def test_a_whole_run(config: Any, scorer: Path, tmp_path: Path, recorder: Recorder) -> None:
    run = run_zero(config, tmp_path / "run", reporter=recorder)
    rows = read_metrics(run)
    assert [row["rewards/helpfulness/applied"] > 0 for row in rows] == [False, False, True, True]
    assert all(row["excluded"] == 0 and row["verdicts/unverified"] > 0 for row in rows)
    assert read_manifest(run)["inputs"]["reward.2"] == content_hash(scorer)
    after = json.loads((run / "summary.json").read_text(encoding="utf-8"))["chat"]["after"]
    assert (after["pass_at_1"], after["excluded"], after["verdicts"]) == (None, 0, {"unverified": 2})
    cells = {cell for column in recorder.of("table")[0].columns for cell in column.cells}
    assert "not measured" in cells  # accuracy, where there is no verifier
    assert (run / "report.html").is_file()
    (scorer / "note.txt").write_text("changed")
    with pytest.raises(RunError, match=r"reward\.2"):
        run_zero(config, run, resume=True)


def test_a_model_that_has_nothing_to_score_is_refused(config: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="helpfulness applies to none of the problems"):
        run_zero(config.model_copy(update={"tasks": config.tasks[:1]}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
