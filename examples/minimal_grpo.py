"""R1-Zero's algorithm in one file: GRPO on Countdown, with rewards from a verifier only.

    python examples/minimal_grpo.py                         # the bundled tiny model
    python examples/minimal_grpo.py path/to/model --template r1-zero --learning-rate 1e-6 --max-tokens 512

This file is only the train loop; everything else comes from Dunwu's functions. It lacks what `dunwu zero` adds: checkpoints and resume,
rewards in worker processes, a token budget for micro-batches, dynamic sampling, evaluation, reports, and guards against non-finite numbers.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from dunwu.algorithms.advantages import dead_groups
from dunwu.algorithms.loss import Algorithm, GrpoBatch, GrpoLoss, grpo_loss
from dunwu.algorithms.recipes import algorithm_named, describe
from dunwu.algorithms.terms import Denominators
from dunwu.config.tasks import CountdownTask
from dunwu.data.prompts import prompt_template
from dunwu.errors import UserError
from dunwu.models.loading import load_model, pick_device, stop_token_ids
from dunwu.models.logprobs import token_logprobs
from dunwu.rewards.rules import rule_reward
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.tasks.base import Task
from dunwu.tasks.make import make_task
from dunwu.types import Completion, Problem, Prompt, Reward, SamplingParams


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a run; each field is also a command-line option."""

    model: str = "tiny"
    template: str = "tiny"
    algorithm: str = "grpo-r1"
    steps: int = 50
    prompts: int = 64
    group_size: int = 8
    minibatches: int = 1
    micro_batch: int = 64
    learning_rate: float = 1e-4
    beta: float = 0.0
    reference_every: int = 400
    temperature: float = 1.0
    max_tokens: int = 160
    max_grad_norm: float = 1.0
    device: str = "auto"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Experience:
    """The rollouts of one step: B = P*G prompts and completions, with their advantages."""

    prompts: tuple[Prompt, ...]
    completions: tuple[Completion, ...]
    advantages_B: Tensor

    def rows(self, indices: Sequence[int]) -> Experience:
        """The rollouts with these indices."""
        return Experience(
            tuple(self.prompts[i] for i in indices), tuple(self.completions[i] for i in indices), self.advantages_B[list(indices)]
        )


@dataclass(frozen=True, slots=True)
class Tokens:
    """Prompts joined with completions, padded on the right. ``attention``: 1 at tokens; ``completion``: true at tokens of completions."""

    ids_BT: Tensor
    attention_BT: Tensor
    completion_BT: Tensor


@dataclass(frozen=True, slots=True)
class Trainer:
    """The policy, its optimiser and the algorithm. ``reference``: the model of the KL term, ``None`` if beta is 0."""

    model: Any
    reference: Any | None
    optimiser: torch.optim.Optimizer
    algorithm: Algorithm


def train(model: Any, tokenizer: Any, reward: Callable[[Problem, str], Reward], settings: Settings) -> Iterator[dict[str, float]]:
    """Run GRPO and yield the metrics of each step."""
    algorithm = algorithm_of(settings)
    engine = TorchEngine(model, tokenizer, max_batch=512)
    task = make_task(CountdownTask())
    sampling = SamplingParams(settings.max_tokens, settings.temperature, stop_token_ids=stop_token_ids(tokenizer, model))
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    trainer = Trainer(model, frozen_copy(model) if algorithm.beta > 0 else None, optimiser, algorithm)

    for step in range(settings.steps):
        started = time.perf_counter()
        prompts = draw_prompts(task, tokenizer, settings, step)
        seeds = [settings.seed * 1_000_003 + step * 100_003 + i for i in range(settings.prompts * settings.group_size)]
        completions = engine.generate(group_requests(prompts, sampling, settings.group_size, seeds))
        repeated = [prompt for prompt in prompts for _ in range(settings.group_size)]
        rewards = [reward(p.problem, p.prefill + c.text).total for p, c in zip(repeated, completions, strict=True)]

        valid_PG = torch.tensor([r is not None for r in rewards]).view(settings.prompts, settings.group_size)
        rewards_PG = torch.tensor([0.0 if r is None else r for r in rewards]).view_as(valid_PG)
        advantages_PG = algorithm.advantage(rewards_PG, valid_PG)
        experience = Experience(tuple(repeated), tuple(completions), advantages_PG.flatten().to(model.device))

        metrics = learn(trainer, experience, settings, step)
        engine.load_weights(version=step + 1)
        if trainer.reference is not None and algorithm.reference_every and (step + 1) % algorithm.reference_every == 0:
            trainer.reference.load_state_dict(model.state_dict())
        yield {
            "step": step + 1,
            "reward": rewards_PG[valid_PG].mean().item(),
            "dead_groups": dead_groups(rewards_PG, valid_PG).float().mean().item(),
            "mean_length": sum(len(c.tokens) for c in completions) / len(completions),
            **metrics,
            "seconds": time.perf_counter() - started,
        }


def algorithm_of(settings: Settings) -> Algorithm:
    """The named algorithm with these settings and one sampling round a step."""
    named = algorithm_named(settings.algorithm)
    return replace(named, beta=settings.beta, reference_every=settings.reference_every, sampling_rounds=1)


def draw_prompts(task: Task, tokenizer: Any, settings: Settings, step: int) -> list[Prompt]:
    """The P training problems of this step in their template."""
    template = prompt_template(settings.template, tokenizer)
    return [template.prompt(task.train(step * settings.prompts + i, settings.seed)) for i in range(settings.prompts)]


