"""A reward that fails, or applies to nothing, stops the run; many excluded rollouts are told of now and then."""

from __future__ import annotations

import pytest

from dunwu.trainers.reward_watch import HIGH_SHARE, IDLE_STEPS, LEAST, QUIET_STEPS, RewardWatch
from dunwu.types import Reward, Verdict
from tests.recorder import Recorder

RIGHT = Reward(1.0, {"accuracy": 1.0, "mine": 0.0}, Verdict(1.0, "correct"))
BROKEN = Reward(None, {"accuracy": 1.0, "mine": None}, Verdict(None, "error", "part mine: x"), {"mine": "KeyError: 'x'"})
KILLED = Reward(None, {"accuracy": None, "mine": None}, Verdict(None, "timeout", "5 s"))
IDLE = Reward(None, {"accuracy": None, "mine": None}, Verdict(None, "unverified"))
HIDDEN = Reward(1.0, {"accuracy": 1.0, "hidden": None}, Verdict(1.0, "correct"), {"hidden": "NameError: y"})


@pytest.mark.parametrize(
    ("rewards", "named"),
    [([BROKEN] * 8, "mine"), ([BROKEN] * LEAST + [KILLED], "mine"), ([KILLED] * 8, "5 s"), ([HIDDEN] * 4, "hidden")],
)
def test_a_part_that_fails_on_every_rollout_halts_with_its_first_detail(rewards, named):
    watch = RewardWatch(steps=100)
    watch.add(1, rewards)
    assert named in watch.halted
    assert next(iter(rewards[0].failures.values()), "5 s") in watch.halted


def test_one_score_between_failures_lets_the_run_go_on(recorder: Recorder):
    watch = RewardWatch(steps=100, reporter=recorder)
    for step in range(1, 60):
        watch.add(step, [BROKEN] * 7 + [RIGHT])
        assert not watch.halted
    assert ["7 of 8" in text for text in recorder.of("warn")] == [True] * (1 + 58 // QUIET_STEPS)


def test_failures_of_a_part_that_seldom_applies_are_added_up():
    watch = RewardWatch(steps=1000)
    seldom = Reward(1.0, {"accuracy": 1.0, "hidden": None}, Verdict(1.0, "correct"))
    for step in range(1, LEAST):
        watch.add(step, [HIDDEN] + [seldom] * LEAST)
        assert not watch.halted
    other = RewardWatch(steps=1000)
    other.load(watch.state())
    other.add(LEAST, [HIDDEN] + [seldom] * LEAST)
    assert "hidden" in other.halted


def test_a_reward_that_applies_to_nothing_halts():
    watch = RewardWatch(steps=100)
    for step in range(1, IDLE_STEPS):
        watch.add(step, [IDLE] * 4)
        assert not watch.halted
    watch.add(IDLE_STEPS, [IDLE] * 4)
    assert watch.halted
    short = RewardWatch(steps=1)
    short.add(1, [IDLE] * 4)
    assert short.halted


def test_few_excluded_rollouts_are_not_worth_a_warning(recorder: Recorder):
    watch = RewardWatch(steps=100, reporter=recorder)
    watch.add(1, [KILLED] + [RIGHT] * int(1 / HIGH_SHARE))
    assert recorder.events == []
