"""`dunwu eval`: a model on a held-out set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from dunwu.config.zero import EngineConfig, EvalConfig
from dunwu.data.prompts import written_date
from dunwu.data.usable import PromptLimit, held_out_problems
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.run import evaluate
from dunwu.evaluation.store import write_evaluation
from dunwu.models.loading import load_model, pick_device
from dunwu.pipeline.headline import print_facts, told_of_dropped
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.rollout.build import build_engine
from dunwu.trainers.dates import take_date

MAX_PROMPT_TOKENS = 4096
REWARD_TIMEOUT = 5.0


def run_evaluation(
    model: str, config: EvalConfig, template: str, out: Path | None, device: str, threads: int, batch: int
) -> EvaluationResult:
    """Load, sample, verify; with ``out`` all completions (``evaluation.parquet``) and ``summary.json`` are written there."""
    if threads:
        torch.set_num_threads(threads)
    take_date(None, model)
    policy, tokenizer = load_model(model, pick_device(device))
    if day := written_date(template, tokenizer):
        print(f"the chat template writes the date {day}", flush=True)
    held_out = held_out_problems(config, PromptLimit(template, tokenizer, MAX_PROMPT_TOKENS))
    print_facts(told_of_dropped(held_out.dropped))
    with RewardPool(rule_reward(), workers=1, timeout=REWARD_TIMEOUT) as pool:
        engine = build_engine(EngineConfig(max_batch=batch), policy, tokenizer)
        result = evaluate(engine, tokenizer, pool, config, template, MAX_PROMPT_TOKENS)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_evaluation(out / "evaluation.parquet", result)
        asked: dict[str, Any] = {"model": model, "template": template, **({"date": day} if day else {})}
        asked |= {"config": config.model_dump(mode="json"), "dropped": held_out.dropped}
        summary = {**asked, result.name: result.summary()}
        (out / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return result
