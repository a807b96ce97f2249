"""A reward model that can be exploited is exploited, and the tripwire sees reasoning fall for it; an honest one runs to its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dunwu.errors import TrainingError
from dunwu.rewards.make import make_reward
from dunwu.rewards.scope import Visible, Whole
from dunwu.trainers.group_rewards import GroupRewards
from dunwu.trainers.model_rewards import ModelReward, ModelRewards
from dunwu.trainers.train_loop import Schedule, run_steps
from dunwu.types import Problem

STEPS, AFTER = 50, 0.5


class Flattered:
    """Likes to hear a four, whatever was asked."""

    scope = Visible

    def score(self, problems: Sequence[Problem], scopes: Sequence[Visible | Whole]) -> list[float | None]:
        return [4.0 * seen.text.count("4") for seen in scopes]


class Honest:
    """Likes what was asked for."""

    scope = Visible

    def score(self, problems: Sequence[Problem], scopes: Sequence[Visible | Whole]) -> list[float | None]:
        return [4.0 * (seen.text == problem.answer) for problem, seen in zip(problems, scopes, strict=True)]


@pytest.fixture
def train(tmp_path: Path, open_trainer: Any, zero_config: Any, say_data: Path) -> Callable[[Any], list[dict[str, Any]]]:
    """Train for right answers, and then for the scorer's favour too; the metrics, a row a step. A halted run raises."""

    def run(scorer: Any) -> list[dict[str, Any]]:
        reward = f"reward=[accuracy, format, {{kind: helpfulness, model: none, tasks: [{say_data.name}], after: {AFTER}}}]"
        wire = "tripwire={mode: divergence, part: helpfulness, share: 1.0, window: 3, rise: 0.5}"
        config = zero_config("grpo.prompts_per_step=10", "grpo.group_size=8", f"grpo.steps={STEPS}", reward, wire)
        with open_trainer(tmp_path / "run", config, reward=make_reward(config.reward, config.tripwire)) as trainer:
            models = ModelRewards((ModelReward(config.reward[-1], scorer),))
            trainer.group_rewards = GroupRewards(config, trainer.pool.weights, models)
            run_steps(trainer.run, trainer, Schedule(STEPS, config.save_every, config.keep_checkpoints, "test"))
        return metrics(tmp_path)

    return run


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]


def test_a_flattered_reward_model_stops_the_run(train: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"`helpfulness` has risen from .* hidden check has fallen from"):
        train(Flattered())
    rows = metrics(tmp_path)
    before, last = rows[int(STEPS * AFTER) - 1], rows[-1]
    assert before["step"] < last["step"] < STEPS
    assert before["rewards/helpfulness"] is None
    assert last["tripwire/rise"] > 0.5  # of scores of 0 and 4
    assert last["tripwire/fall"] > 0.05
    assert last["rewards/accuracy"] < before["rewards/accuracy"]
    assert sorted((tmp_path / "run" / "checkpoints").iterdir())[-1].name == f"step-{last['step']:06d}"


def test_an_honest_reward_model_runs_to_its_end(train: Callable[..., Any]) -> None:
    rows = train(Honest())
    assert len(rows) == STEPS
    assert rows[-1]["tripwire/rise"] > 1.0  # more than half of a standard deviation, which is 2 at most: the hidden check alone clears it
    assert rows[-1]["tripwire/fall"] < 0.05
