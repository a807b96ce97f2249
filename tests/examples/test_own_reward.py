"""The example of a user's own reward, as the reward of a run loads it."""

from pathlib import Path

import pytest

from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.rewards.make import make_reward
from dunwu.types import Problem

OWN = Path(__file__).parents[2] / "examples" / "own_reward.py"


@pytest.mark.parametrize(("language", "expected"), [("en", 1 - 40 / 400), ("zh", 1 - 120 / 400)])
def test_the_example_is_a_part_of_the_reward(language: str, expected: float) -> None:
    config = load_config(ZeroConfig, None, [f"reward=[accuracy, {OWN}:brevity]"])
    problem = Problem("p", "mine", "1 + 1?", "number", answer="2", language=language)
    text = "<think>so</think><answer>2</answer>".ljust(40)
    found = make_reward(config.reward)(problem, text)
    assert found.parts == {"accuracy": 1.0, "brevity": pytest.approx(expected)}
    assert found.total == pytest.approx(1 + expected)
