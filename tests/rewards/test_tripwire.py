import json

import pytest

from dunwu.config.rewards import TripwireConfig
from dunwu.rewards.scope import look_at
from dunwu.rewards.strict import strictly_right
from dunwu.rewards.tripwire import make_tripwire
from dunwu.types import Problem, Reward, Verdict

COUNTDOWN = Problem(id="p", task="countdown", text="", verifier="expression", data={"numbers": [3, 8, 2], "target": 22})
NUMBER = Problem(id="n", task="gsm8k", text="", verifier="number", answer="24")


def rewards(*pairs):
    return [Reward(1.0, {"accuracy": score, "hidden": hidden}, Verdict(score, "correct")) for score, hidden in pairs]


def test_it_counts_rewarded_and_checked_rollouts_only():
    wire = make_tripwire(TripwireConfig(threshold=0.5, window=2, least=3))
    found = wire.add(rewards((1.0, 1.0), (1.0, 0.0), (0.0, 0.0), (1.0, None), (None, 0.0)))
    assert found == {"tripwire/checked": 2, "tripwire/disagreement": 0.5}
    assert wire.tripped == ""  # two are too few
    wire.add(rewards((1.0, 0.0)))
    assert "of 3 rollouts that `accuracy` rewards, 2 fail the hidden check (67%, tripwire.threshold = 0.5)" in wire.tripped


def test_old_steps_leave_the_window_and_nothing_checked_is_none():
    wire = make_tripwire(TripwireConfig(threshold=0.5, window=2, least=1))
    wire.add(rewards((1.0, 0.0)))
    assert wire.tripped
    assert wire.add([]) == {"tripwire/checked": 0, "tripwire/disagreement": None}
    wire.add(rewards((1.0, 1.0)))
    assert wire.tripped == ""


def test_its_state_goes_in_and_out_of_checkpoints():
    wire, again = (make_tripwire(TripwireConfig(least=1)) for _ in range(2))
    wire.add(rewards((1.0, 0.0)))
    again.load([list(counts) for counts in wire.state()])  # as JSON gives it back
    assert again.tripped == wire.tripped != ""


@pytest.mark.parametrize(
    ("problem", "text", "right"),
    [
        (COUNTDOWN, "<think>x</think><answer>3 * 8 - 2</answer>", 1.0),
        (COUNTDOWN, "<think>x</think><answer>3 × 8 − 2 = 22</answer>", 1.0),
        (COUNTDOWN, "<think>x</think><answer>3 * 8 - 2 + 0</answer>", 0.0),
        (COUNTDOWN, "<think>x</think><answer>3 + 8 * 2</answer>", 0.0),
        (COUNTDOWN, "<think>x</think>no answer", 0.0),
        (NUMBER, "<think>x</think><answer>24</answer>", 1.0),
        (NUMBER, "<think>x</think><answer>The number\nis 24</answer>", 0.0),
        (NUMBER, f"<think>x</think><answer>{'well ' * 60}24</answer>", 0.0),
        (NUMBER, r"<think>x</think>\boxed{7} <answer>\boxed{24}</answer>", 0.0),
        (NUMBER, "<think>x</think>The answer is 7. The answer is <answer>24</answer>", 0.0),
    ],
)
def test_the_strict_check(problem, text, right):
    assert strictly_right(problem, look_at(text)) == right


def test_a_verifier_that_fails_gives_no_hidden_score():
    assert strictly_right(Problem(id="n", task="t", text="", verifier="number", answer="?"), look_at("<answer>24</answer>")) is None


def scored(*pairs):
    """Rewards with a model's score and the hidden check's, which are of different rollouts."""
    found = [Reward(1.0, {"helpfulness": score, "hidden": None}, Verdict(None, "unverified")) for score, _ in pairs]
    return found + [Reward(1.0, {"helpfulness": None, "hidden": hidden}, Verdict(1.0, "correct")) for _, hidden in pairs]


GOOD, SAME = scored((0.0, 1.0), (2.0, 1.0), (0.0, 1.0), (2.0, 0.0)), scored((0.5, 1.0), (1.5, 0.0), (1.0, 1.0), (1.0, 1.0))
"""Means 1 and 0.75, standard deviations 1 and 0.433."""
HACKED = scored((3.0, 0.0), (3.0, 0.0), (2.0, 0.0), (2.0, 0.0))
HONEST = scored((3.0, 1.0), (3.0, 1.0), (2.0, 1.0), (2.0, 1.0))
DIVERGENCE = TripwireConfig(mode="divergence", part="helpfulness", window=2, least=8)


def divergence(*steps, **keys):
    wire = make_tripwire(DIVERGENCE.model_copy(update=keys))
    found = [wire.add(step) for step in steps]
    return wire, found[-1]


def test_it_trips_where_the_score_rises_and_the_hidden_check_falls():
    wire, found = divergence(GOOD, GOOD, HACKED, HACKED)
    assert found == {"tripwire/checked": 4, "tripwire/rise": 1.5, "tripwire/fall": 0.75}
    assert "`helpfulness` has risen from 1 to 2.5, but the hidden check has fallen from 0.75 to 0 (tripwire.rise = 1" in wire.tripped


@pytest.mark.parametrize(
    ("steps", "keys"),
    [
        ((GOOD, GOOD, HACKED), {}),  # half a window
        ((GOOD, GOOD, HONEST, HONEST), {}),
        ((GOOD, GOOD, SAME, SAME), {}),
        ((GOOD, GOOD, HACKED, HACKED), {"rise": 1.5}),
        ((GOOD, GOOD, HACKED, HACKED), {"fall": 1.8}),
        ((GOOD, GOOD, HACKED, HACKED), {"least": 9}),
        ((HACKED, HACKED, GOOD, GOOD), {}),  # the wrong way round
    ],
)
def test_it_does_not_trip_otherwise(steps, keys):
    assert divergence(*steps, **keys)[0].tripped == ""


def test_a_fall_that_may_be_chance_does_not_trip():
    fallen = scored((3.0, 1.0), (3.0, 0.0), (3.0, 0.0), (3.0, 1.0))  # 0.75 -> 0.5 of 8: within three standard errors
    assert divergence(GOOD, GOOD, fallen, fallen)[0].tripped == ""
    assert divergence(GOOD * 20, GOOD * 20, fallen * 20, fallen * 20)[0].tripped != ""


def test_the_first_window_begins_when_the_part_counts():
    before = scored((None, 1.0), (None, 1.0))
    assert divergence(before, before, before, GOOD)[1]["tripwire/rise"] is None
    assert divergence(before, before, GOOD, GOOD, HACKED, HACKED)[1]["tripwire/rise"] == 1.5
    assert divergence(GOOD, GOOD, HACKED, HACKED, HONEST, HONEST)[0].tripped == ""  # the last window is the last


def test_a_divergence_survives_a_checkpoint():
    for steps in ((), (GOOD,), (GOOD, GOOD, HACKED)):
        wire, again = make_tripwire(DIVERGENCE), make_tripwire(DIVERGENCE)
        for step in steps:
            wire.add(step)
        again.load(json.loads(json.dumps(wire.state())))
        for step in (HACKED, HACKED):
            assert wire.add(step) == again.add(step)
        assert wire.tripped == again.tripped
    assert wire.tripped
