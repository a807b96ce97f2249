"""Keys of TRL, verl and OpenRLHF: every answer names a key that exists, and every command has an answer to each."""

from __future__ import annotations

import re

import pytest

from dunwu.config.base import Config
from dunwu.config.known_keys import known_keys
from dunwu.config.load import load_config, validate
from dunwu.config.peer_keys import OPENRLHF, PEERS, TRL, VERL, peer_hint
from dunwu.config.recipes import find_recipe
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.errors import ConfigError

MODELS: dict[str, type[Config]] = {"zero": ZeroConfig, "sft": SftConfig, "reward-model": RewardModelConfig}
KEYS = {name: set(known_keys(model, {})) for name, model in MODELS.items()}
EVERY = set().union(*KEYS.values(), known_keys(EvalConfig, {}))
WORDS = {"accuracy", "format", "repetition", "kind", "weight", "model", "dunwu", "passes", "margin"}


def test_every_answer_names_a_key_that_exists() -> None:
    named = {answer.partition(" ")[0] for answers in PEERS.values() for answer in answers if not answer.startswith("!")}
    assert named - EVERY == set()
    inside = {word for answers in PEERS.values() for answer in answers for word in re.findall(r"\b[a-z]+(?:[._][a-z0-9_]+)+\b", answer)}
    assert {word for word in inside if not word.endswith((".py", ".jsonl"))} - EVERY == set()


@pytest.mark.parametrize("command", MODELS)
def test_every_command_answers_every_key_that_is_not_its_own(command: str) -> None:
    silent = {key for key in PEERS if key not in KEYS[command] and not peer_hint(key, KEYS[command])}
    assert silent <= {key for key in PEERS if command != "zero" and PEERS[key] == ("engine.max_batch",)}


@pytest.mark.parametrize(
    ("command", "key", "ours"),
    [
        ("zero", "num_generations", "grpo.group_size"),
        ("zero", "max_steps", "grpo.steps"),
        ("sft", "max_steps", "epochs"),
        ("sft", "num_train_epochs", "epochs"),
        ("zero", "n_epochs", "grpo.steps"),
        ("sft", "steps", "epochs"),
        ("sft", "sft.max_steps", "epochs"),
        ("sft", "sft.batch_sizes", "batch_size"),
        ("zero", "num_train_epochs", "grpo.steps"),
        ("zero", "learning_rate", "grpo.learning_rate"),
        ("reward-model", "lr", "learning_rate"),
        ("zero", "kl_coef", "grpo.beta"),
        ("zero", "epsilon_high", "grpo.clip_high"),
        ("zero", "max_completion_length", "sampling.max_tokens"),
        ("reward-model", "max_length", "max_tokens"),
        ("zero", "grpo.num_generations", "grpo.group_size"),
        ("zero", "actor_rollout_ref.rollout.n", "grpo.group_size"),
        ("zero", "actor_rollout_ref.actor.optim.lr", "grpo.learning_rate"),
        ("sft", "data.train_files", "data"),
        ("zero", "data.train_batch_size", "grpo.prompts_per_step"),
        ("zero", "algorithm.adv_estimator", "grpo.algorithm"),
        ("zero", "trainer.total_epochs", "grpo.steps"),
        ("zero", "n_samples_per_prompt", "grpo.group_size"),
        ("zero", "rollout.n_samples_per_prompt", "grpo.group_size"),
        ("sft", "pretrain", "model"),
        ("zero", "vllm_gpu_memory_utilization", "engine.max_batch"),
        ("sft", "per_device_train_batch_size", "batch_size"),
        ("zero", "output_dir", "--out"),
        ("zero", "gradient-accumulation-steps", "grpo.prompts_per_step"),
    ],
)
def test_the_right_key_is_named_on_the_command_line_and_in_python(command: str, key: str, ours: str) -> None:
    nested: object = 8
    for part in reversed(key.split(".")):
        nested = {part: nested}
    assert isinstance(nested, dict)
    recipe = find_recipe("tiny", command)
    for tokens in ([f"{key}=8"], [f"--{key}", "8"]):
        with pytest.raises(ConfigError) as caught:
            load_config(MODELS[command], recipe, tokens)
        assert key in str(caught.value)
        assert re.search(rf"(?<![\w.]){re.escape(ours)}(?![\w.])", str(caught.value))
    if key != "data.train_files":  # in Python data is a text here, and a mapping is refused as such
        with pytest.raises(ConfigError, match=re.escape(ours)):
            validate(MODELS[command], {**({"data": "x"} if command == "sft" else {}), **nested})


def test_an_evaluation_answers_to_the_limit_of_other_harnesses() -> None:
    with pytest.raises(ConfigError, match="did you mean problems"):
        load_config(EvalConfig, None, ["--limit", "8"])
    with pytest.raises(ConfigError, match=r"grpo\.steps .*grpo.prompts_per_step"):
        load_config(ZeroConfig, None, ["--limit", "8"])


@pytest.mark.parametrize("flag", ["--bf16", "--use_vllm", "--packing", "--gradient_checkpointing_kwargs"])
def test_a_flag_without_a_value_is_answered_too(flag: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(SftConfig, find_recipe("tiny", "sft"), [flag])
    assert ("unknown key" in str(caught.value)) == (flag != "--gradient_checkpointing_kwargs")


def test_no_key_of_theirs_stands_in_two_tables() -> None:
    assert len(PEERS) == len({*TRL, *VERL, *OPENRLHF}) == len(TRL) + len(VERL) + len(OPENRLHF)


def test_a_removed_key_is_said_where_its_successor_is_only() -> None:
    with pytest.raises(ConfigError, match="unknown key thinker"):
        load_config(ZeroConfig, None, ["thinker=x"])
    with pytest.raises(ConfigError, match="no longer a key"):
        load_config(ZeroConfig, None, ["lora.dropout=0.1"])


@pytest.mark.parametrize("key", ["dataset_name", "eval_dataset", "data.train_files"])
def test_data_of_an_evaluation_is_its_task(key: str) -> None:
    with pytest.raises(ConfigError, match=r"did you mean task \("):
        load_config(EvalConfig, None, [f"{key}=gsm8k"])
