"""`transformers` generate as it comes, with its default cache, driven by `benchmarks.engine`."""

from __future__ import annotations

import time
from typing import Any

import torch
import transformers
from talk import claim_stdout, orders, settings


def generate(model: Any, order: dict[str, Any], max_batch: int) -> dict[str, Any]:
    """Answer one order: seconds, and the tokens up to each sequence's first stop token.

    Sampling is at temperature 1 without filters. A batch runs until its last sequence has stopped.
    """
    torch.manual_seed(order["turn"])
    prompts, group, stop = order["prompts"], order["group"], order["stop"]
    assert len({len(ids) for ids in prompts}) == 1, "prompts of one length need no padding"
    # The checkpoint's own generation_config would fill in a stop token where an argument leaves it out: it is replaced.
    model.generation_config = transformers.GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=order["tokens"], eos_token_id=stop or None, pad_token_id=1,
        num_return_sequences=group,
    )  # fmt: skip
    at_once = max(1, max_batch // group)
    began, tokens = time.perf_counter(), 0
    for first in range(0, len(prompts), at_once):
        ids_PT = torch.tensor(prompts[first : first + at_once], device=model.device)
        found_BT = model.generate(input_ids=ids_PT, attention_mask=torch.ones_like(ids_PT))
        tokens += drawn(found_BT[:, ids_PT.shape[1] :], stop)
    return {"seconds": time.perf_counter() - began, "tokens": tokens}


def drawn(completions_BT: torch.Tensor, stop: list[int]) -> int:
    """Tokens up to each row's first stop token, that one included."""
    if not stop:
        return completions_BT.numel()
    stopped_BT = torch.isin(completions_BT, torch.tensor(stop, device=completions_BT.device))
    before_BT = stopped_BT.cumsum(dim=1) - stopped_BT.long()
    return int((before_BT == 0).sum())


def main() -> None:
    answer, given = claim_stdout(), settings()
    torch.set_num_threads(given["threads"])
    dtype = getattr(torch, given["precision"])
    model = transformers.AutoModelForCausalLM.from_pretrained(given["model"], dtype=dtype, local_files_only=True).to(given["device"])
    answer({"versions": {"transformers": transformers.__version__}})
    for order in orders():
        answer(generate(model.eval(), order, given["max_batch"]))


if __name__ == "__main__":
    main()
