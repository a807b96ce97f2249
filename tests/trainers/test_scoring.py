"""Rows of scores by hand, and the native scorer against torch's."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from dunwu.models.native import NativeUnavailable
from dunwu.trainers.scoring import NativeRowScorer, TorchScorer, behaviour_logprobs, make_scorer, sampled_mask
from dunwu.types import Rollout, TokenSequence

CPU = torch.device("cpu")
NewPolicy = Callable[[], Any]
OneRollout = Callable[..., Rollout]


def test_rows_by_hand(one_rollout: OneRollout) -> None:
    rollouts = [one_rollout([5, 6], [7, 8, 9], 1.0, [-0.1, -0.2, -0.3]), one_rollout([5], [7], 0.0, [-0.4])]
    assert sampled_mask(rollouts, CPU).tolist() == [[True, True, True], [True, False, False]]
    torch.testing.assert_close(behaviour_logprobs(rollouts, CPU), torch.tensor([[-0.1, -0.2, -0.3], [-0.4, 0, 0]]))


def test_one_logprob_for_many_tokens_is_no_broadcast() -> None:
    with pytest.raises(AssertionError, match="one entry per token"):
        TokenSequence.drawn((7, 8, 9), (-0.1,), 0)


def test_torch_rows_are_the_models(one_rollout: OneRollout, new_policy: NewPolicy) -> None:
    model = new_policy()
    rollouts = [one_rollout([5, 6], [7, 8, 9], 1.0), one_rollout([5], [7], 0.0)]
    found, entropies = TorchScorer(model, 0.7, "float32", pad=1)(rollouts)
    for row, rollout in enumerate(rollouts):
        ids = [*rollout.prompt.token_ids, *rollout.completion.tokens.ids]
        logprobs = (model(torch.tensor([ids])).logits[0] / 0.7).log_softmax(-1)
        for i, token in enumerate(rollout.completion.tokens.ids):
            at = logprobs[len(rollout.prompt.token_ids) + i - 1]
            assert found[row, i].item() == pytest.approx(at[token].item(), abs=1e-5)
            assert entropies[row, i].item() == pytest.approx(-(at.exp() * at).sum().item(), abs=1e-5)
    assert found[1, 1:].tolist() == [0.0, 0.0]


def test_what_cannot_be_native_is_torch_and_says_why(new_policy: NewPolicy) -> None:
    model = new_policy()
    model.model.layers[0].self_attn.k_proj.weight.requires_grad_(False)
    for asked, got in (("auto", "torch, float32 ("), ("bfloat16", "torch, bfloat16 (")):
        assert make_scorer(model, 1.0, asked, 1).name.startswith(got)  # type: ignore[arg-type]
    assert make_scorer(new_policy(), 1.0, "float32", 1).name == "torch, float32"


def test_native_micro_batches_keep_order_and_budget(one_rollout: OneRollout, new_policy: NewPolicy) -> None:
    try:
        scorer = NativeRowScorer(new_policy(), 1.0)
    except NativeUnavailable as reason:
        pytest.skip(f"no native scorer: {reason}")
    rollouts = [one_rollout([5, 6], [7] * n, 1.0) for n in (3, 3, 5, 1, 20, 1)]
    assert scorer.micro_batches(rollouts, 10) == [[0, 1], [2, 3], [4], [5]]
