"""Stops a run whose reward fails or applies to nothing: it would train nothing, unnoticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dunwu.run.reporter import QUIET, Reporter
from dunwu.types import Reward

LEAST = 32
"""This many failures of a part in a row, or the rollouts of a step if they are fewer, stop the run."""
IDLE_STEPS = 8
"""This many steps in a row without any reward, although none failed, stop it too."""
HIGH_SHARE = 0.1
"""A larger share of excluded rollouts prints a line."""
QUIET_STEPS = 50
"""Steps between two such lines."""
WHOLE = "reward"
"""The name of a failure of no single part: a reward that was killed, or whose worker died."""


class RewardWatch:
    """Counts the rewards of every step. ``halted`` says why the run must stop; empty while it may continue."""

    def __init__(self, steps: int, reporter: Reporter = QUIET) -> None:
        self._reporter = reporter
        self.halted = ""
        self._idle_steps = min(IDLE_STEPS, steps)
        self._failures: Counter[str] = Counter()
        self._idle = 0
        self._warned: int | None = None

    def add(self, step: int, rewards: Sequence[Reward]) -> None:
        """Count a step's rewards; warns where many are excluded."""
        failed = [_failures(reward) for reward in rewards]
        details = {name: detail for each in reversed(failed) for name, detail in each.items()}  # the first one of each
        self._count(failed, rewards)
        self._idle = 0 if details or any(reward.total is not None for reward in rewards) else self._idle + 1
        if broken := next((name for name in sorted(details) if self._failures[name] >= min(LEAST, len(rewards))), None):
            part = "the reward" if broken == WHOLE else f"the part {broken} of the reward"
            self.halted = f"{part} failed on all of the last {self._failures[broken]} rollouts it was computed for ({details[broken]})"
        elif self._idle >= self._idle_steps:
            self.halted = f"no part of the reward applied to any rollout in {self._idle} steps: every score was None"
        else:
            self._warn(step, rewards, details)

    def state(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"failures": dict(sorted(self._failures.items())), "idle": self._idle}

    def load(self, state: Mapping[str, Any]) -> None:
        """Load what `state` returned."""
        self._failures, self._idle = Counter(state["failures"]), state["idle"]

    def _count(self, failed: Sequence[Mapping[str, str]], rewards: Sequence[Reward]) -> None:
        """Failures of each part since its last score."""
        scored = {name for reward in rewards for name, score in reward.parts.items() if score is not None}
        scored |= {WHOLE for reward in rewards if reward.total is not None}
        self._failures.update(name for each in failed for name in each)
        for name in scored:
            self._failures.pop(name, None)

    def _warn(self, step: int, rewards: Sequence[Reward], details: Mapping[str, str]) -> None:
        excluded = [reward for reward in rewards if reward.total is None and _failures(reward)]
        due = self._warned is None or step - self._warned >= QUIET_STEPS
        if due and len(excluded) > HIGH_SHARE * len(rewards):
            self._warned = step
            name, detail = next(iter(_failures(excluded[0]).items()))
            line = f"{len(excluded)} of {len(rewards)} rollouts are excluded, as their reward failed; the first: {name}: {detail}"
            self._reporter.warn(f"step {step}: {line}")


def _failures(reward: Reward) -> Mapping[str, str]:
    if reward.failures or reward.total is not None or reward.verdict.reason not in ("timeout", "error"):
        return reward.failures
    return {WHOLE: f"{reward.verdict.reason}: {reward.verdict.detail}"}
