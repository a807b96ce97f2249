"""Greedy answers of vLLM to chats, as its users ask: the checkpoint's own template and stop tokens. ``python vllm_chat.py FOLDER``.

FOLDER holds ``chats.json``: {model: folder, chats: [[message, ...], ...], max_tokens}. Written: ``vllm.json``, one {prompt, ids, reason}
for each chat.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}


def main(folder: Path) -> None:
    from vllm import LLM

    given: dict[str, Any] = json.loads((folder / "chats.json").read_text(encoding="utf-8"))
    llm = LLM(model=given["model"], dtype="float32", max_model_len=256, max_num_seqs=8, disable_log_stats=True)
    params = llm.get_default_sampling_params()
    params.temperature, params.max_tokens = 0.0, given["max_tokens"]
    found = llm.chat(given["chats"], params, use_tqdm=False)
    answers = [
        {"prompt": list(each.prompt_token_ids), "ids": list(each.outputs[0].token_ids), "reason": each.outputs[0].finish_reason}
        for each in found
    ]
    (folder / "vllm.json").write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