def learn(trainer: Trainer, experience: Experience, settings: Settings, step: int) -> dict[str, float]:
    """One pass over the rollouts in ``minibatches`` optimiser updates (DeepSeekMath, arXiv 2402.03300, Algorithm 1)."""
    order = torch.randperm(len(experience.completions), generator=torch.Generator().manual_seed(settings.seed * 1_000_003 + step))
    minibatches = [experience.rows(part.tolist()) for part in order.chunk(settings.minibatches)]
    # With one update a step, the policy is the one that sampled, so the ratio is 1. With several, pi_old is the policy before the first.
    olds = [old_logprobs(trainer.model, minibatch, settings) if settings.minibatches > 1 else None for minibatch in minibatches]
    metrics = [update(trainer, minibatch, old, settings) for minibatch, old in zip(minibatches, olds, strict=True)]
    return {name: sum(m[name] for m in metrics) / len(metrics) for name in metrics[0]}


def update(trainer: Trainer, minibatch: Experience, old: list[Tensor] | None, settings: Settings) -> dict[str, float]:
    """One optimiser update. Gradients are summed over micro-batches, with the denominators of the whole mini-batch."""
    lengths = [len(completion.tokens) for completion in minibatch.completions]
    denominators = Denominators(rollouts=len(lengths), tokens=sum(lengths), max_tokens=settings.max_tokens)
    parts: list[GrpoLoss] = []
    for number, indices in enumerate(micro_batches(len(lengths), settings)):
        micro = minibatch.rows(indices)
        tokens = collate(micro)
        batch = GrpoBatch(
            policy_logprobs_BT=logprobs(trainer.model, tokens, settings),
            old_logprobs_BT=None if old is None else old[number],
            reference_logprobs_BT=None if trainer.reference is None else logprobs(trainer.reference, tokens, settings),
            advantages_BT=micro.advantages_B[:, None].expand_as(tokens.completion_BT),
            mask_BT=tokens.completion_BT,
        )
        part = grpo_loss(trainer.algorithm, batch, denominators)
        part.loss.backward()  # type: ignore[no-untyped-call]
        parts.append(part)
    norm = torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), settings.max_grad_norm)
    trainer.optimiser.step()
    trainer.optimiser.zero_grad(set_to_none=True)
    return {
        "loss": sum(part.loss.item() for part in parts),
        "kl": sum(part.kl_sum.item() for part in parts) / denominators.tokens,
        "clip_ratio": sum(part.clipped.item() for part in parts) / denominators.tokens,
        "grad_norm": norm.item(),
    }


def micro_batches(rollouts: int, settings: Settings) -> list[range]:
    """Indices of consecutive rollouts, ``micro_batch`` at a time."""
    return [range(start, min(start + settings.micro_batch, rollouts)) for start in range(0, rollouts, settings.micro_batch)]


@torch.no_grad()
def old_logprobs(model: Any, minibatch: Experience, settings: Settings) -> list[Tensor]:
    """The policy's log-probabilities before the first update, one tensor per micro-batch."""
    return [logprobs(model, collate(minibatch.rows(i)), settings) for i in micro_batches(len(minibatch.completions), settings)]


def logprobs(model: Any, tokens: Tokens, settings: Settings) -> Tensor:
    """Log-probability of each completion token, 0 elsewhere, at the temperature of sampling."""
    return token_logprobs(model, tokens.ids_BT, tokens.attention_BT, tokens.completion_BT, temperature=settings.temperature)[0]


def collate(experience: Experience) -> Tokens:
    """Pad to the longest row. The ids of the padding do not matter, as it is on the right and attention is causal."""
    device = experience.advantages_B.device
    rows = list(zip(experience.prompts, experience.completions, strict=True))
    width = max(len(prompt.token_ids) + len(completion.tokens) for prompt, completion in rows)
    ids_BT = torch.zeros(len(rows), width, dtype=torch.long)
    attention_BT = torch.zeros(len(rows), width, dtype=torch.long)
    completion_BT = torch.zeros(len(rows), width, dtype=torch.bool)
    for b, (prompt, completion) in enumerate(rows):
        start, end = len(prompt.token_ids), len(prompt.token_ids) + len(completion.tokens)
        ids_BT[b, :end] = torch.tensor(prompt.token_ids + completion.tokens.ids)
        attention_BT[b, :end] = 1
        completion_BT[b, start:end] = True
    return Tokens(ids_BT.to(device), attention_BT.to(device), completion_BT.to(device))


def frozen_copy(model: Any) -> Any:
    """The reference: a copy of the current policy, without gradients."""
    return copy.deepcopy(model).requires_grad_(False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the options, train, and print one line a step."""
    parser = argparse.ArgumentParser(description="R1-Zero's algorithm in one file.", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("model", nargs="?", default=fields(Settings)[0].default, help="`tiny`, a Hugging Face folder or a hub id")
    for field in fields(Settings)[1:]:
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default, help=" ")
    settings = Settings(**vars(parser.parse_args(arguments)))
    model, tokenizer = load_model(settings.model, pick_device(settings.device))
    print(describe(algorithm_of(settings)))
    for metrics in train(model, tokenizer, rule_reward(), settings):
        print("  ".join(f"{name} {value:.4g}" for name, value in metrics.items()), flush=True)


if __name__ == "__main__":
    try:
        main()
    except UserError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(2)
