"""Computes one reward, recording every failure as an outcome, and encodes rewards as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, get_args

from dunwu.process.attempt import attempt
from dunwu.types import Problem, Reason, Reward, Verdict

RewardFunction = Callable[[Problem, str], Reward]
REASONS = frozenset(get_args(Reason))


def compute(reward: RewardFunction, problem: Problem, text: str) -> Reward:
    """``reward(problem, text)``; a failed one (reason ``error``) when it raises or returns anything but a finite `Reward`."""
    names = part_names(reward)
    return attempt(lambda: _checked(reward(problem, text)), lambda message: failed(names, "error", message))


def failed(names: Sequence[str], reason: Reason, detail: str) -> Reward:
    """No total, no parts, no score: excluded from learning, never a silent 0."""
    return Reward(None, dict.fromkeys(names), Verdict(None, reason, detail))


def part_names(reward: RewardFunction) -> tuple[str, ...]:
    """The names in the reward's ``part_names``, so that failed rewards have the same columns."""
    return tuple(getattr(reward, "part_names", ()))


def encode(rewards: Sequence[Reward]) -> bytes:
    """JSON, so that the output of a misbehaving worker is data and never code."""
    plain = [(r.total, dict(r.parts), dict(r.failures), r.verdict.score, r.verdict.reason, r.verdict.detail) for r in rewards]
    return json.dumps(plain, allow_nan=False).encode()


def decode(message: bytes) -> list[Reward]:
    """The inverse of `encode`; raises `ValueError` for anything else."""
    try:
        plain = json.loads(message)
        return [_checked(Reward(total, parts, Verdict(*verdict), failures)) for total, parts, failures, *verdict in plain]
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a reward: {error}") from error


def _checked(reward: Any) -> Reward:
    if not isinstance(reward, Reward) or not isinstance(reward.verdict, Verdict):
        raise TypeError(f"the reward is a {type(reward).__name__}, not a Reward")
    if (
        not isinstance(reward.verdict.detail, str)
        or reward.verdict.reason not in REASONS
        or not all(isinstance(k, str) for k in reward.parts)
        or not all(isinstance(each, str) for failure in reward.failures.items() for each in failure)
    ):
        raise TypeError("the reward's verdict or parts have the wrong types")
    for number in (reward.total, reward.verdict.score, *reward.parts.values()):
        if number is not None and not (isinstance(number, (int, float)) and math.isfinite(number)):
            raise ValueError(f"the reward contains {number!r}")
    return reward
