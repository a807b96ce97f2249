"""Whatever is run from Python says nothing by default, and everything to the reporter that it is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.load import load_config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.tasks import DatasetTask
from dunwu.config.zero import EvalConfig, SamplingConfig
from dunwu.jobs.evaluate import run_evaluation
from dunwu.jobs.reward_model import run_reward_model
from dunwu.jobs.sft import run_sft
from dunwu.jobs.zero import run_zero
from dunwu.models.loading import save_model
from dunwu.pipeline.execute import run_pipeline
from dunwu.pipeline.recipe_file import read_pipeline
from dunwu.run.reporter import Reporter
from tests.recorder import Recorder
from tests.trainers.reward_model_data import polite_pairs, write_rows

Run = Callable[..., object]
FIXED = ("batch_size=4", "device=cpu", "threads=1")


@pytest.fixture
def works(taught_base: str, say_data: Path, zero_config: Any, new_policy: Any, world_tokenizer: Any, tmp_path: Path) -> dict[str, Run]:
    """What can be run, by name: ``works["zero"](out, reporter=...)``."""
    talks = tmp_path / "talks.jsonl"
    talks.write_text("".join(json.dumps({"prompt": f"Say {n}.", "completion": f"{n}!"}) + "\n" for n in range(8)), encoding="utf-8")
    sft = [f"model={taught_base}", f"data={talks}", f"validation={talks}", "epochs=1", "sampling.max_tokens=4", "sample_every=1", *FIXED]
    save_model(new_policy(1), world_tokenizer, tmp_path / "scorer")
    pairs = write_rows(tmp_path / "pairs.jsonl", polite_pairs(40))
    measured = EvalConfig(task=DatasetTask(path=str(say_data)), problems=2, samples=2, sampling=SamplingConfig(max_tokens=4))
    zero = zero_config("grpo.steps=2", "save_every=1", "sample_every=2")
    model = load_config(RewardModelConfig, None, [f"model={tmp_path / 'scorer'}", f"data={pairs}", "epochs=1", "sample_every=1000", *FIXED])
    recipe = tmp_path / "two.yaml"
    stage = {"work": "evaluate", "model": taught_base, "template": "tiny", "threads": 1, "device": "cpu"}
    stages = {name: {**stage, "evaluations": [measured.model_dump(mode="json")]} for name in ("one", "two")}
    recipe.write_text(json.dumps({"name": "two", "stages": stages}), encoding="utf-8")
    return {
        "zero": lambda out, **more: run_zero(zero, out, **more),
        "sft": lambda out, **more: run_sft(load_config(SftConfig, None, sft), out, **more),
        "reward_model": lambda out, **more: run_reward_model(model, out, **more),
        "eval": lambda out, **more: run_evaluation(taught_base, measured, "tiny", out, "cpu", 1, 8, **more),
        "pipeline": lambda out, **more: run_pipeline(read_pipeline(recipe), out, **more),
    }


EVENTS: dict[str, Sequence[str]] = {
    "zero": [
        *("say", "facts", "say", "facts", "say", "progress", "step", "say"),
        *("progress", "say", "step", "say", "sample", "step", "say", "progress", "step", "say", "table", "facts"),
    ],
    "sft": ["say", "facts", "progress", "sample", "step", "sample", "step", "facts"],
    "reward_model": ["say", "facts", "say", "progress", "step", "sample", "step", "table", "say", "facts"],
    "eval": ["say", "facts", "progress", "step", "sample", "warn"],
    "pipeline": ["live", "say", "ended"],
}
"""In their order; that of `zero` up to its table, since a pair of completions follows where there is one worth showing."""


@pytest.mark.parametrize("work", EVENTS)
def test_it_is_silent_by_default(work: str, works: dict[str, Run], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    works[work](tmp_path / "out")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("work", EVENTS)
def test_a_reporter_receives_all_in_order_and_nothing_is_printed(
    work: str, works: dict[str, Run], tmp_path: Path, recorder: Recorder, capfd: pytest.CaptureFixture[str]
) -> None:
    works[work](tmp_path / "out", reporter=recorder)
    assert capfd.readouterr() == ("", "")
    names, wanted = recorder.names(), EVENTS[work]
    assert names[: len(wanted)] == wanted
    assert work == "zero" or len(names) == len(wanted)


def test_a_reporter_needs_only_the_methods_it_wants(works: dict[str, Run], tmp_path: Path) -> None:
    class Lines(Reporter):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

    reporter = Lines()
    works["pipeline"](tmp_path / "out", reporter=reporter)
    assert [line.split()[1] for line in reporter.lines if line.startswith("stage ")] == ["one:", "one:", "two:", "two:"]
    assert len(reporter.lines) == 6, "the stages speak to the same reporter"
