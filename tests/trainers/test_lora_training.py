"""GRPO on adapters: what is trained, what samples, the reference, and resumption; gradients with activation checkpointing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch

from dunwu.errors import Interrupted
from dunwu.models.loading import load_model
from dunwu.models.lora import add_lora
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.trainers.experience import make_experience

OpenTrainer = Callable[..., AbstractContextManager[Any]]
ZeroConfigOf = Callable[..., Any]
LORA = ("lora={rank: 4, alpha: 16}", "grpo.learning_rate=2e-2")
REFERENCE = ("grpo.beta=0.05", "grpo.reference_every=3", "grpo.minibatches=2")


def test_the_base_stays_and_the_adapter_learns(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    with open_trainer(tmp_path / "run", zero_config(*LORA)) as trainer:
        before = {name: tensor.clone() for name, tensor in trainer.policy.model.state_dict().items()}
        assert set(trainer.policy.optimiser.parameters) == {
            name for name in dict(trainer.policy.model.named_parameters()) if ".lora_" in name
        }
        rows = [trainer.step(step) for step in (1, 2, 3)]
        moved = {name for name, tensor in trainer.policy.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(".lora_" in name for name in moved)
    assert sum(row["updates"] for row in rows) >= 2
    assert max(row["mismatch"] for row in rows) < 1e-4  # the engine samples W + B A, the trainer computes W x + B (A x)


def test_an_engine_without_the_adapter_shows_in_the_mismatch(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    config = zero_config(*LORA)
    base = load_model(config.model)[0]
    with open_trainer(tmp_path / "run", config, engine_of=lambda _, tokenizer: TorchEngine(base, tokenizer)) as trainer:
        seen = [trainer.step(step)["mismatch"] for step in (1, 2, 3)]
    assert seen[0] < 1e-5  # the adapter is still 0
    assert seen[2] > 1e-2


def test_the_reference_is_the_base_and_costs_no_copy_of_it(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    config = zero_config(*LORA, "grpo.beta=0.05", "grpo.reference_every=0")
    base = load_model(config.model)[0].eval()
    with open_trainer(tmp_path / "run", config) as trainer:
        kl = [trainer.step(step)["kl"] for step in (1, 2, 3)]
        policy, reference = trainer.policy.model, trainer.policy.reference
    assert kl[0] == pytest.approx(0.0, abs=1e-6)
    assert kl[2] > 1e-4
    for (name, ours), theirs in zip(policy.named_parameters(), reference.parameters(), strict=True):
        assert (ours is theirs) == (".lora_" not in name)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        expected, found, trained = (model(input_ids=ids).logits for model in (base, reference.eval(), policy.eval()))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (trained - expected).abs().max() > 1e-3


def test_the_reference_is_renewed_with_the_adapter(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    with open_trainer(tmp_path / "run", zero_config(*LORA, "grpo.beta=0.05", "grpo.reference_every=2")) as trainer:
        kl = [trainer.step(step)["kl"] for step in (1, 2, 3, 4)]
        saved = trainer.policy.reference_parameters()
    assert kl[1] > 1e-5
    assert kl[2] == pytest.approx(0.0, abs=1e-6)
    assert kl[3] > 1e-5
    assert all(".lora_" in name for name in saved)


@pytest.mark.parametrize("more", [(), REFERENCE], ids=["beta-0", "reference"])
def test_stopped_and_resumed_is_uninterrupted(
    more: tuple[str, ...],
    open_trainer: OpenTrainer,
    train_until: Callable[..., Path],
    zero_config: ZeroConfigOf,
    same_files: Callable[[Path, Path], None],
    timeless: Callable[[Path], list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    """From the adapter and the untouched base: merged weights, adapter, optimiser, reference and metrics to the byte."""
    config = zero_config(*LORA, *more)

    def train(path: Path, resume: bool = False, stop: int = 0) -> Path:
        with open_trainer(path, config, resume=resume) as trainer:
            return train_until(trainer.run, trainer, config, config.grpo.steps, stop)

    whole = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "run", stop=3)
    resumed = train(tmp_path / "run", resume=True)
    same_files(whole, resumed)
    assert (whole / "adapter" / "adapter_model.safetensors").is_file()
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "run")


@pytest.mark.parametrize("lora", [False, True])
def test_activation_checkpointing_leaves_gradients_as_they_are(
    lora: bool, new_policy: Callable[..., Any], update_of: Callable[..., Any], make_groups: Callable[..., Any], zero_config: ZeroConfigOf
) -> None:
    found = []
    for on in (False, True):
        model = new_policy()
        if lora:
            add_lora(model, zero_config(*LORA).lora, 0)
        update = update_of(model, f"gradient_checkpointing={on}".lower(), "matmul_precision=float32")
        experience = make_experience(make_groups([[1.0, 0.0, 0.5, 0.0]]), update.algorithm)
        calls: list[int] = []
        model.model.layers[0].mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        update.scorer(experience.rollouts)[0].sum().backward()
        found.append([parameter.grad for parameter in model.parameters() if parameter.requires_grad])
        assert len(calls) == (2 if on else 1)  # the backward pass computes the layer again
    assert any(bool(gradient.any()) for gradient in found[0])
    assert all(torch.equal(plain, again) for plain, again in zip(*found, strict=True))
