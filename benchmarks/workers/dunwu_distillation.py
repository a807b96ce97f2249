"""One forward and backward pass of a distillation loss from hidden states, driven by `benchmarks.distillation_memory`."""

from __future__ import annotations

import time

import psutil
import torch
from talk import claim_stdout, orders, settings
from torch import Tensor, nn

from dunwu.algorithms.distillation import (
    FORWARD_KL,
    REVERSE_KL,
    TopK,
    full_divergence,
    jensen_shannon,
    skewed_forward,
    skewed_reverse,
    top_k,
    top_k_divergence,
)
from dunwu.models.chunked_logits import logit_loss

DIVERGENCES = {
    "forward": FORWARD_KL,
    "reverse": REVERSE_KL,
    "jensen-shannon": jensen_shannon(),
    "skewed-forward": skewed_forward(),
    "skewed-reverse": skewed_reverse(),
}


def make_head(shape: dict[str, int]) -> nn.Linear:
    """An output layer whose logits differ by about one."""
    head = nn.Linear(shape["width"], shape["vocabulary"], bias=False)
    nn.init.normal_(head.weight, std=shape["width"] ** -0.5)
    return head


def stored(tokens: int, k: int, vocabulary: int) -> TopK:
    """As read from a file: k tokens each, whose log-probabilities and those of the rest are random."""
    drawn = top_k(torch.randn(tokens, 4 * k), k)
    ids_NK = (torch.randint(vocabulary, (tokens, 1)) + 37 * torch.arange(k)) % vocabulary
    return TopK(ids_NK, drawn.logprobs_NK, drawn.tail_N)


def step(student: nn.Linear, teacher: nn.Linear, tokens: int, divergence: str, k: int, whole: bool) -> dict[str, float]:
    """Resident memory before, seconds, the loss and the norm of the gradient, so that contenders can be seen to compute the same."""
    torch.manual_seed(1)
    student.weight.grad = None
    hidden_ND = torch.randn(tokens, student.in_features).requires_grad_()
    taught_ND = torch.randn(tokens, teacher.in_features)
    read = stored(tokens, k, student.out_features) if k else None
    weights_N, kind = torch.full((tokens,), 1 / tokens), DIVERGENCES[divergence]

    def measure(rows: slice, logits: Tensor) -> Tensor:
        if read is not None:
            return top_k_divergence(kind, logits, read[rows])
        with torch.no_grad():
            target = teacher(taught_ND[rows])
        return full_divergence(kind, logits, target)

    before, began = psutil.Process().memory_info().rss, time.perf_counter()
    if whole:
        loss = (weights_N * measure(slice(None), student(hidden_ND))).sum()
    else:
        loss, _ = logit_loss(student, hidden_ND, weights_N, measure)
    loss.backward()
    seconds = time.perf_counter() - began
    norm = torch.nn.utils.get_total_norm([gradient for gradient in (hidden_ND.grad, student.weight.grad) if gradient is not None])
    return {"before": before, "seconds": seconds, "value": float(loss.detach()), "norm": float(norm)}


def main() -> None:
    answer, given = claim_stdout(), settings()
    torch.set_num_threads(given["threads"])
    torch.manual_seed(0)
    student, teacher = make_head(given["shape"]), make_head(given["shape"]).requires_grad_(False)
    answer({"versions": {"torch": torch.__version__}})
    for order in orders():
        answer(step(student, teacher, **order))


if __name__ == "__main__":
    main()
