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


@pytest.mark.parametrize("chunk", [0, 4])
def test_gradients_flow_through_entropies_where_asked(tiny_model: Any, batch: Batch, chunk: int) -> None:
    weights = torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(1))
    gradients = []
    for found in (token_logprobs(tiny_model, *batch, 0.8, chunk, entropy_gradient=True), plain(tiny_model, batch, 0.8)):
        tiny_model.zero_grad()
        sum((values * weight).sum() for values, weight in zip(found, weights, strict=True)).backward()
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
    token_logprobs(tiny_model, *batch)
    assert rows == [13]


@pytest.mark.parametrize("entropy_gradient", [False, True])
def test_chunks_keep_no_logits_for_the_backward_pass(tiny_model: Any, batch: Batch, entropy_gradient: bool) -> None:
    kept: list[torch.Size] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (kept.append(tensor.shape), tensor)[1], lambda tensor: tensor):
        token_logprobs(tiny_model, *batch, chunk=4, entropy_gradient=entropy_gradient)
        in_chunks, kept = kept, []
        token_logprobs(tiny_model, *batch, entropy_gradient=entropy_gradient)
    assert torch.Size([13, 50]) in kept
    assert {shape for shape in in_chunks if shape[-1:] == (50,)} == set()


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_bfloat16_products_are_the_same_in_chunks(tiny_model: Any, batch: Batch, temperature: float) -> None:
    """Under autocast: the products are bfloat16, the sums float32; the gradient reaches the float32 weights."""
    gradients, values = [], []
    for chunk in (0, 4):
        tiny_model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            found = token_logprobs(tiny_model, *batch, temperature, chunk, entropy_gradient=True)
        assert found[0].dtype == found[1].dtype == torch.float32
        (found[0] + 0.1 * found[1]).sum().backward()
        values.append(torch.stack(found))
        gradients.append(tiny_model.lm_head.weight.grad.clone())
    torch.testing.assert_close(*values, atol=1e-4, rtol=1e-4)
    assert gradients[0].dtype == torch.float32
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 0.01


def test_a_frozen_output_layer_gets_no_gradient(tiny_model: Any, batch: Batch) -> None:
    tiny_model.requires_grad_(False)
    norm = tiny_model.model.norm.weight.requires_grad_(True)
    found = []
    for chunk in (0, 4):
        norm.grad = None
        token_logprobs(tiny_model, *batch, chunk=chunk)[0].sum().backward()
        found.append(norm.grad)
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
    assert tiny_model.lm_head.weight.grad is None


def test_an_output_layer_with_a_bias_is_not_scored_in_chunks(tiny_model: Any, batch: Batch) -> None:
    tiny_model.lm_head.bias = torch.nn.Parameter(torch.zeros(50))
    token_logprobs(tiny_model, *batch)
    with pytest.raises(AssertionError, match="bias"):
        token_logprobs(tiny_model, *batch, chunk=4)


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
