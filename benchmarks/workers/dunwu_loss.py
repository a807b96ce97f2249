"""One forward and backward pass through the log-probabilities of completions, driven by `benchmarks.loss_memory`."""

from __future__ import annotations

import time
from typing import Any

import psutil
import torch
from talk import claim_stdout, orders, settings
from transformers import Qwen2Config, Qwen2ForCausalLM

from dunwu.models.logprobs import token_logprobs
from dunwu.models.precision import attention, matmul_precision

PROMPT = 16


def make_model(shape: dict[str, int]) -> Any:
    """A random model ready for training."""
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**shape, tie_word_embeddings=True))
    return model.train()


def step(model: Any, given: dict[str, Any], rows: int, tokens: int, chunk: int) -> dict[str, float]:
    """Resident memory before, seconds, and a sum of the gradient, so that contenders can be seen to compute the same."""
    generator = torch.Generator().manual_seed(1)
    ids_BT = torch.randint(2, model.config.vocab_size, (rows, PROMPT + tokens), generator=generator)
    completion_BT = (torch.arange(PROMPT + tokens) >= PROMPT).expand_as(ids_BT)
    before, began = psutil.Process().memory_info().rss, time.perf_counter()
    with matmul_precision(given["precision"], model.device), attention(model):
        logprobs_BT, entropies_BT = token_logprobs(model, ids_BT, torch.ones_like(ids_BT), completion_BT, chunk=chunk)
    logprobs_BT.sum().backward()
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in model.parameters()])
    seconds = time.perf_counter() - began
    return {"before": before, "seconds": seconds, "norm": float(norm), "entropy": float(entropies_BT.sum())}


def main() -> None:
    answer, given = claim_stdout(), settings()
    torch.set_num_threads(given["threads"])
    model = make_model(given["shape"])
    answer({"versions": {"torch": torch.__version__}})
    for order in orders():
        answer(step(model, given, **order))


if __name__ == "__main__":
    main()
