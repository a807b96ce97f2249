"""The trainer's log-probabilities against the plain computation over all logits."""

from typing import Any

import pytest
import torch

from dunwu.models.logprobs import token_logprobs

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture
def batch() -> Batch:
    """Three right-padded rows: token ids, attention mask, completion mask."""
    ids = torch.randint(2, 50, (3, 12), generator=torch.Generator().manual_seed(0))
    attention, scored = torch.zeros(3, 12, dtype=torch.int64), torch.zeros(3, 12, dtype=torch.bool)
    for row, (start, end) in enumerate([(4, 12), (1, 3), (6, 9)]):
        ids[row, end:] = 0
        attention[row, :end] = 1
        scored[row, start:end] = True
    return ids, attention, scored


def plain(model: Any, batch: Batch, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    ids, attention, scored = batch
    logps = (model(input_ids=ids, attention_mask=attention).logits.float() / temperature).log_softmax(-1)[:, :-1]
    taken = logps.gather(-1, ids[:, 1:, None])[..., 0]
    entropy = torch.distributions.Categorical(logits=logps).entropy()
    zero = torch.zeros(3, 1)
    return tuple(torch.cat((zero, values), dim=1) * scored for values in (taken, entropy))  # type: ignore[return-value]


@pytest.mark.parametrize("chunk", [0, 1, 4, 13])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_values_equal_the_plain_computation(tiny_model: Any, batch: Batch, temperature: float, chunk: int) -> None:
    logprobs, entropies = token_logprobs(tiny_model, *batch, temperature, chunk)
    expected = plain(tiny_model, batch, temperature)
    torch.testing.assert_close(logprobs, expected[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(entropies, expected[1], atol=1e-5, rtol=0)
    assert not entropies.requires_grad


@pytest.mark.parametrize("chunk", [0, 4])
def test_gradients_equal_the_plain_computation(tiny_model: Any, batch: Batch, chunk: int) -> None:
    weight = torch.randn(3, 12, generator=torch.Generator().manual_seed(1))
    gradients = []
    for values in (token_logprobs(tiny_model, *batch, 0.8, chunk)[0], plain(tiny_model, batch, 0.8)[0]):
        tiny_model.zero_grad()
        (values * weight).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in tiny_model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_padding_has_no_influence(tiny_model: Any, batch: Batch) -> None:
    ids, attention, scored = batch
    other = torch.where(attention.bool(), ids, torch.full_like(ids, 37))
    torch.testing.assert_close(
        token_logprobs(tiny_model, other, attention, scored)[0], token_logprobs(tiny_model, ids, attention, scored)[0], atol=1e-6, rtol=0
    )


def test_only_completion_positions_meet_the_vocabulary(tiny_model: Any, batch: Batch) -> None:
    rows: list[int] = []
    tiny_model.lm_head.register_forward_hook(lambda _module, inputs, _output: rows.append(len(inputs[0])))
    token_logprobs(tiny_model, *batch, 1.0, 5)
    assert rows == [5, 5, 3]


def test_a_batch_without_completions_gives_zeros(tiny_model: Any, batch: Batch) -> None:
    ids, attention, scored = batch
    logprobs, entropies = token_logprobs(tiny_model, ids, attention, torch.zeros_like(scored))
    assert not logprobs.any()
    assert not entropies.any()


def test_what_cannot_be_scored_is_refused(tiny_model: Any, batch: Batch) -> None:
    ids, attention, scored = batch
    with pytest.raises(AssertionError, match="padding must be on the right"):
        token_logprobs(tiny_model, ids, attention.flip(1), scored)
    with pytest.raises(AssertionError, match="first token"):
        token_logprobs(tiny_model, ids, attention, torch.ones_like(scored))
    with pytest.raises(AssertionError, match="temperature is 0"):
        token_logprobs(tiny_model, *batch, 0.0)
