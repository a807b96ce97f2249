"""Dynamic sampling: groups that teach nothing are replaced by groups of further prompts (DAPO, arXiv 2503.14476, section 3.2).

The j-th further prompt of a round is a function of seed, step, round and j. So a resumed run samples what an uninterrupted one would have,
and the first round of a step is the same whether there are others or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dunwu.algorithms.advantages import dead_groups
from dunwu.data.rollouts import SampledGroups
from dunwu.trainers.experience import rewards_of
from dunwu.types import Group

Draw = Callable[[int, int], SampledGroups]
"""``(round, prompts)``: that many groups of round ``round``, counted from 0."""


@dataclass(frozen=True)
class Drawn:
    """The groups of a step, the rounds that were needed, and what was sampled in vain."""

    sampled: SampledGroups
    rounds: int
    dropped: tuple[Group, ...]

    def metrics(self) -> dict[str, float | int | None]:
        """What dynamic sampling did and cost."""
        tokens = sum(rollout.completion.tokens.sampled_count for group in self.dropped for rollout in group.rollouts)
        return {"sampling/rounds": self.rounds, "sampling/dropped_groups": len(self.dropped), "sampling/dropped_tokens": tokens}


def draw_alive(draw: Draw, prompts: int, rounds: int) -> Drawn:
    """``prompts`` groups; those of equal rewards are replaced, in their places, by groups of further rounds that are not.

    Departure from DAPO: after ``rounds`` rounds the dead groups that are left stay, and count in the means like those of GRPO.
    """
    sampled = draw(0, prompts)
    groups, dropped = list(sampled.groups), []
    generating, rewarding = sampled.generate_seconds, sampled.reward_seconds
    done, too_long = 1, sampled.too_long
    while done < rounds and (places := _dead(groups)):
        further = draw(done, len(places))
        dead = set(_dead(further.groups))
        alive = [group for place, group in enumerate(further.groups) if place not in dead]
        dropped += [further.groups[place] for place in sorted(dead)]
        for place, group in zip(places, alive, strict=False):
            dropped.append(groups[place])
            groups[place] = group
        generating, rewarding = generating + further.generate_seconds, rewarding + further.reward_seconds
        too_long += further.too_long
        done += 1
    return Drawn(SampledGroups(groups, generating, rewarding, too_long), done, tuple(dropped))


def problem_stream(seed: int, round: int) -> int:
    """The seed of the stream of problems that a round draws from; the first round's is the run's own."""
    return seed if round == 0 else int(np.random.SeedSequence([seed, round]).generate_state(1)[0])


def _dead(groups: Sequence[Group]) -> list[int]:
    places: list[int] = dead_groups(*rewards_of(groups)).nonzero()[:, 0].tolist()
    return places
