"""Tripwires for reward hacking: they compare a reward with a hidden check that the policy never learns from, so has no reason to fool.

R1's preference reward rose while its true performance fell (DeepSeek-R1 in Nature, supplement on reward hacking). `Divergence` watches for
this; `Disagreement` watches for rules that are fooled, where single rollouts can be judged right or wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from math import sqrt
from typing import Any, Protocol

from dunwu.config.rewards import TripwireConfig
from dunwu.rewards.compose import HIDDEN
from dunwu.types import Reward

RIGHT = 0.5
"""A score above this means right, in the watched part and in the hidden check."""
STANDARD_ERRORS = 3.0
"""A smaller fall of the hidden check counts as chance. Generous, because the rollouts of a group are not independent."""


class Tripwire(Protocol):
    """Sees the rewards of every step and decides when the run must stop. Its state is plain JSON and all that a resumed run needs."""

    def add(self, rewards: Iterable[Reward]) -> dict[str, float | int | None]:
        """Add a step's rewards; returns its metrics."""
        ...

    @property
    def tripped(self) -> str:
        """Why the run must stop; empty if it need not."""
        ...

    def state(self) -> Any:
        """For checkpoints."""
        ...

    def load(self, state: Any) -> None:
        """Restore a saved state."""
        ...


def make_tripwire(config: TripwireConfig) -> Tripwire:
    """The tripwire of the configured mode."""
    return Disagreement(config) if config.mode == "disagreement" else Divergence(config)


class Disagreement:
    """Counts, over the last ``window`` steps, the rollouts that were rewarded and checked, and those that the hidden check rejects."""

    def __init__(self, config: TripwireConfig) -> None:
        self._config = config
        self._steps: deque[tuple[int, int]] = deque(maxlen=config.window)

    def add(self, rewards: Iterable[Reward]) -> dict[str, float | int | None]:
        """Add a step's rewards; returns its metrics. ``tripwire/disagreement`` is ``None`` if nothing was rewarded and checked."""
        pairs = [(reward.parts.get(self._config.part), reward.parts.get(HIDDEN)) for reward in rewards]
        hidden = [found for score, found in pairs if score is not None and score > RIGHT and found is not None]
        rejected = sum(found <= RIGHT for found in hidden)
        self._steps.append((rejected, len(hidden)))
        return {"tripwire/checked": len(hidden), "tripwire/disagreement": rejected / len(hidden) if hidden else None}

    @property
    def tripped(self) -> str:
        """Why the run must stop; empty if it need not."""
        rejected, checked = (sum(counts) for counts in zip(*self._steps, strict=True)) if self._steps else (0, 0)
        if checked < self._config.least or rejected <= self._config.threshold * checked:
            return ""
        return (
            f"the reward is being hacked: of {checked} rollouts that `{self._config.part}` rewards, {rejected} fail the hidden check"
            f" ({rejected / checked:.0%}, tripwire.threshold = {self._config.threshold:g})"
        )

    def state(self) -> list[tuple[int, int]]:
        """For checkpoints."""
        return list(self._steps)

    def load(self, state: Sequence[Sequence[int]]) -> None:
        """Restore a saved state."""
        self._steps.clear()
        self._steps.extend((rejected, checked) for rejected, checked in state)


@dataclass(frozen=True, slots=True)
class Moments:
    """Number, sum and sum of squares of scores; a window is the sum of its steps."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, scores: Iterable[float | None]) -> Moments:
        """The moments of all scores that are not ``None``."""
        known = [score for score in scores if score is not None]
        return cls(len(known), sum(known), sum(score * score for score in known))

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """The mean; 0 without scores."""
        return self.total / max(self.count, 1)

    @property
    def variance(self) -> float:
        """The population variance."""
        return max(self.squares / max(self.count, 1) - self.mean**2, 0.0)


Step = tuple[Moments, Moments]
"""The watched part's and the hidden check's scores of one step."""


class Divergence:
    """Compares the last ``window`` steps with the first ``window`` in which the watched part was scored.

    The part and the hidden check may concern different problems: R1's helpfulness rose on general prompts while its programs got worse.
    """

    def __init__(self, config: TripwireConfig) -> None:
        self._config = config
        self._first: list[Step] = []
        self._last: deque[Step] = deque(maxlen=config.window)

    def add(self, rewards: Iterable[Reward]) -> dict[str, float | int | None]:
        """Add a step's rewards; returns its metrics. ``rise`` and ``fall`` (of the means) are ``None`` until both windows are full."""
        parts = [reward.parts for reward in rewards]
        watched, hidden = (Moments.of(scores.get(name) for scores in parts) for name in (self._config.part, HIDDEN))
        if watched.count:
            (self._first if len(self._first) < self._config.window else self._last).append((watched, hidden))
        full = len(self._last) == self._config.window
        (part_then, hidden_then), (part_now, hidden_now) = _sum(self._first), _sum(self._last)
        return {
            "tripwire/checked": hidden.count,
            "tripwire/rise": part_now.mean - part_then.mean if full else None,
            "tripwire/fall": hidden_then.mean - hidden_now.mean if full else None,
        }

    @property
    def tripped(self) -> str:
        """Why the run must stop; empty if it need not."""
        (part_then, hidden_then), (part_now, hidden_now) = _sum(self._first), _sum(self._last)
        counts = [moments.count for moments in (part_then, hidden_then, part_now, hidden_now)]
        if len(self._last) < self._config.window or min(counts) < self._config.least:
            return ""
        error = sqrt(hidden_then.variance / hidden_then.count + hidden_now.variance / hidden_now.count)
        risen = part_now.mean - part_then.mean > self._config.rise * sqrt(part_then.variance)
        fallen = hidden_then.mean - hidden_now.mean > max(self._config.fall * sqrt(hidden_then.variance), STANDARD_ERRORS * error)
        if not (risen and fallen):
            return ""
        return (
            f"the reward is being hacked: since it was first scored, `{self._config.part}` has risen from {part_then.mean:.3g} to"
            f" {part_now.mean:.3g}, but the hidden check has fallen from {hidden_then.mean:.3g} to {hidden_now.mean:.3g}"
            f" (tripwire.rise = {self._config.rise:g}, tripwire.fall = {self._config.fall:g} standard deviations)"
        )

    def state(self) -> list[list[tuple[Any, ...]]]:
        """For checkpoints."""
        return [[astuple(moments) for step in steps for moments in step] for steps in (self._first, self._last)]

    def load(self, state: Sequence[Sequence[Sequence[Any]]]) -> None:
        """Restore a saved state."""
        first, last = ([Moments(*moments) for moments in steps] for steps in state)
        self._first = list(zip(first[::2], first[1::2], strict=True))
        self._last = deque(zip(last[::2], last[1::2], strict=True), self._config.window)


def _sum(steps: Iterable[Step]) -> Step:
    """The sum of a window of steps."""
    watched, hidden = Moments(), Moments()
    for one, other in steps:
        watched, hidden = watched + one, hidden + other
    return watched, hidden
