"""vLLM's offline engine in this process, driven by `benchmarks.engine` and `tests/peers/test_vllm.py`; runs in vLLM's environment.

Given its best: no tokenizer and no text, no log-probabilities, no seeds per request (each makes it slower; the built-in engine gives all
three), the engine core in the same process, and as many sequences at once as the others.
"""

from __future__ import annotations

import os
import time
from typing import Any

from talk import claim_stdout, orders, settings

os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")


def generate(llm: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Answer one order: seconds and tokens, and with ``greedy`` the tokens themselves."""
    from vllm import SamplingParams

    greedy, stop = order.get("greedy", False), order["stop"]
    params = SamplingParams(
        n=order["group"], temperature=0.0 if greedy else 1.0, max_tokens=order["tokens"], stop_token_ids=stop, ignore_eos=True,
        detokenize=False,
    )  # fmt: skip
    prompts = [{"prompt_token_ids": ids} for ids in order["prompts"]]
    began = time.perf_counter()
    found = llm.generate(prompts, params, use_tqdm=False)
    seconds = time.perf_counter() - began
    ids = [list(completion.token_ids) for request in found for completion in request.outputs]
    return {"seconds": seconds, "tokens": sum(map(len, ids)), **({"ids": ids} if greedy else {})}


def main() -> None:
    answer, given = claim_stdout(), settings()
    import vllm

    llm = vllm.LLM(
        model=given["model"], dtype=given["precision"], max_num_seqs=given["max_batch"], max_model_len=given["max_length"],
        skip_tokenizer_init=True, generation_config="vllm", disable_log_stats=True,
    )  # fmt: skip
    answer({"versions": {"vllm": vllm.__version__}})
    for order in orders():
        answer(generate(llm, order))


if __name__ == "__main__":
    main()
