"""The algorithm in one file runs, moves the weights, and learns."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from dunwu.models.loading import load_model, save_model
from dunwu.types import Problem, Reward, Verdict

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal_grpo.py"


def load_example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("minimal_grpo", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["minimal_grpo"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


example = load_example()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random model of one layer that reads and writes bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|end|>": 0} | {letter: i + 1 for i, letter in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        eos_token_id=0,
        bos_token_id=None,
    )
    folder = tmp_path_factory.mktemp("bytes")
    save_model(
        Qwen2ForCausalLM(config), PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>"), folder
    )
    return str(folder)


def share_of_capitals(problem: Problem, text: str) -> Reward:
    """A reward that a random model sometimes earns; it fails now and then, as verifiers do."""
    if text.startswith("7"):
        return Reward(None, {}, Verdict(None, "timeout"))
    return Reward(sum(letter.isascii() and letter.isupper() for letter in text) / max(len(text), 1), {}, Verdict(1.0, "correct"))


def parameters(model: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"minibatches": 2, "beta": 0.1, "reference_every": 1},
        {"algorithm": "grpo-r1-output", "minibatches": 3},
        {"algorithm": "dr-grpo"},
        {"algorithm": "cispo", "minibatches": 2},
    ],
    ids=["plain", "clip-and-kl", "ratio-per-output", "dr-grpo", "cispo"],
)
def test_two_steps_move_every_weight(checkpoint: str, options: dict[str, object]) -> None:
    settings = example.Settings(steps=2, prompts=3, group_size=4, micro_batch=5, max_tokens=6, learning_rate=1e-3, device="cpu", **options)
    model, tokenizer = load_model(checkpoint)
    before = parameters(model)
    metrics = list(example.train(model, tokenizer, share_of_capitals, settings))
    assert [m["step"] for m in metrics] == [1, 2]
    assert all(math.isfinite(value) for m in metrics for value in m.values())
    assert all(0 <= m["reward"] <= 1 for m in metrics)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert all(not torch.equal(p, q) for p, q in zip(parameters(model), before, strict=True))
    if settings.minibatches == 1:
        assert all(m["clip_ratio"] == 0 for m in metrics)


def test_the_size_of_micro_batches_does_not_matter(checkpoint: str) -> None:
    weights = []
    for micro_batch in (3, 12):
        settings = example.Settings(steps=1, prompts=3, group_size=4, micro_batch=micro_batch, max_tokens=6, device="cpu")
        model, tokenizer = load_model(checkpoint)
        list(example.train(model, tokenizer, share_of_capitals, settings))
        weights.append(parameters(model))
    for one, other in zip(*weights, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-6)


def test_the_reward_goes_up(checkpoint: str) -> None:
    settings = example.Settings(steps=25, prompts=8, group_size=8, max_tokens=6, learning_rate=1e-2, device="cpu")
    model, tokenizer = load_model(checkpoint)
    rewards = [m["reward"] for m in example.train(model, tokenizer, share_of_capitals, settings)]
    assert rewards[0] < 0.3
    assert sum(rewards[-3:]) / 3 > 0.7


def test_the_command_line_with_the_rule_reward(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    example.main([checkpoint, "--steps", "2", "--prompts", "2", "--group-size", "2", "--max-tokens", "4", "--device", "cpu"])
    first, *lines = capsys.readouterr().out.splitlines()
    assert "clipped_per_token" in first
    assert len(lines) == 2
    # Random bytes are no answer: reward 0 for all, every group dead, and nothing to learn from.
    assert all("reward 0  dead_groups 1 " in line and "grad_norm 0 " in line for line in lines)


def test_a_mistake_of_the_user_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such-model")
    done = subprocess.run([sys.executable, str(EXAMPLE), missing, "--device", "cpu"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert missing in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
