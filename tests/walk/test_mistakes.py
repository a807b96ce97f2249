"""Mistakes that people make, by those who came from TRL, verl and OpenRLHF and by those who came from nowhere: one line each, exit code 2,
and the remedy in that line works when it is followed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dunwu.cli.main import main
from dunwu.jobs import checks
from tests.walk.desk import SHORT, make_desk


@dataclass(frozen=True)
class Mistake:
    """A command, words of the one line that it prints, and the command that follows its remedy."""

    wrong: str
    says: tuple[str, ...]
    right: str


DRY = "--dry-run threads=1"
MISTAKES = {
    # keys of other libraries
    "TRL: num_generations": Mistake(f"zero num_generations=4 {DRY}", ("grpo.group_size",), f"zero grpo.group_size=4 {DRY}"),
    "TRL: max_steps": Mistake(f"zero --max_steps 5 {DRY}", ("grpo.steps",), f"zero grpo.steps=5 {DRY}"),
    "TRL: max_completion_length": Mistake(
        f"zero --max_completion_length 64 {DRY}", ("sampling.max_tokens",), f"zero sampling.max_tokens=64 {DRY}"
    ),
    "TRL: num_train_epochs": Mistake(
        f"sft --data chats.jsonl --num_train_epochs 3 {DRY}", ("epochs",), f"sft --data chats.jsonl epochs=3 {DRY}"
    ),
    "TRL: per_device_train_batch_size": Mistake(
        f"sft --data chats.jsonl per_device_train_batch_size=4 {DRY}", ("batch_size",), f"sft --data chats.jsonl batch_size=4 {DRY}"
    ),
    "TRL: output_dir": Mistake(f"zero --output_dir runs/a {DRY}", ("--out",), f"zero --out runs/a {DRY}"),
    "TRL: model_name_or_path": Mistake(f"zero --model_name_or_path tiny {DRY}", ("model",), f"zero --model tiny {DRY}"),
    "TRL: beta": Mistake(f"zero beta=0.01 {DRY}", ("grpo.beta",), f"zero grpo.beta=0.01 {DRY}"),
    "TRL: epsilon_high": Mistake(f"zero grpo.epsilon_high=0.28 {DRY}", ("grpo.clip_high",), f"zero grpo.clip_high=0.28 {DRY}"),
    "TRL: loss_type": Mistake(f"zero loss_type=dapo {DRY}", ("grpo.algorithm",), f"zero grpo.algorithm=dapo {DRY}"),
    "TRL: save_steps": Mistake(f"zero save_steps=10 {DRY}", ("save_every",), f"zero save_every=10 {DRY}"),
    "TRL: learning_rate": Mistake(f"zero --learning_rate 1e-5 {DRY}", ("grpo.learning_rate",), f"zero --grpo.learning_rate 1e-5 {DRY}"),
    "verl: kl_coef": Mistake(f"zero algorithm.kl_ctrl.kl_coef=0.01 {DRY}", ("grpo.beta",), f"zero grpo.beta=0.01 {DRY}"),
    "verl: rollout.n": Mistake(f"zero actor_rollout_ref.rollout.n=4 {DRY}", ("grpo.group_size",), f"zero grpo.group_size=4 {DRY}"),
    "verl: train_batch_size": Mistake(
        f"zero data.train_batch_size=16 {DRY}", ("grpo.prompts_per_step",), f"zero grpo.prompts_per_step=16 {DRY}"
    ),
    "verl: train_files": Mistake(f"zero data.train_files=rows.jsonl {DRY}", ("tasks",), f"zero tasks=rows.jsonl {DRY}"),
    "OpenRLHF: n_samples_per_prompt": Mistake(
        f"zero --n_samples_per_prompt 4 {DRY}", ("grpo.group_size",), f"zero grpo.group_size=4 {DRY}"
    ),
    "OpenRLHF: init_kl_coef": Mistake(f"zero --init_kl_coef 0.01 {DRY}", ("grpo.beta",), f"zero grpo.beta=0.01 {DRY}"),
    "initials: lr": Mistake(f"zero lr=1e-5 {DRY}", ("grpo.learning_rate",), f"zero grpo.learning_rate=1e-5 {DRY}"),
    # typing
    "a command misspelt": Mistake("zeor", ("zero",), "zero --help"),
    "a key misspelt": Mistake(f"zero grpo.stpes=5 {DRY}", ("grpo.steps",), f"zero grpo.steps=5 {DRY}"),
    "a key without its section": Mistake(f"zero steps=5 {DRY}", ("grpo.steps",), f"zero grpo.steps=5 {DRY}"),
    "an option misspelt": Mistake("zero --dryrun", ("--dry-run",), f"zero {DRY}"),
    "a word for a number": Mistake(f"zero grpo.steps=many {DRY}", ("grpo.steps", "many"), f"zero grpo.steps=5 {DRY}"),
    "a number below its bound": Mistake(f"zero grpo.group_size=1 {DRY}", ("grpo.group_size", "2"), f"zero grpo.group_size=2 {DRY}"),
    "a key without a value": Mistake(f"zero grpo.steps {DRY}", ("grpo.steps",), f"zero grpo.steps=5 {DRY}"),
    "an option without a value": Mistake("eval --model", ("--model",), "eval --help"),
    "an algorithm misspelt": Mistake(f"zero grpo.algorithm=dappo {DRY}", ("dapo",), f"zero grpo.algorithm=dapo {DRY}"),
    "a preset misspelt": Mistake(f"zero preset=r1-zero {DRY}", ("r1-zero-v1",), f"zero preset=r1-zero-v1 sampling.max_tokens=400 {DRY}"),
    "a reward misspelt": Mistake(f"zero reward=[acuracy] {DRY}", ("accuracy",), f"zero reward=[accuracy] {DRY}"),
    "a template misspelt": Mistake(f"zero template=chatlm {DRY}", ("chatml",), f"zero template=tiny {DRY}"),
    "a device that is not here": Mistake(f"zero device=gpu {DRY}", ("device", "cuda"), f"zero device=cpu {DRY}"),
    "a learning rate that cannot be meant": Mistake(
        f"zero grpo.learning_rate=50 {DRY}", ("learning_rate", "50"), f"zero grpo.learning_rate=5e-5 {DRY}"
    ),
    "temperature 0 in training": Mistake(f"zero sampling.temperature=0 {DRY}", ("temperature", "1"), f"zero sampling.temperature=1 {DRY}"),
    "top_p in training": Mistake(f"zero sampling.top_p=0.9 {DRY}", ("top_p",), f"zero {DRY}"),
    # tasks
    "a task misspelt": Mistake("eval --task countdwon", ("countdown",), "eval --task countdown --problems 1 --samples 1 --max-tokens 8"),
    "a task misspelt in a list": Mistake(f"zero tasks=[countdwon] {DRY}", ("countdown",), f"zero tasks=[countdown] {DRY}"),
    "a data set of reasoning-gym misspelt": Mistake(
        f"zero --task reasoning-gym:leg_countin {DRY}", ("leg_counting",), f"zero --task reasoning-gym:leg_counting {DRY}"
    ),
    "a task file that is not there": Mistake(f"zero --task row.jsonl {DRY}", ("row.jsonl",), f"zero --task rows.jsonl {DRY}"),
    "a task without a name": Mistake(f"zero --task reasoning-gym: {DRY}", ("reasoning-gym:",), f"zero --task countdown {DRY}"),
    # data
    "a data file that is not there": Mistake(f"sft --data chat.jsonl {DRY}", ("chat.jsonl",), f"sft --data chats.jsonl {DRY}"),
    "no data file": Mistake(f"sft {DRY}", ("--data",), f"sft --data chats.jsonl {DRY}"),
    "an empty file": Mistake("data empty.jsonl", ("empty.jsonl", "no rows"), "data rows.jsonl"),
    "a file that was cut": Mistake("data cut.jsonl", ("row 2",), "data rows.jsonl"),
    "a spreadsheet": Mistake("data table.xlsx", (".csv",), "data rows.jsonl"),
    "text under the name of a Parquet file": Mistake("data fake.parquet", ("Parquet",), "data rows.jsonl"),
    "columns of other names": Mistake(
        f"zero --task columns.jsonl {DRY}",
        ("q", "meta"),
        f'zero "tasks=[{{task: {{kind: dataset, path: columns.jsonl, problem_column: q, answer_column: meta.gold}}}}]" {DRY}',
    ),
    "no answers": Mistake(f"zero --task no_answers.jsonl {DRY}", ("answer",), f"zero --task rows.jsonl {DRY}"),
    "one row without an answer": Mistake(
        f"zero --task one_empty.jsonl {DRY}",
        ("row 4", "unusable"),
        f'zero "tasks=[{{task: {{kind: dataset, path: one_empty.jsonl, unusable: drop}}}}]" {DRY}',
    ),
    "pairs without a rejected answer": Mistake(
        f"reward-model --data only_chosen.jsonl {DRY}", ("rejected",), f"reward-model --data pairs.jsonl {DRY}"
    ),
    "conversations for a reward model": Mistake(
        f"reward-model --data chats.jsonl {DRY}", ("chosen", "rejected"), f"reward-model --data pairs.jsonl {DRY}"
    ),
    "pairs for fine-tuning": Mistake(f"sft --data rows.csv {DRY}", ("rows.csv",), f"sft --data chats.jsonl {DRY}"),
    "a label that is empty": Mistake(
        f"reward-model --criterion safety --data half_labelled.jsonl {DRY}", ("label",), f"reward-model --data pairs.jsonl {DRY}"
    ),
    # models
    "a model folder that is not there": Mistake(f"zero --model ./modle {DRY}", ("modle",), f"zero --model tiny {DRY}"),
    "a folder without a model": Mistake(f"zero --model no_model {DRY}", ("config.json",), f"zero --model tiny {DRY}"),
    "a recipe for a model": Mistake(f"zero --model tiny/zero {DRY}", ("tiny/zero",), f"zero --recipe tiny/zero {DRY}"),
    # recipes
    "a recipe misspelt": Mistake(f"zero --recipe tiny/zeor {DRY}", ("tiny/zero",), f"zero --recipe tiny/zero {DRY}"),
    "a recipe of another command": Mistake(f"zero --recipe tiny/sft {DRY}", ("sft",), f"sft --data chats.jsonl --recipe tiny/sft {DRY}"),
    "tabs in YAML": Mistake(f"zero --recipe tabs.yaml {DRY}", ("line 2",), f"zero --recipe recipe.yaml {DRY}"),
    "a key misspelt in YAML": Mistake(f"zero --recipe typo.yaml {DRY}", ("grpo.steps",), f"zero --recipe recipe.yaml {DRY}"),
    "an empty recipe": Mistake(f"zero --recipe empty.yaml {DRY}", ("empty.yaml",), f"zero --recipe recipe.yaml {DRY}"),
    "a recipe that is a folder": Mistake(f"zero --recipe a_folder {DRY}", ("a_folder",), f"zero --recipe recipe.yaml {DRY}"),
    # own code
    "a reward file that is not there": Mistake(
        f"zero reward=[accuracy,my_reward.py:brevity] {DRY}", ("my_reward.py",), f"zero reward=[accuracy,my_rewards.py:brevity] {DRY}"
    ),
    "a reward function that is not there": Mistake(
        f"zero reward=[accuracy,my_rewards.py:brevty] {DRY}", ("brevity",), f"zero reward=[accuracy,my_rewards.py:brevity] {DRY}"
    ),
    # runs
    "a run on a finished one": Mistake(f"zero --out finished {' '.join(SHORT)}", ("finished", "--resume"), "zero --out finished --resume"),
    "resume of nothing": Mistake("zero --out runs/none --resume", ("runs/none", "no run"), "zero --out runs/none --dry-run"),
    "resume with another value": Mistake(
        "zero --out finished --resume grpo.group_size=4", ("grpo.group_size", "2", "4"), "zero --out finished --resume"
    ),
    "report on what is no run": Mistake("report a_folder", ("a_folder",), "report finished"),
    "explain what is no checkpoint": Mistake("explain a_folder", ("a_folder",), "explain finished/checkpoints/step-000002"),
    "status of what is no pipeline": Mistake("status a_folder", ("a_folder",), "report finished"),
    "evaluation of a torn checkpoint": Mistake(
        "eval --model torn/checkpoints/step-000002", ("model.safetensors",), "eval --model finished --problems 1 --samples 1 --max-tokens 8"
    ),
    "an evaluation into a file": Mistake(
        "eval --out notes.txt", ("notes.txt", "folder"), "eval --out evaluations/a --problems 1 --samples 1 --max-tokens 8"
    ),
    "judging a file without golds": Mistake("verify math no_answers.jsonl", ("no_answers.jsonl",), "verify --help"),
}


@pytest.fixture(scope="module", autouse=True)
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(checks, "MOST_CHECKED", 10)  # generated problems; each remedy checks them again
        make_desk(folder)
        yield folder


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_its_remedy_works(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    mistake = MISTAKES[name]
    capsys.readouterr()
    assert main(mistake.wrong.split()) == 2
    printed = capsys.readouterr()
    line = printed.err.rstrip("\n").rpartition("\n")[2]
    assert line.startswith("dunwu: ")
    assert "Traceback" not in printed.err
    assert [word for word in mistake.says if word not in line] == [], line
    code = _follow(mistake.right)
    assert code == 0, capsys.readouterr().err


def test_there_are_sixty() -> None:
    assert len(MISTAKES) >= 60


def _follow(command: str) -> int:
    """The exit code of the remedy; `--help` ends the process."""
    try:
        return main(shlex.split(command))
    except SystemExit as leaving:
        return int(leaving.code or 0)
