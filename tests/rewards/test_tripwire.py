import pytest

from dunwu.config.rewards import TripwireConfig
from dunwu.rewards.scope import look_at
from dunwu.rewards.strict import strictly_right
from dunwu.rewards.tripwire import Tripwire
from dunwu.types import Problem, Reward, Verdict

COUNTDOWN = Problem(id="p", task="countdown", text="", verifier="expression", data={"numbers": [3, 8, 2], "target": 22})
NUMBER = Problem(id="n", task="gsm8k", text="", verifier="number", answer="24")


def rewards(*pairs):
    return [Reward(1.0, {"accuracy": score, "hidden": hidden}, Verdict(score, "correct")) for score, hidden in pairs]


def test_it_counts_rewarded_and_checked_rollouts_only():
    wire = Tripwire(TripwireConfig(threshold=0.5, window=2, least=3))
    found = wire.add(rewards((1.0, 1.0), (1.0, 0.0), (0.0, 0.0), (1.0, None), (None, 0.0)))
    assert found == {"tripwire/checked": 2, "tripwire/disagreement": 0.5}
    assert wire.tripped == ""  # two are too few
    wire.add(rewards((1.0, 0.0)))
    assert "of 3 rollouts that `accuracy` rewards, 2 fail the hidden check (67%, tripwire.threshold = 0.5)" in wire.tripped


def test_old_steps_leave_the_window_and_nothing_checked_is_none():
    wire = Tripwire(TripwireConfig(threshold=0.5, window=2, least=1))
    wire.add(rewards((1.0, 0.0)))
    assert wire.tripped
    assert wire.add([]) == {"tripwire/checked": 0, "tripwire/disagreement": None}
    wire.add(rewards((1.0, 1.0)))
    assert wire.tripped == ""


def test_its_state_goes_in_and_out_of_checkpoints():
    wire, again = (Tripwire(TripwireConfig(least=1)) for _ in range(2))
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
