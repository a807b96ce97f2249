"""The groups that a step learns from: those without a signal are replaced, and the next step's may be drawn while this one trains.

Dynamic sampling replaces groups of equal rewards by groups of further prompts (DAPO, arXiv 2503.14476, section 3.2). The j-th further
prompt of a round is a function of seed, step, round and j. So a resumed run samples what an uninterrupted one would have, and the first
round of a step is the same whether there are others or not.

Drawn ahead, rollouts are one update old, which importance weights correct: as in IMPALA (arXiv 1802.01561) the policy that samples lags
behind the one that learns, here by one step, never more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from dunwu.algorithms.advantages import dead_groups
from dunwu.data.rollouts import SampledGroups
from dunwu.trainers.experience import rewards_of
from dunwu.types import Group

Draw = Callable[[int, int], SampledGroups]
"""``(round, prompts)``: that many groups of round ``round``, counted from 0."""


@dataclass(frozen=True)
class StepGroups:
    """The groups of a step, the number of rounds, and the groups that were sampled and not used."""

    sampled: SampledGroups
    rounds: int
    dropped: tuple[Group, ...]

    def metrics(self) -> dict[str, float | int | None]:
        """What dynamic sampling did and cost."""
        tokens = sum(rollout.completion.tokens.sampled_count for group in self.dropped for rollout in group.rollouts)
        return {"sampling/rounds": self.rounds, "sampling/dropped_groups": len(self.dropped), "sampling/dropped_tokens": tokens}


class GroupSource:
    """``draw_round(step, round, prompts)`` is one round of sampling; a step has ``prompts`` groups from at most ``rounds`` rounds."""

    def __init__(self, draw_round: Callable[[int, int, int], SampledGroups], prompts: int, rounds: int) -> None:
        self._draw_round, self._prompts, self._rounds = draw_round, prompts, rounds
        self._thread = ThreadPoolExecutor(1, "dunwu-ahead")
        self._begun: tuple[int, Future[StepGroups]] | None = None

    def take(self, step: int) -> StepGroups:
        """The groups of ``step``: those that `begin` started on, or drawn now."""
        if self._begun is None:
            return self._draw(step)
        begun, groups = self._begun
        assert begun == step, f"step {begun} was started, not step {step}"
        self._begun = None
        return groups.result()

    def begin(self, step: int) -> None:
        """Start to draw the groups of ``step`` in a thread; the engine's weights must not change until they have been taken."""
        assert self._begun is None, "one step ahead, not two"
        self._begun = step, self._thread.submit(self._draw, step)

    def close(self) -> None:
        """Wait for groups that are being drawn, and drop them."""
        self._thread.shutdown(wait=True)
        self._begun = None

    def _draw(self, step: int) -> StepGroups:
        return draw_alive(partial(self._draw_round, step), self._prompts, self._rounds)


def draw_alive(draw: Draw, prompts: int, rounds: int) -> StepGroups:
    """``prompts`` groups; those of equal rewards are replaced, in their places, by groups of further rounds that are not.

    Departure from DAPO: dead groups that remain after ``rounds`` rounds stay, and count in the means like those of GRPO.
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
    return StepGroups(SampledGroups(groups, generating, rewarding, too_long), done, tuple(dropped))


def problem_stream(seed: int, round: int) -> int:
    """The seed of the stream of problems that a round draws from; the first round's is the run's own."""
    return seed if round == 0 else int(np.random.SeedSequence([seed, round]).generate_state(1)[0])


def _dead(groups: Sequence[Group]) -> list[int]:
    places: list[int] = dead_groups(*rewards_of(groups)).nonzero()[:, 0].tolist()
    return places
