"""Packed conversations score as each does alone, in torch and natively."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from dunwu.config.pretrain import ModelShape
from dunwu.data.io.chat_examples import Example
from dunwu.models.native import NativeUnavailable
from dunwu.models.new import new_model
from dunwu.trainers import sft_scoring
from dunwu.trainers.sft_scoring import NativePackedScorer, PackedTorchScorer, make_example_scorer

NewPolicy = Callable[..., Any]


def example(seed: int, length: int, learned: Sequence[int]) -> Example:
    ids = np.random.default_rng(seed).integers(20, 500, length).astype(np.int32)
    mask = np.zeros(length, np.bool_)
    mask[list(learned)] = True
    return Example(ids, mask, f"row {seed}")


EXAMPLES = (
    example(1, 9, [4, 5, 7, 8]),  # two turns
    example(2, 2, [1]),
    example(3, 14, range(3, 14)),
    example(4, 5, [1, 4]),
)


def gradients(model: Any, scored: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    model.zero_grad()
    torch.cat(list(scored)).sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


def test_scores_are_the_models_own(new_policy: NewPolicy) -> None:
    model, plain = new_policy(), new_policy()
    for one in EXAMPLES:
        with torch.no_grad():
            logprobs = plain(torch.from_numpy(one.ids)[None].long()).logits[0].log_softmax(-1)
        places = one.learned.nonzero()[0]
        expected = torch.stack([logprobs[t - 1, one.ids[t]] for t in places])
        entropies = torch.stack([-(logprobs[t - 1].exp() * logprobs[t - 1]).sum() for t in places])
        found = PackedTorchScorer(model, "float32")([one])
        torch.testing.assert_close(found.logprobs_N, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.entropies_N, entropies, atol=1e-5, rtol=1e-5)
        assert found.hits_N is not None
        assert found.hits_N.tolist() == [int(logprobs[t - 1].argmax()) == int(one.ids[t]) for t in places]


SHAPE = {
    "vocab_size": 500,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_packed_is_one_by_one(kind: str) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SHAPE))
    scorer = PackedTorchScorer(model, "float32")
    packed, alone = scorer(EXAMPLES), [scorer([one]) for one in EXAMPLES]
    torch.testing.assert_close(packed.logprobs_N, torch.cat([one.logprobs_N for one in alone]), atol=1e-6, rtol=1e-5)
    together = gradients(model, [packed.logprobs_N])
    apart = gradients(model, [scorer([one]).logprobs_N for one in EXAMPLES])
    for a, b in zip(together, apart, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_no_conversation_sees_another() -> None:
    """Other tokens before it change no bit of a conversation's scores, and its scores send no gradient to them.

    As many tokens before it, as many of them learned: products of other shapes may be rounded differently."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SHAPE))  # untied: the input's gradient by itself
    scorer = PackedTorchScorer(model, "float32")
    first, second, other = EXAMPLES[0], EXAMPLES[2], example(5, len(EXAMPLES[0].ids), [4, 5, 7, 8])
    found = scorer([first, second]).logprobs_N[first.targets :]
    assert torch.equal(found, scorer([other, second]).logprobs_N[other.targets :])
    found.sum().backward()
    read = model.model.embed_tokens.weight.grad.abs().sum(1)
    assert (read[second.ids[:-1]] > 0).all()
    assert read[sorted(set(first.ids.tolist()) - set(second.ids.tolist()))].sum() == 0


def test_positions_begin_anew_with_each_conversation(new_policy: NewPolicy) -> None:
    """Rotary attention would not show it: it sees differences of positions only, until they leave the range it was trained for."""
    model, seen = new_policy(), []
    model.model.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs["position_ids"]), with_kwargs=True)
    PackedTorchScorer(model, "float32")(EXAMPLES[:3])
    assert seen[0].tolist() == [[*range(9), *range(2), *range(14)]]


def test_attention_over_the_whole_row_would_show(new_policy: NewPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = PackedTorchScorer(new_policy(), "float32")
    right = scorer(EXAMPLES).logprobs_N

    def over_all(module: Any, *tensors: Any, packed_lengths: Sequence[int], **kwargs: Any) -> Any:
        return sft_scoring.packed_attention(module, *tensors, packed_lengths=[sum(packed_lengths)], **kwargs)

    monkeypatch.setitem(sft_scoring.ALL_ATTENTION_FUNCTIONS, sft_scoring.PACKED, over_all)
    wrong = scorer(EXAMPLES).logprobs_N
    count = EXAMPLES[0].targets
    assert torch.equal(right[:count], wrong[:count])
    assert (right[count:] - wrong[count:]).abs().max() > 1e-4


def test_chunks_of_the_vocabulary_change_nothing(new_policy: NewPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    model = new_policy()
    whole = PackedTorchScorer(model, "float32")(EXAMPLES)
    monkeypatch.setattr(sft_scoring, "LOGITS_AT_ONCE", 3 * model.config.vocab_size)
    parts = PackedTorchScorer(model, "float32")(EXAMPLES)
    torch.testing.assert_close(parts.logprobs_N, whole.logprobs_N)
    assert whole.hits_N is not None
    assert parts.hits_N is not None
    assert torch.equal(parts.hits_N, whole.hits_N)


def test_native_scores_are_those_of_torch(world_tokenizer: Any) -> None:
    shape = ModelShape(hidden=64, layers=2, heads=2, kv_heads=1, intermediate=96, max_positions=64)
    model = new_model(shape, world_tokenizer, 0)
    try:
        native = NativePackedScorer(model)
    except NativeUnavailable as reason:
        pytest.skip(f"no native scorer: {reason}")
    found = native(EXAMPLES)
    close = gradients(model, [found.logprobs_N])
    exact = PackedTorchScorer(model, "float32")(EXAMPLES)
    torch.testing.assert_close(found.logprobs_N, exact.logprobs_N, atol=0.02, rtol=0)
    torch.testing.assert_close(found.entropies_N, exact.entropies_N, atol=0.02, rtol=0)
    assert found.hits_N is None
    for a, b in zip(close, gradients(model, [exact.logprobs_N]), strict=True):
        assert (a - b).norm() < 0.03 * b.norm() + 1e-3


def test_what_cannot_be_native_is_torch_and_says_why(new_policy: NewPolicy) -> None:
    model = new_policy()
    assert make_example_scorer(model, "float32").name == "torch, float32"
    assert make_example_scorer(model, "auto", native=False).name == "torch, float32"
    model.model.layers[0].self_attn.k_proj.weight.requires_grad_(False)
    assert make_example_scorer(model, "bfloat16").name.startswith("torch, bfloat16 (")
