"""A loss of logits in chunks against the same over all of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dunwu.algorithms.distillation import FORWARD_KL, REVERSE_KL, full_divergence, jensen_shannon, top_k, top_k_divergence
from dunwu.models.chunked_logits import logit_loss

TOKENS, WIDTH, VOCABULARY = 13, 6, 11


def draw(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def make_head(seed: int, vocabulary: int = VOCABULARY, width: int = WIDTH, dtype: torch.dtype = torch.float64) -> nn.Linear:
    head = nn.Linear(width, vocabulary, bias=False, dtype=dtype)
    head.weight.data.copy_(draw(vocabulary, width, seed=seed))
    return head


@pytest.fixture
def teacher() -> Tensor:
    return draw(TOKENS, VOCABULARY, seed=5)


def gradients(loss: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(3 * loss, inputs)


@pytest.mark.parametrize("chunk", [0, 1, 4, 13])
@pytest.mark.parametrize("divergence", [FORWARD_KL, REVERSE_KL, jensen_shannon()])
def test_the_size_of_chunks_does_not_matter(teacher: Tensor, divergence: Any, chunk: int) -> None:
    head, hidden, weights = make_head(1), draw(TOKENS, WIDTH, seed=2).requires_grad_(), draw(TOKENS, seed=3).abs()
    expected = full_divergence(divergence, head(hidden), teacher, 2.0)
    loss, values = logit_loss(head, hidden, weights, lambda rows, z: full_divergence(divergence, z, teacher[rows], 2.0), chunk)
    torch.testing.assert_close(values, expected.detach())
    torch.testing.assert_close(loss, (weights * expected).sum())
    found = gradients(loss, hidden, head.weight)
    for ours, theirs in zip(found, gradients((weights * expected).sum(), hidden, head.weight), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert not values.requires_grad


def test_the_gradient_of_what_is_stored(teacher: Tensor) -> None:
    stored, weights = top_k(teacher, 3), draw(TOKENS, seed=3)

    def loss(hidden: Tensor, weight: Tensor) -> Tensor:
        head = SimpleNamespace(weight=weight, bias=None)
        return logit_loss(head, hidden, weights, lambda rows, z: top_k_divergence(FORWARD_KL, z, stored[rows]), 4)[0]

    assert torch.autograd.gradcheck(loss, (draw(TOKENS, WIDTH, seed=2).requires_grad_(), make_head(1).weight))


def test_several_values_a_token_have_weights_of_their_own(teacher: Tensor) -> None:
    head, hidden, weights = make_head(1), draw(TOKENS, WIDTH, seed=2).requires_grad_(), draw(TOKENS, 2, seed=3)
    targets = teacher.argmax(-1)

    def measure(rows: slice, logits: Tensor) -> Tensor:
        cross_entropy = nn.functional.cross_entropy(logits, targets[rows], reduction="none")
        return torch.stack((full_divergence(FORWARD_KL, logits, teacher[rows]), cross_entropy), dim=-1)

    loss, values = logit_loss(head, hidden, weights, measure, 4)
    expected = measure(slice(None), head(hidden))
    torch.testing.assert_close(values, expected.detach())
    torch.testing.assert_close(gradients(loss, hidden), gradients((weights * expected).sum(), hidden))


def test_no_gradient_is_computed_where_none_is_wanted(teacher: Tensor) -> None:
    head, hidden, weights = make_head(1), draw(TOKENS, WIDTH, seed=2).requires_grad_(), torch.ones(TOKENS, dtype=torch.float64)
    asked: list[bool] = []

    def measure(rows: slice, logits: Tensor) -> Tensor:
        asked.append(logits.requires_grad)
        return full_divergence(FORWARD_KL, logits, teacher[rows])

    with torch.no_grad():
        loss, values = logit_loss(head, hidden, weights, measure, 4)
    assert not any(asked)
    assert not loss.requires_grad
    torch.testing.assert_close(values.sum(), loss)
    head.requires_grad_(False)
    logit_loss(head, hidden, weights, measure, 4)[0].backward()
    assert hidden.grad is not None
    assert head.weight.grad is None


def test_no_tokens_give_a_loss_of_zero() -> None:
    head, hidden = make_head(1), draw(0, WIDTH, seed=2).requires_grad_()
    loss, values = logit_loss(head, hidden, torch.ones(0), lambda rows, logits: logits.sum(-1), 4)
    loss.backward()
    assert (loss.item(), len(values)) == (0, 0)
    assert not head.weight.grad.any()


def test_products_are_in_the_type_of_the_surrounding_autocast(teacher: Tensor) -> None:
    head, weights = make_head(1, dtype=torch.float32), torch.ones(TOKENS)
    found = []
    for chunk in (4, TOKENS):
        hidden = draw(TOKENS, WIDTH, seed=2, dtype=torch.float32).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            loss, values = logit_loss(head, hidden, weights, lambda rows, z: full_divergence(FORWARD_KL, z, teacher[rows].float()), chunk)
            plain = full_divergence(FORWARD_KL, head(hidden).float(), teacher.float())
        assert loss.dtype == values.dtype == torch.float32
        torch.testing.assert_close(values, plain.detach(), atol=1e-5, rtol=1e-5)
        found.append(gradients(loss, hidden, head.weight))
        assert {gradient.dtype for gradient in found[-1]} == {torch.float32}
        for ours, theirs in zip(found[-1], gradients(plain.sum(), hidden, head.weight), strict=True):
            assert float((ours - theirs).norm() / theirs.norm()) < 0.02
    torch.testing.assert_close(*found, atol=0.02, rtol=0.02)


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation made."""

    size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, Tensor):
                self.size = max(self.size, tensor.numel())
        return made


def test_memory_does_not_grow_with_length() -> None:
    vocabulary, width, chunk = 1000, 8, 16
    head, taught = make_head(1, vocabulary, width), make_head(4, vocabulary, 5)
    sizes = []
    for tokens in (32, 512):
        hidden, theirs = draw(tokens, width, seed=2).requires_grad_(), draw(tokens, 5, seed=3)
        with Largest() as largest:

            def measure(rows: slice, logits: Tensor, theirs: Tensor = theirs) -> Tensor:
                with torch.no_grad():
                    target = taught(theirs[rows])
                return full_divergence(jensen_shannon(), logits, target)

            logit_loss(head, hidden, torch.ones(tokens), measure, chunk)[0].backward()
        sizes.append(largest.size)
    assert sizes == [chunk * vocabulary] * 2


def test_what_cannot_be_measured_is_refused(teacher: Tensor) -> None:
    head, hidden = make_head(1), draw(TOKENS, WIDTH, seed=2).requires_grad_()
    with pytest.raises(AssertionError, match="weights"):
        logit_loss(head, hidden, torch.ones(TOKENS), lambda rows, logits: logits)
    with pytest.raises(AssertionError, match="gradient"):
        logit_loss(head, hidden, torch.ones(TOKENS, requires_grad=True), lambda rows, logits: logits.sum(-1))
    head.bias = nn.Parameter(torch.zeros(VOCABULARY))
    with pytest.raises(AssertionError, match="bias"):
        logit_loss(head, hidden, torch.ones(TOKENS), lambda rows, logits: logits.sum(-1))
