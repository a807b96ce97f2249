"""A total that is not finite is a failed reward, and the run says so."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dunwu.rewards.group import with_finite_totals, with_rewards
from dunwu.types import Completion, Group, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict
from tests.recorder import Recorder

PROMPT = Prompt(Problem("p", "t", "?", "number", answer="5"), "?", (1,))


def group(*totals: float | None) -> Group:
    completion = Completion(TokenSequence.drawn((1,), (0.0,), 0), "5", "stop")
    return Group(PROMPT, tuple(Rollout(PROMPT, completion, Reward(total, {"accuracy": 1.0}, Verdict(1.0, "correct"))) for total in totals))


def test_a_total_that_is_not_finite_has_failed() -> None:
    given = group(1.0, math.inf, None, -math.inf, math.nan)
    [found] = with_finite_totals([given])
    rewards = [rollout.reward for rollout in found.rollouts]
    assert [reward.total for reward in rewards] == [1.0, None, None, None, None]
    assert [reward.verdict.reason for reward in rewards] == ["correct", "error", "correct", "error", "error"]
    assert [list(reward.failures) for reward in rewards] == [[], ["reward"], [], ["reward"], ["reward"]]
    assert rewards[0] is given.rollouts[0].reward


def test_a_group_reward_without_finite_totals_is_said(
    open_trainer: Callable[..., Any], zero_config: Callable[..., Any], tmp_path: Path, recorder: Recorder
) -> None:
    def endless(groups: list[Group], step: int) -> list[Group]:
        return [
            with_rewards(each, [replace(each.rollouts[0].reward, total=math.inf), *(r.reward for r in each.rollouts[1:])])
            for each in groups
        ]

    with open_trainer(tmp_path / "run", zero_config()) as trainer:
        trainer.run.reporter = trainer.report.watch._reporter = recorder
        trainer.group_rewards = endless
        metrics = trainer.step(1)
    assert metrics["excluded"] == 4
    [text] = recorder.of("warn")
    assert "4 of 16 rollouts are excluded" in text
    assert "not a finite number" in text
