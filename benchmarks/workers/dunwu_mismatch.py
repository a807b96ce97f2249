"""Behaviour log-probabilities of the engine beside the trainer's, driven by `benchmarks.mismatch`."""

from __future__ import annotations

import torch
from talk import claim_stdout, orders, settings

from dunwu.config.zero import GrpoConfig
from dunwu.data.rollouts import rollout_seeds
from dunwu.models.loading import load_model, stop_token_ids
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.trainers.scoring import Scorer, behaviour_logprobs, make_scorer, sampled_mask
from dunwu.types import Problem, Prompt, Reward, Rollout, SamplingParams, Verdict

UNREWARDED = Reward(None, {}, Verdict(None, "error"))


@torch.no_grad()
def differences(rollouts: list[Rollout], scorer: Scorer, device: torch.device) -> torch.Tensor:
    """``|trainer - behaviour|`` of every completion token."""
    parts = []
    for indices in scorer.micro_batches(rollouts, GrpoConfig().micro_batch_tokens):
        batch = [rollouts[i] for i in indices]
        gaps_BT = scorer(batch)[0] - behaviour_logprobs(batch, device)
        parts.append(gaps_BT[sampled_mask(batch, device)].abs())
    return torch.cat(parts)


def main() -> None:
    answer, given = claim_stdout(), settings()
    torch.set_num_threads(given["threads"])
    model, tokenizer = load_model(given["model"], given["device"])
    engine = TorchEngine(model.eval(), tokenizer, precision=given["precision"])
    encoded = [tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in given["prompts"]]
    prompts = [Prompt(Problem(str(i), "benchmark", "", "number"), "", ids) for i, ids in enumerate(encoded)]
    params = SamplingParams(given["tokens"], stop_token_ids=stop_token_ids(tokenizer, model))
    answer({"versions": {"torch": torch.__version__, f"dunwu decoder, {given['precision']}": engine.decoder}})
    for order in orders():
        seeds = rollout_seeds(0, order["turn"], len(prompts), given["group"])
        completions = engine.generate(group_requests(prompts, params, given["group"], seeds))
        rollouts = [Rollout(prompts[i // given["group"]], completion, UNREWARDED) for i, completion in enumerate(completions)]
        scorer = make_scorer(model, params.temperature, order["trainer"], tokenizer.pad_token_id)
        gap = differences(rollouts, scorer, model.device)
        figures = {"mean": float(gap.mean()), "p99": float(gap.quantile(0.99)), "max": float(gap.max()), "tokens": len(gap)}
        answer({"scorer": scorer.name, **figures})


if __name__ == "__main__":
    main()
