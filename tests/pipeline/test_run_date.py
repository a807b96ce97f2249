"""Chat templates that write the date: a run has one, whatever day it goes on, and an evaluation says which it used."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.blocks import SamplingConfig
from dunwu.config.load import load_config
from dunwu.config.sft import SftConfig
from dunwu.config.tasks import DatasetTask
from dunwu.config.zero import EvalConfig
from dunwu.data.prompts import make_prompts, written_date
from dunwu.errors import Interrupted
from dunwu.jobs import sft as sft_module
from dunwu.jobs import zero as zero_module
from dunwu.jobs.evaluate import run_evaluation
from dunwu.jobs.sft import run_sft
from dunwu.jobs.zero import run_zero
from dunwu.models.loading import load_model, save_model
from dunwu.run import date as run_date
from dunwu.run.directory import read_manifest
from dunwu.types import Problem
from tests.recorder import Recorder

DATED = (
    "{% set today = strftime_now('%d %b %Y') if strftime_now is defined else 'never' %}Today: {{ today }}\n"
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}<|endoftext|>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)

FIRST, NEXT = date(2026, 11, 27), date(2026, 11, 28)


class Clock:
    today = FIRST


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(run_date, "_today", lambda: Clock.today)
    monkeypatch.setattr(run_date, "_frozen", None)
    Clock.today = FIRST
    return Clock


@pytest.fixture(scope="module")
def dated(taught_base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    model, tokenizer = load_model(taught_base)
    tokenizer.chat_template = DATED
    folder = tmp_path_factory.mktemp("dated")
    save_model(model, tokenizer, folder)
    return str(folder)


@pytest.fixture(scope="module")
def sft_config(dated: str, tmp_path_factory: pytest.TempPathFactory) -> SftConfig:
    data = tmp_path_factory.mktemp("data") / "rows.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"Say {n}.", "completion": str(n)}) + "\n" for n in range(8)), encoding="utf-8")
    often = ["save_every=1", "sample_every=1000", "evaluate_every=1000", "epochs=2", "batch_size=4", "device=cpu", "threads=1"]
    return load_config(SftConfig, None, [f"model={dated}", f"data={data}", "template=auto", *often])


def stopping_after(monkeypatch: pytest.MonkeyPatch, module: Any, train_until: Any, step: int) -> Callable[[], None]:
    """Let a run stop after ``step``; call what is returned to let it go on."""
    real = module.run_steps

    class Saves:
        def __init__(self, schedule: Any) -> None:
            self.save_every, self.keep_checkpoints, self.steps = schedule.save_every, schedule.keep, schedule.steps

    def stopped(run: Any, trainer: Any, schedule: Any, *between: Any, **more: Any) -> Path:
        return train_until(run, trainer, Saves(schedule), schedule.steps, step)  # type: ignore[no-any-return]

    monkeypatch.setattr(module, "run_steps", stopped)
    return lambda: monkeypatch.setattr(module, "run_steps", real)


def prompt_of(tokenizer: Any) -> str:
    return make_prompts([Problem("p", "t", "Say 1.", "number", "1")], "chat", tokenizer, 1000)[0].text


@pytest.mark.slow
def test_fine_tuning_goes_on_the_next_day(
    sft_config: SftConfig, clock: type[Clock], monkeypatch: pytest.MonkeyPatch, train_until: Any, same_files: Any, tmp_path: Path
) -> None:
    whole = run_sft(sft_config, tmp_path / "whole")
    go_on = stopping_after(monkeypatch, sft_module, train_until, 2)
    with pytest.raises(Interrupted):
        run_sft(sft_config, tmp_path / "run")
    go_on()
    clock.today = NEXT
    run_sft(sft_config, tmp_path / "run", resume=True)
    same_files(whole / "checkpoints" / "step-000004", tmp_path / "run" / "checkpoints" / "step-000004")
    assert read_manifest(tmp_path / "run")["date"] == "2026-11-27"


def test_a_run_from_before_dates_were_kept_goes_on_with_the_day_it_began(sft_config: SftConfig, clock: type[Clock], tmp_path: Path) -> None:
    run = run_sft(sft_config, tmp_path / "run")
    manifest = read_manifest(run)
    del manifest["date"]
    manifest["started"] = "2026-11-27T09:00:00.000+00:00"
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    clock.today = NEXT
    run_sft(sft_config, run, resume=True)
    assert run_date.run_date() == "2026-11-27"


def test_prompts_of_reinforcement_learning_stay_as_they_are_past_midnight(
    dated: str, zero_config: Any, clock: type[Clock], monkeypatch: pytest.MonkeyPatch, train_until: Any, same_files: Any, tmp_path: Path
) -> None:
    config = zero_config(f"model={dated}", "template=chat", "evaluations=[]", "grpo.steps=4")
    whole = run_zero(config, tmp_path / "whole")
    clock.today = NEXT
    assert "Today: 27 Nov 2026" in prompt_of(load_model(dated)[1])  # the run has frozen it

    clock.today = FIRST
    go_on = stopping_after(monkeypatch, zero_module, train_until, 3)
    with pytest.raises(Interrupted):
        run_zero(config, tmp_path / "run")
    go_on()
    clock.today = NEXT
    run_zero(config, tmp_path / "run", resume=True)
    same_files(whole / "checkpoints" / "step-000004", tmp_path / "run" / "checkpoints" / "step-000004")
    assert "Today: 28 Nov 2026" in _new_run_prompt(dated, zero_config, tmp_path)


def _new_run_prompt(dated: str, zero_config: Any, tmp_path: Path) -> str:
    run_zero(zero_config(f"model={dated}", "template=chat", "evaluations=[]", "grpo.steps=1"), tmp_path / "new")
    return prompt_of(load_model(dated)[1])


def test_an_evaluation_says_which_date_it_used(
    sft_config: SftConfig, dated: str, say_data: Path, clock: type[Clock], tmp_path: Path, recorder: Recorder
) -> None:
    run = run_sft(sft_config, tmp_path / "run")
    clock.today = NEXT
    config = EvalConfig(task=DatasetTask(path=str(say_data)), problems=2, samples=1, sampling=SamplingConfig(max_tokens=4))
    models = {"2026-11-27": str(run / "checkpoints" / "step-000004"), "2026-11-28": dated}
    for day, model in models.items():
        run_evaluation(model, config, "auto", tmp_path / day, "cpu", 1, 8, recorder)
        assert day in recorder.of("say")[-1]
        assert json.loads((tmp_path / day / "summary.json").read_text(encoding="utf-8"))["date"] == day
    said = len(recorder.of("say"))
    run_evaluation(dated, config, "tiny", tmp_path / "tiny", "cpu", 1, 8, recorder)
    assert not [line for line in recorder.of("say")[said:] if "the date" in line]
    assert "date" not in json.loads((tmp_path / "tiny" / "summary.json").read_text(encoding="utf-8"))


def test_only_templates_that_ask_for_it_write_it(dated: str, taught_base: str) -> None:
    assert written_date("chat", load_model(dated)[1]) == "2026-11-27"
    assert written_date("r1-zero", load_model(dated)[1]) is None
    assert written_date("chat", load_model(taught_base)[1]) is None
