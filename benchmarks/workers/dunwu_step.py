"""Whole GRPO steps of `GrpoTrainer`, driven by `benchmarks.step` and `benchmarks.scaling`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity import parity
from talk import claim_stdout, orders, settings

import dunwu  # noqa: F401  (how OpenMP threads wait is set there, before torch is loaded)

import torch  # isort: skip

from dunwu.config.zero import ZeroConfig
from dunwu.models.loading import load_model
from dunwu.models.native import NativeUnavailable
from dunwu.models.native_library import native_precision
from dunwu.rewards.pool import RewardPool
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.run.directory import RunDirectory
from dunwu.tasks.make import make_mixture
from dunwu.trainers.grpo import GrpoTrainer
from dunwu.types import Problem, Reward, Verdict

NEVER = 10**9


def reward(problem: Problem, text: str) -> Reward:
    """Parity as a reward."""
    score = parity(text)
    return Reward(score, {"parity": score}, Verdict(score, "correct" if score else "wrong"))


def products(precision: str) -> str:
    """`auto` where it is that precision by the native scorer; `float32` is torch's."""
    try:
        return "auto" if native_precision() == precision else precision
    except NativeUnavailable:
        return precision


def config_of(given: dict[str, Any]) -> ZeroConfig:
    """One update a step, no KL, nothing printed or written along the way."""
    grpo = {
        "algorithm": "grpo-r1", "beta": 0.0, "clip_low": 0.2, "clip_high": 0.2, "prompts_per_step": given["prompts_per_step"],
        "group_size": given["group"], "learning_rate": given["learning_rate"],
    }  # fmt: skip
    return ZeroConfig(
        model=given["model"], tasks=given["tasks"], grpo=grpo, sampling={"max_tokens": given["tokens"]}, reward_workers=0,
        sample_every=NEVER, dump_rollouts_every=NEVER, device=given["device"], matmul_precision=products(given["precision"]),
    )  # fmt: skip


@contextmanager
def opened(given: dict[str, Any]) -> Iterator[GrpoTrainer]:
    """A trainer put together as `run_zero` does it, its run directory in the working directory."""
    config = config_of(given)
    model, tokenizer = load_model(config.model, config.device)
    engine = TorchEngine(model, tokenizer, max_batch=config.engine.max_batch, precision=given["precision"])
    path = Path(f"run-{given['precision']}").absolute()
    with RunDirectory.create(path, "zero", config.model_dump(mode="json"), 0) as run, RewardPool(reward, 0, 5.0) as pool:
        trainer = GrpoTrainer(config, model, tokenizer, engine, pool, make_mixture(config.tasks), run)
        if not given["stop"]:
            trainer.sampling = replace(trainer.sampling, stop_token_ids=())
        yield trainer


def main() -> None:
    answer, given = claim_stdout(), settings()
    torch.set_num_threads(given["threads"])
    torch.manual_seed(0)
    with opened(given) as trainer:
        names = {"decoder": trainer.engine.decoder, "scorer": trainer.policy.scorer.name}
        answer({"versions": {"torch": torch.__version__, **{f"dunwu {part}, {given['precision']}": name for part, name in names.items()}}})
        for step, _ in enumerate(orders(), start=1):
            began = time.perf_counter()
            metrics = trainer.step(step)
            if given["device"] == "cuda":
                torch.cuda.synchronize()
            parts = {name: metrics[f"time/{name}"] for name in ("generate", "reward", "train")}
            answer({"seconds": time.perf_counter() - began, "tokens": metrics["num_tokens"], "dead": metrics["dead_groups"], **parts})


if __name__ == "__main__":
    main()
