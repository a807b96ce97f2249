"""Attention for training is there while a scorer's forward pass runs, and at no other time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dunwu.config.load import load_config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.data.io.chat_examples import Example
from dunwu.models.precision import attention, checkpoint_activations
from dunwu.trainers.scoring import TorchScorer, make_scorer
from dunwu.trainers.sft_scoring import PackedTorchScorer, make_example_scorer
from dunwu.types import Rollout

NewPolicy = Callable[..., Any]
OneRollout = Callable[..., Rollout]


def example(seed: int, length: int) -> Example:
    ids = np.random.default_rng(seed).integers(20, 500, length).astype(np.int32)
    return Example(ids, np.arange(length) > 1, f"row {seed}")


EXAMPLES = (example(1, 9), example(2, 5))


def test_constructing_a_scorer_or_a_trainer_changes_nothing(new_policy: NewPolicy, update_of: Callable[..., Any]) -> None:
    model = new_policy()
    before = model.config._attn_implementation
    for make in (
        lambda: TorchScorer(model, 1.0, "float32", 1),
        lambda: PackedTorchScorer(model, "float32"),
        lambda: make_scorer(model, 1.0, "auto", 1),
        lambda: make_example_scorer(model, "auto"),
        lambda: update_of(model, "grpo.beta=0.1", "matmul_precision=float32"),
        lambda: update_of(model, "gradient_checkpointing=true"),
    ):
        make()
        assert model.config._attn_implementation == before


def test_two_scorers_on_one_model_do_not_disturb_each_other(new_policy: NewPolicy, one_rollout: OneRollout) -> None:
    rollouts = [one_rollout([5, 6], [7, 8, 9], 1.0), one_rollout([5], [7], 0.0)]
    alone = TorchScorer(new_policy(), 1.0, "float32", 1)(rollouts)[0], PackedTorchScorer(new_policy(), "float32")(EXAMPLES).logprobs_N
    model = new_policy()
    before = model.config._attn_implementation
    rows, packed = TorchScorer(model, 1.0, "float32", 1), PackedTorchScorer(model, "float32")
    for _ in range(2):
        assert torch.equal(rows(rollouts)[0], alone[0])
        assert torch.equal(packed(EXAMPLES).logprobs_N, alone[1])
        assert model.config._attn_implementation == before


def test_an_exception_in_the_forward_pass_restores_it(new_policy: NewPolicy) -> None:
    model = new_policy()
    before, seen = model.config._attn_implementation, list[str]()

    def fail(*arguments: Any) -> None:
        seen.append(model.config._attn_implementation)
        raise RuntimeError("no")

    model.model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="no"):
        PackedTorchScorer(model, "float32")(EXAMPLES)
    assert seen == ["packed_causal_float32"]
    assert model.config._attn_implementation == before
    with attention(model), pytest.raises(RuntimeError, match="no"):
        model(torch.tensor([[5, 6]]))
    assert model.config._attn_implementation == before


def test_layers_that_are_computed_again_attend_as_in_the_forward_pass(new_policy: NewPolicy) -> None:
    """Packed conversations would see each other by the model's own attention."""

    def gradients(checkpointed: bool) -> list[Tensor]:
        model = new_policy().train()
        if checkpointed:
            checkpoint_activations(model)
        PackedTorchScorer(model, "float32")(EXAMPLES).logprobs_N.sum().backward()
        assert model.config._attn_implementation == new_policy().config._attn_implementation
        return [parameter.grad for parameter in model.parameters()]

    for one, other in zip(gradients(False), gradients(True), strict=True):
        assert torch.equal(one, other)


def test_a_reward_model_trainer_leaves_its_model_as_it_was(world_tokenizer: Any, tmp_path: Any, new_policy: NewPolicy) -> None:
    from dunwu.data.io.preferences import Pair, user_turn
    from dunwu.models.heads import load_scorer
    from dunwu.trainers.reward_model import RewardModelTrainer
    from dunwu.trainers.reward_model_examples import Example as Compared

    new_policy().save_pretrained(tmp_path)
    world_tokenizer.save_pretrained(tmp_path)
    model, tokenizer = load_scorer(str(tmp_path), seed=0)
    before = model.config._attn_implementation
    pairs = [Compared(((5, 6, 7), (5, 6)), (3, 2), 1, 1.0, Pair(user_turn("q"), "a", "b")) for _ in range(4)]
    config = load_config(RewardModelConfig, None, ["data=x", "batch_size=2", "balance_lengths=false"])
    trainer = RewardModelTrainer(config, model, tokenizer, pairs, pairs)
    assert model.config._attn_implementation == before
    assert trainer.scores(pairs).shape == (4, 2)
    assert model.config._attn_implementation == before
