"""Greedy answers of vLLM to chats, as its users ask: the checkpoint's own template and stop tokens. ``python vllm_chat.py FOLDER``.

FOLDER holds ``chats.json``: {models: {name: folder}, chats: [[message, ...], ...], max_tokens}. Written: ``vllm.json``, for each model one
{prompt, ids, reason} for each chat.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}


def answers(model: str, chats: list[Any], max_tokens: int) -> list[dict[str, Any]]:
    from vllm import LLM

    llm = LLM(model=model, dtype="float32", max_model_len=256, max_num_seqs=8, disable_log_stats=True)
    params = llm.get_default_sampling_params()
    params.temperature, params.max_tokens = 0.0, max_tokens
    found = llm.chat(chats, params, use_tqdm=False)
    said = [(each.prompt_token_ids, each.outputs[0]) for each in found]
    return [{"prompt": list(ids), "ids": list(one.token_ids), "reason": one.finish_reason} for ids, one in said]


def main(folder: Path) -> None:
    given: dict[str, Any] = json.loads((folder / "chats.json").read_text(encoding="utf-8"))
    found = {name: answers(model, given["chats"], given["max_tokens"]) for name, model in given["models"].items()}
    (folder / "vllm.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
