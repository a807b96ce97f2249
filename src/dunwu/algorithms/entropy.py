"""An entropy bonus. R1's loss has no entropy term."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class EntropyBonus:
    """An entropy term in the loss whose coefficient moves so that the entropy stays near a target.

    Skywork-OR1 (arXiv 2505.22312), adaptive entropy control::

        c_{k+1} = c_k + step * sign(target - entropy_k)
        the loss has -c_k * entropy where entropy_k is at most the target, else nothing

    ``coefficient`` is c; ``target`` in nats a token, ``None`` for a coefficient that stays; ``last`` is the entropy of the step before.
    Departures: whether the bonus is on is decided by the step before, whose entropy is known without another forward pass; c is never
    below 0.
    """

    coefficient: float
    target: float | None = None
    step: float = 0.0
    last: float | None = None

    def __post_init__(self) -> None:
        assert min(self.coefficient, self.step) >= 0, f"coefficient {self.coefficient} and step {self.step} must be >= 0"

    @property
    def weight(self) -> float:
        """The coefficient in use: 0 while the entropy is above its target."""
        above = self.target is not None and self.last is not None and self.last > self.target
        return 0.0 if above else self.coefficient

    def after(self, entropy: float) -> EntropyBonus:
        """The bonus of the next step, when this one's tokens had the mean ``entropy``."""
        if self.target is None:
            return self
        moved = self.coefficient + self.step * ((entropy < self.target) - (entropy > self.target))
        return replace(self, coefficient=max(0.0, moved), last=entropy)
