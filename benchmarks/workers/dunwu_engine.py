"""The built-in engine, driven by `benchmarks.engine`."""

from __future__ import annotations

import time
from typing import Any

from talk import claim_stdout, orders, settings

import dunwu  # noqa: F401  (how OpenMP threads wait is set there, before torch is loaded)

import torch  # isort: skip

from dunwu.models.loading import load_model
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.types import Request, SamplingParams


def generate(engine: TorchEngine, order: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Answer one order: seconds and tokens, and with ``greedy`` the tokens themselves."""
    prompts, greedy = [tuple(ids) for ids in order["prompts"]], order.get("greedy", False)
    params = SamplingParams(order["tokens"], temperature=0.0 if greedy else 1.0, stop_token_ids=tuple(order["stop"]))
    group, first = order["group"], order["turn"] * len(prompts) * order["group"]
    requests = [Request(ids, params, first + p * group + g) for p, ids in enumerate(prompts) for g in range(group)]
    began = time.perf_counter()
    found = engine.generate(requests)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - began
    ids = {"ids": [list(completion.tokens.ids) for completion in found]} if greedy else {}
    return {"seconds": seconds, "tokens": sum(len(completion.tokens.ids) for completion in found), **ids}


def main() -> None:
    answer, given = claim_stdout(), settings()
    torch.set_num_threads(given["threads"])
    device = torch.device(given["device"])
    # On a CPU the engine multiplies in `precision` itself; elsewhere it decodes in the model's type.
    model, tokenizer = load_model(given["model"], device, torch.float32 if device.type == "cpu" else getattr(torch, given["precision"]))
    engine = TorchEngine(model.eval(), tokenizer, max_batch=given["max_batch"], precision=given["precision"])
    answer({"versions": {"torch": torch.__version__, f"dunwu decoder, {given['precision']}": engine.decoder}})
    for order in orders():
        answer(generate(engine, order, device))


if __name__ == "__main__":
    main()
