"""Rollouts and experiences made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dunwu.types import Completion, Group, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict


def make_rollout(prompt_ids: Sequence[int], ids: Sequence[int], total: float | None, logprobs: Sequence[float] | None = None) -> Rollout:
    prompt = Prompt(Problem(f"p{prompt_ids[0]}", "t", "", "number"), "", tuple(prompt_ids))
    behaviour = tuple(logprobs) if logprobs is not None else (-1.0,) * len(ids)
    verdict = Verdict(total, "correct" if total else "error" if total is None else "wrong")
    return Rollout(prompt, Completion(TokenSequence.drawn(ids, behaviour, 0), "", "stop"), Reward(total, {"accuracy": total}, verdict))


def groups_of(rewards_PG: Sequence[Sequence[float | None]], lengths: Sequence[int] = (3, 7, 5, 2), first_token: int = 300) -> list[Group]:
    groups = []
    for p, rewards in enumerate(rewards_PG):
        prompt_ids = range(20 + p, 20 + p + 2 + p % 3)
        rollouts = []
        for g, total in enumerate(rewards):
            start = first_token + 31 * p + 7 * g
            rollouts.append(make_rollout(prompt_ids, range(start, start + lengths[(p + g) % len(lengths)]), total))
        groups.append(Group(rollouts[0].prompt, tuple(rollouts)))
    return groups


@pytest.fixture(scope="session")
def make_groups() -> Callable[..., list[Group]]:
    """``make_groups(rewards_PG, lengths, first_token)``: groups whose completions differ, with lengths that take turns."""
    return groups_of


@pytest.fixture(scope="session")
def one_rollout() -> Callable[..., Rollout]:
    return make_rollout


@pytest.fixture(scope="session")
def update_of(zero_config: Callable[..., Any]) -> Callable[..., Any]:
    """``update_of(model, "grpo.beta=0.1", ...)``: a `PolicyUpdate` with nothing clipped away unless asked for; ``gradients`` of its last
    update are kept."""
    from dunwu.algorithms.recipes import algorithm_named, with_config
    from dunwu.trainers.policy_update import PolicyUpdate

    def make(model: Any, *overrides: str) -> Any:
        config = zero_config("grpo.max_grad_norm=1e9", *overrides)
        made = PolicyUpdate(model, with_config(algorithm_named(config.grpo.algorithm), config.grpo), config, pad=1)
        move = made.optimiser.update

        def update(finite: bool = True) -> tuple[float, bool]:
            made.gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
            return move(finite)

        made.optimiser.update = update
        return made

    return make
