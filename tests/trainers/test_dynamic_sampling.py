"""Dynamic sampling: dead groups are replaced in their places, round after round, and what it took is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from dunwu.data.rollouts import SampledGroups
from dunwu.trainers.experience import rewards_of
from dunwu.trainers.step_groups import Draw, draw_alive, problem_stream
from dunwu.types import Group

MakeGroups = Callable[..., list[Group]]
ALIVE, DEAD, FAILED = [0.0, 1.0], [1.0, 1.0], [None, 1.0]


def scripted(make_groups: MakeGroups, *rounds: Sequence[Sequence[float | None]]) -> tuple[Draw, list[tuple[int, int]]]:
    """Draws the rewards of ``rounds``; a group's first token says where it came from. Also what was asked for."""
    asked: list[tuple[int, int]] = []

    def draw(round: int, prompts: int) -> SampledGroups:
        asked.append((round, prompts))
        return SampledGroups(make_groups(rounds[round][:prompts], (3,), first_token=300 + 1000 * round), 1.0, 0.5)

    return draw, asked


def origins(groups: Sequence[Group]) -> list[int]:
    """Rounds the groups came from."""
    return [(group.rollouts[0].completion.tokens.ids[0] - 300) // 1000 for group in groups]


def test_one_round_leaves_everything_as_it_is(make_groups: MakeGroups) -> None:
    draw, asked = scripted(make_groups, [ALIVE, DEAD, DEAD])
    drawn = draw_alive(draw, 3, rounds=1)
    assert asked == [(0, 3)]
    assert drawn.sampled.groups == draw(0, 3).groups
    assert drawn.metrics() == {"sampling/rounds": 1, "sampling/dropped_groups": 0, "sampling/dropped_tokens": 0}


def test_dead_groups_are_replaced_in_their_places(make_groups: MakeGroups) -> None:
    draw, asked = scripted(make_groups, [DEAD, ALIVE, FAILED, DEAD], [DEAD, ALIVE, DEAD], [[5.0, 6.0], ALIVE], [])
    drawn = draw_alive(draw, 4, rounds=9)
    assert asked == [(0, 4), (1, 3), (2, 2)]
    assert origins(drawn.sampled.groups) == [1, 0, 2, 2]
    assert rewards_of(drawn.sampled.groups)[0].tolist() == [ALIVE, ALIVE, [5.0, 6.0], ALIVE]
    assert drawn.sampled.generate_seconds == 3.0
    assert drawn.sampled.reward_seconds == 1.5
    # 3 of the first round, 2 of the second; two completions of three tokens each.
    assert drawn.metrics() == {"sampling/rounds": 3, "sampling/dropped_groups": 5, "sampling/dropped_tokens": 30}


def test_dead_groups_that_are_left_stay(make_groups: MakeGroups) -> None:
    draw, asked = scripted(make_groups, [DEAD, DEAD, ALIVE], [DEAD, ALIVE])
    drawn = draw_alive(draw, 3, rounds=2)
    assert asked == [(0, 3), (1, 2)]
    assert origins(drawn.sampled.groups) == [1, 0, 0]
    assert len(drawn.dropped) == 2


def test_a_batch_without_dead_groups_needs_no_second_round(make_groups: MakeGroups) -> None:
    draw, asked = scripted(make_groups, [ALIVE, ALIVE])
    assert draw_alive(draw, 2, rounds=5).rounds == 1
    assert asked == [(0, 2)]


@pytest.mark.parametrize("seed", [0, 7])
def test_each_round_has_its_own_problems_and_the_first_those_of_the_run(seed: int) -> None:
    streams = [problem_stream(seed, round) for round in range(20)]
    assert streams[0] == seed
    assert len(set(streams)) == 20
    assert streams == [problem_stream(seed, round) for round in range(20)]
    assert not set(streams) & {problem_stream(seed + 1, round) for round in range(20)}
