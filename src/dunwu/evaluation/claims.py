"""The paper's claims as data: what is compared, the bound that the difference must exceed, and the paper's own figure.

Written down before the first run. v1 is arXiv 2501.12948v1, N is Nature 645:633-638 (2025), S its supplement. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dunwu.config.reproduce import Claim

Quantity = Literal["pass_at_1", "majority", "thinking", "reflections", "language", "general"]


@dataclass(frozen=True, slots=True)
class Side:
    """What of which model; ``shared`` if all seeds have the same model."""

    model: str
    quantity: Quantity
    shared: bool = False

    def names(self, seeds: Sequence[int]) -> list[str]:
        """The model's name for each seed."""
        return [self.model if self.shared else f"{self.model}-{seed}" for seed in seeds]


@dataclass(frozen=True, slots=True)
class Trial:
    """``one - times * other > bound``, problem by problem; without ``other`` the slope of ``one`` over levels of difficulty.

    ``one`` is ``None`` where Dunwu cannot train what the claim is about.
    """

    claim: Claim
    says: str
    one: Side | None
    other: Side | None
    paper: str
    source: str
    times: float = 1.0
    bound: float = 0.0

    @property
    def sides(self) -> tuple[Side, ...]:
        """Those that are measured."""
        return tuple(side for side in (self.one, self.other) if side is not None)


_BASE = "base"


def _base(quantity: Quantity) -> Side:
    return Side(_BASE, quantity, shared=True)


LOSS = -0.03
"""Three points of pass@1 are a small cost."""

TRIALS: tuple[Trial, ...] = (
    Trial(
        "lift",
        "RL alone multiplies pass@1 by three or more",
        Side("zero", "pass_at_1"),
        _base("pass_at_1"),
        "15.6 -> 77.9 (AIME 2024)",
        "N, main text; v1 2.2: 71.0",
        times=3.0,
    ),
    Trial(
        "majority",
        "the majority of answers is right more often than one answer",
        Side("zero", "majority"),
        Side("zero", "pass_at_1"),
        "71.0 -> 86.7 (AIME 2024, 64 answers)",
        "v1 2.2",
    ),
    Trial(
        "thinking",
        "thinking gets longer with training",
        Side("zero", "thinking"),
        _base("thinking"),
        "grows throughout training (a curve)",
        "v1 figure 3",
    ),
    Trial(
        "thinking",
        "thinking gets longer with difficulty",
        Side("zero", "thinking"),
        None,
        "< 7,000 tokens on easy problems, > 18,000 on the hardest",
        "S",
    ),
    Trial(
        "reflection",
        "reflective words at least double",
        Side("zero", "reflections"),
        _base("reflections"),
        "5 to 7 times as many",
        "S",
        times=2.0,
    ),
    Trial(
        "language",
        "the language reward makes reasoning more consistent",
        Side("language", "language"),
        Side("zero", "language"),
        "stable with it, decays without (a curve)",
        "S B.6",
    ),
    Trial(
        "language",
        "the language reward costs less than 3 points of pass@1",
        Side("language", "pass_at_1"),
        Side("zero", "pass_at_1"),
        "mathematics equal, code slightly worse",
        "S B.6",
        bound=LOSS,
    ),
    Trial(
        "stages",
        "R1's reasoning is in one language more than Zero's",
        Side("suite-r1", "language"),
        Side("suite-zero", "language"),
        "Zero mixes languages (no figure)",
        "v1 2.2.4",
    ),
    Trial(
        "stages",
        "R1 is better at general tasks than Zero",
        Side("suite-r1", "general"),
        Side("suite-zero", "general"),
        "46.6 -> 83.3 (IF-Eval)",
        "N table 2",
    ),
    Trial(
        "stages",
        "R1 keeps Zero's reasoning, but for less than 3 points",
        Side("suite-r1", "pass_at_1"),
        Side("suite-zero", "pass_at_1"),
        "77.9 -> 79.8 (AIME 2024)",
        "N table 2",
        bound=LOSS,
    ),
    Trial(
        "distillation",
        "a small model gains more from a teacher's text than from RL of equal compute",
        Side("text", "pass_at_1"),
        Side("rl", "pass_at_1"),
        "47.0 (RL) against 72.6 (text), AIME 2024, 32B; compute not equal",
        "v1 table 6",
    ),
    Trial(
        "ablations",
        "a clip range of 10 is better than one of 0.2",
        Side("clip-wide", "pass_at_1"),
        Side("clip-narrow", "pass_at_1"),
        "takes 10; no figure of another",
        "N Methods",
    ),
    Trial(
        "ablations",
        "groups of 16 are better than groups of 4, with as many answers a step",
        Side("group-large", "pass_at_1"),
        Side("group-small", "pass_at_1"),
        "takes 16; no figure of another",
        "N Methods",
    ),
    Trial(
        "process",
        "a process reward model does not pay",
        None,
        None,
        "hard to define and to label, hacked (no figure)",
        "v1 4.2",
    ),
)
"""In the order of the table."""


def trials_of(claims: Sequence[Claim]) -> list[Trial]:
    """The trials of these claims."""
    return [trial for trial in TRIALS if trial.claim in claims]


def models_of(claims: Sequence[Claim]) -> list[Side]:
    """The sides whose models the claims need, one for each model."""
    return list({side.model: side for trial in trials_of(claims) for side in trial.sides}.values())
