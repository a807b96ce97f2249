"""Parts of the reward that are models: helpfulness and safety, scored in the trainer's process after generation.

DeepSeek-R1's last stage (Nature 645:633-638, Eqs. 8-10) adds the reward of a model to that of the rules, for general prompts, and
preference rewards only in the last 400 of 1,700 steps, because later the policy hacks them. A rule's reward is computed text by text in
worker processes without torch; a model's here, for all rollouts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean, pstdev
from typing import Protocol

import torch

from dunwu.config.rewards import AnyPart, HelpfulnessPart, ModelPart, ModelPartConfig, SafetyPart
from dunwu.errors import ConfigError
from dunwu.rewards.group import with_failure, with_part, with_rewards
from dunwu.rewards.scope import Visible, Whole, look_at, narrow
from dunwu.trainers.reward_model_scoring import RewardModel
from dunwu.types import Group, Problem, Reward, Rollout

Seen = Visible | Whole
NO_SCORE = "longer than the model reads, or not finite"


class Scorer(Protocol):
    """A `RewardModel`, or a fake in tests."""

    @property
    def scope(self) -> type[Visible] | type[Whole]:
        """What of a completion it is shown."""
        ...

    def score(self, problems: Sequence[Problem], scopes: Sequence[Seen]) -> list[float | None]:
        """A score an answer, ``None`` where there is none."""
        ...


@dataclass(frozen=True)
class ModelReward:
    """One model and its weight in the reward."""

    config: ModelPart
    scorer: Scorer

    def counts(self, step: int, steps: int) -> bool:
        """Whether the part counts in step ``step`` (from 1) of ``steps``; a function of these alone, so that a resumed run agrees."""
        return step > round(self.config.after * steps)

    def applies(self, problem: Problem) -> bool:
        """See `applies`."""
        return applies(self.config, problem)

    def scores(self, groups: Sequence[Group]) -> list[list[float | None]]:
        """G scores a group. An empty answer, as after reasoning that never ends, gets the lowest score of its group.

        Equal answers are scored once: in different batches their scores would differ by rounding, which the division by a group's standard
        deviation would amplify.
        """
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        keys = [(rollout.prompt.problem.text, self._seen(rollout)) for rollout in rollouts]
        problems = {key: rollout.prompt.problem for key, rollout in zip(keys, rollouts, strict=True)}
        found = dict(zip(problems, self.scorer.score(list(problems.values()), [scope for _, scope in problems]), strict=True))
        answers = iter([(scope, found[text, scope]) for text, scope in keys])
        return [_floored(list(islice(answers, len(group.rollouts)))) for group in groups]

    def added(self, group: Group, scores: Sequence[float | None] | None) -> Group:
        """The group with the part in its rewards; ``scores`` is ``None`` where the part does not apply, or does not count yet."""
        rewards, name = [rollout.reward for rollout in group.rollouts], self.config.kind
        if scores is None:
            return with_rewards(group, [with_part(reward, name, None, None) for reward in rewards])
        values = normalised(scores) if self.config.normalise else scores
        return with_rewards(group, [self._added(*each) for each in zip(rewards, scores, values, strict=True)])

    def _added(self, reward: Reward, score: float | None, value: float | None) -> Reward:
        """``score`` among the parts, ``weight * value`` in the total. A missing score fails the reward, as that of any part."""
        weight = self.config.weight
        if value is None:
            return with_failure(reward, self.config.kind, NO_SCORE)
        return with_part(reward, self.config.kind, score, weight * value if weight else None)

    def _seen(self, rollout: Rollout) -> Seen:
        whole = look_at(rollout.prompt.prefill + rollout.completion.text)
        return narrow(whole, Visible) if self.scorer.scope is Visible else whole


@dataclass(frozen=True)
class ModelRewards:
    """All parts that are models."""

    parts: tuple[ModelReward, ...] = ()

    @classmethod
    def load(cls, configs: Sequence[AnyPart], device: torch.device | str = "cpu") -> ModelRewards:
        """The models among ``configs``. Raises ``ModelError`` for a folder that is no reward model, or one of another criterion."""
        models = [config for config in configs if isinstance(config, ModelPartConfig)]
        return cls(tuple(ModelReward(config, RewardModel.load(config.model, device, config.kind)) for config in models))

    def add(self, groups: Sequence[Group], step: int, steps: int) -> list[Group]:
        """The groups of step ``step`` of ``steps`` with the models' scores in their rewards."""
        for part in self.parts:
            places = [i for i, group in enumerate(groups) if part.counts(step, steps) and part.applies(group.prompt.problem)]
            scores = dict(zip(places, part.scores([groups[i] for i in places]), strict=True))
            groups = [part.added(group, scores.get(i)) for i, group in enumerate(groups)]
        return list(groups)


def applies(config: ModelPart, problem: Problem) -> bool:
    """A part applies to the tasks that it names, else to problems without a verifier; helpfulness never to those marked harmful.

    So no neural reward judges reasoning, as in the paper, and none rewards a helpful answer to a harmful question.
    """
    if config.tasks:
        return problem.task in config.tasks
    harmful = isinstance(config, HelpfulnessPart) and bool(problem.data.get("harmful"))
    return problem.verifier == "none" and not harmful


def refuse_idle(configs: Sequence[AnyPart], problems: Sequence[Problem]) -> None:
    """Raise ``ConfigError`` for a model that none of the ``problems`` is for: the run would ignore the part silently."""
    for config in configs:
        if isinstance(config, HelpfulnessPart | SafetyPart) and not any(applies(config, problem) for problem in problems):
            raise ConfigError(
                f"reward: {config.kind} applies to none of the problems; add general prompts (a task of kind chat), or name tasks"
            )


def normalised(scores: Sequence[float | None]) -> list[float | None]:
    """``(s - mean) / std`` over the scores that are known (population standard deviation); equal scores give 0."""
    known = [score for score in scores if score is not None]
    spread = pstdev(known) if known else 0.0
    return [None if score is None else (score - fmean(known)) / spread if spread else 0.0 for score in scores]


def _floored(answers: Sequence[tuple[Seen, float | None]]) -> list[float | None]:
    """The scores, with the lowest one for empty answers: saying nothing must not earn a good score."""
    least = min((score for _, score in answers if score is not None), default=None)
    return [score if scope.text.strip() or score is None else least for scope, score in answers]
