"""A tripwire for reward hacking: the share of rewarded rollouts that a hidden, stricter check rejects.

R1 saw its preference reward climb while true performance fell (DeepSeek-R1 in Nature, supplement on reward hacking), and kept to rules
where it could. Rules can be fooled too; the hidden check is never part of what is learned from, so no policy is drawn towards fooling it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from dunwu.config.rewards import TripwireConfig
from dunwu.rewards.compose import HIDDEN
from dunwu.types import Reward

RIGHT = 0.5
"""A score above this says right, in the watched part and in the hidden check."""


class Tripwire:
    """Counts over the last ``window`` steps: rollouts that were rewarded and checked, and those of them that the hidden check rejects."""

    def __init__(self, config: TripwireConfig) -> None:
        self._config = config
        self._steps: deque[tuple[int, int]] = deque(maxlen=config.window)

    def add(self, rewards: Iterable[Reward]) -> dict[str, float | int | None]:
        """Count a step's rewards; its metrics. ``tripwire/disagreement`` is ``None`` where nothing was rewarded and checked."""
        pairs = [(reward.parts.get(self._config.part), reward.parts.get(HIDDEN)) for reward in rewards]
        hidden = [found for score, found in pairs if score is not None and score > RIGHT and found is not None]
        rejected = sum(found <= RIGHT for found in hidden)
        self._steps.append((rejected, len(hidden)))
        return {"tripwire/checked": len(hidden), "tripwire/disagreement": rejected / len(hidden) if hidden else None}

    @property
    def tripped(self) -> str:
        """Why the run must stop; empty while it need not."""
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
        """Take up a saved state."""
        self._steps.clear()
        self._steps.extend((rejected, checked) for rejected, checked in state)
