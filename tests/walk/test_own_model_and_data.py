"""The second road: a model and data of one's own, with habits from TRL or verl, from a look at a file to an evaluated checkpoint."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from tests.walk.conftest import CHAT_TEMPLATE, Shell
from tests.walk.desk import CHATS, PAIRS, ROWS, write_rows

pytestmark = pytest.mark.slow
QUICK = 60.0
"""Seconds for a command that trains nothing; a laptop takes a tenth."""
SHORT = ["grpo.prompts_per_step=2", "grpo.group_size=2", "sampling.max_tokens=16", "save_every=1"]
FEW = ["--problems", "2", "--samples", "2", "--max-tokens", "16"]


@pytest.fixture(scope="module", autouse=True)
def files(shell: Shell, make_chat_model: Callable[[Path], str]) -> None:
    """The model, and the data in the formats of TRL and verl."""
    make_chat_model(shell.folder / "model")
    write_rows(shell.folder / "chats.jsonl", CHATS)
    ask = [{"role": "user", "content": "placeholder"}]
    verl = [
        {
            "data_source": "sums",
            "prompt": [{**ask[0], "content": row["problem"]}],
            "reward_model": {"style": "rule", "ground_truth": row["answer"]},
            "extra_info": {"split": "train", "index": index},
        }
        for index, row in enumerate(ROWS)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(verl), shell.folder / "train.parquet")
    implicit = [
        {side: [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")}
        for row in PAIRS
    ]
    write_rows(shell.folder / "preferences.jsonl", implicit)


def step_a_look_at_each_file(shell: Shell) -> None:
    for file, seen in (("train.parquet", "What is 0 + 3?"), ("chats.jsonl", "What is 0 + 1?"), ("preferences.jsonl", "Say 0.")):
        step = shell.dunwu("data", file)
        assert (step.code, step.err) == (0, "")
        assert seen in step.out
        assert step.seconds < QUICK


def step_fine_tuning_keeps_the_chat_template(shell: Shell) -> None:
    step = shell.dunwu("sft", "--model", "model", "--data", "chats.jsonl", "--out", "sft")
    assert step.code == 0
    checkpoint = max((shell.folder / "sft/checkpoints").glob("step-*"))
    assert _chat_template(checkpoint) == CHAT_TEMPLATE
    assert "1e-05" in step.out + step.err  # the learning rate chosen for a model of one's own


def step_a_reward_model_from_implicit_preferences(shell: Shell) -> None:
    step = shell.dunwu("reward-model", "--model", "model", "--data", "preferences.jsonl", "--out", "rm", "batch_size=8")
    assert step.code == 0
    assert "1e-05" in step.out + step.err


def step_training_stops_and_resumes(shell: Shell) -> None:
    """Ctrl-C is 130, so that `&&` and make stop too; `--resume` needs neither the keys nor the recipe."""
    arguments = ["zero", "--model", "sft", "--task", "train.parquet", "--out", "zero", "grpo.steps=40", *SHORT, "evaluations=[]"]
    stopped = shell.dunwu(*arguments, stop_at="zero 1/")
    assert stopped.code == 128 + signal.SIGINT
    assert "dunwu zero --out zero --resume" in stopped.err
    terminated = shell.dunwu("zero", "--out", "zero", "--resume", stop_at="zero ", stop_with=signal.SIGTERM)
    assert terminated.code == 128 + signal.SIGTERM
    resumed = shell.dunwu("zero", "--out", "zero", "--resume")
    assert resumed.code == 0
    steps = [json.loads(line)["step"] for line in (shell.folder / "zero/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert steps == list(range(1, 41))
    assert _chat_template(shell.folder / "zero/checkpoints/step-000040") == CHAT_TEMPLATE


def step_more_steps(shell: Shell) -> None:
    step = shell.dunwu("zero", "--out", "zero", "--resume", "grpo.steps=42")
    assert step.code == 0
    assert (shell.folder / "zero/checkpoints/step-000042/model.safetensors").is_file()


def step_evaluation_of_the_run(shell: Shell) -> None:
    step = shell.dunwu("eval", "--model", "zero", "--task", "train.parquet", "--json", *FEW)
    assert step.code == 0
    assert json.loads(step.out)["summary"]["pass_at_1"] is not None


def step_the_report_names_the_task(shell: Shell) -> None:
    assert shell.dunwu("report", "zero").code == 0
    page = (shell.folder / "zero/report.html").read_text(encoding="utf-8")
    assert "train.parquet" in page
    assert "countdown" not in page.lower()


def step_the_checkpoint_loads_elsewhere(shell: Shell) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = shell.folder / "zero/checkpoints/step-000042"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.generate(**ids, max_new_tokens=4, do_sample=False).shape[1] > ids["input_ids"].shape[1]


def _chat_template(folder: Path) -> str:
    from transformers import AutoTokenizer

    template: str = AutoTokenizer.from_pretrained(folder).chat_template
    return template


def test_the_road_from_end_to_end(shell: Shell) -> None:
    """One test, as each step uses what the ones before it made."""
    step_a_look_at_each_file(shell)
    step_fine_tuning_keeps_the_chat_template(shell)
    step_a_reward_model_from_implicit_preferences(shell)
    step_training_stops_and_resumes(shell)
    step_more_steps(shell)
    step_evaluation_of_the_run(shell)
    step_the_report_names_the_task(shell)
    step_the_checkpoint_loads_elsewhere(shell)
