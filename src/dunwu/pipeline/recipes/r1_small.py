"""R1 for a model of about half a billion weights on one GPU: the paper's graph, with moderate values.

Unverified, memory and time included: we have not run it. `R1_SMALL` gives a reason for each departure from `R1_NATURE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dunwu.config.presets import PresetValue
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipes.r1 import r1_pipeline
from dunwu.pipeline.recipes.r1_paper import MEASURED, R1_NATURE, r1_work

_RL, _SFT, _REWARDS = ("zero", "dev2", "r1"), ("dev1", "dev3"), ("helpfulness", "safety")
_LENGTH = "a small model's chains of thought are short"
_DEPARTURES: tuple[tuple[tuple[str, ...], Mapping[str, Any], str], ...] = (
    (_RL, {"grpo.group_size": 8, "grpo.prompts_per_step": 32, "grpo.minibatches": 1}, "256 completions and one update a step"),
    (_RL, {"grpo.learning_rate": 1e-6, "grpo.warmup_steps": 5}, "half the outputs in an update"),
    (_RL, {"grpo.reference_every": 100}, "an update a step, and runs of a few hundred"),
    (_RL, {"sampling.max_tokens": 1_024}, _LENGTH),
    (_RL, {"grpo.micro_batch_tokens": 16_384, "gradient_checkpointing": False}, "there is room"),
    (("zero",), {"grpo.steps": 300}, "a short run"),
    (("dev2",), {"grpo.steps": 200}, "a short run"),
    (("r1",), {"grpo.steps": 150}, "a short run"),
    (("cold_start",), {"rows": 1_000, "sources.zero.prompts": 4_000}, "a small model learns the form from few"),
    (("cold_start.sources.zero",), {"sampling.max_tokens": 1_024, "rewriter.sampling.max_tokens": 2_048}, _LENGTH),
    (_SFT, {"batch_size": 32, "max_length": 2_048}, "fewer and shorter rows"),
    (_SFT, {"micro_batch_tokens": 16_384, "gradient_checkpointing": False}, "there is room"),
    (("rejection_sampling",), {"prompts": 7_000, "samples": 8, "keep": 4, "sampling.max_tokens": 1_024}, "as many as GSM8K has"),
    (_REWARDS, {"batch_size": 64, "max_tokens": 2_048, "micro_batch_tokens": 16_384}, "fewer and shorter rows"),
    (MEASURED, {"sampling.max_tokens": 1_024}, _LENGTH),
    (("suite",), {"reasoning.reasoning.samples": 4}, "six checkpoints are measured"),
    ((*_RL, *_SFT, *_REWARDS), {"matmul_precision": "bfloat16"}, "as GPUs are made for"),
)

R1_SMALL: Mapping[str, PresetValue] = MappingProxyType(
    dict(R1_NATURE)
    | {
        f"{place}.{key}": PresetValue(value, f"ours, unverified: {reason}")
        for places, values, reason in _DEPARTURES
        for place in places
        for key, value in values.items()
    }
)


def small_r1(model: str, data: Path, seed: int = 0) -> Pipeline:
    """All of R1 from a small base ``model``; a local instruction model rewrites the cold start. Data as for `paper_r1`."""
    rewriter = {"kind": "local", "model": "Qwen/Qwen2.5-3B-Instruct", "template": "chat"}
    return r1_pipeline("r1-small", r1_work(R1_SMALL, model, data, seed, rewriter))
