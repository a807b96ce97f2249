"""A model's answers to the problems of tasks, with the verdicts of the rule verifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dunwu.config.data import Sampling
from dunwu.config.tasks import WeightedTask
from dunwu.data.generators.base import Chat, Generator, TextCompletion, generate
from dunwu.data.usable import sift
from dunwu.errors import DataError
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.tasks.make import make_mixture
from dunwu.tasks.mixture import Mixture
from dunwu.text.answer_forms import DEFAULT, as_read
from dunwu.text.surrogates import refuse_surrogates
from dunwu.types import AnswerForm, Problem, Verdict

MOST_REPEATS = 20
"""To find ``number`` different problems, at most this many times ``number`` are read from a task's stream."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One answer."""

    problem: Problem
    completion: TextCompletion
    verdict: Verdict

    @property
    def right(self) -> bool:
        """True if the verdict is 1; a failed verifier counts as wrong."""
        return self.verdict.score is not None and self.verdict.score >= 1.0


def training_problems(tasks: Sequence[WeightedTask], number: int, seed: int, answer_form: AnswerForm = DEFAULT) -> list[Problem]:
    """The first ``number`` different training problems, or fewer if the tasks have no more."""
    task = make_mixture(tasks, answer_form)
    for part, weighted in zip(task.tasks if isinstance(task, Mixture) else [task], tasks, strict=True):
        sift(part, weighted.task, "train", None)
    found: dict[str, Problem] = {}
    for index in range(MOST_REPEATS * number):
        problem = task.train(index, seed)
        refuse_surrogates(problem.text, f"problem {problem.id}")
        found.setdefault(problem.text, problem)
        if len(found) == number:
            break
    return list(found.values())


def sample(
    generator: Generator,
    problems: Sequence[Problem],
    prompts: Sequence[Chat | str],
    how: Sampling,
    seed: int,
    workers: int,
    timeout: float,
) -> list[Sampled]:
    """``how.samples`` answers to each problem, prompted with ``prompts``, and their verdicts; problem by problem.

    Refused answers are dropped, since they are not wrong answers.
    """
    answers = generate(generator, prompts, how.samples, how.sampling, seed, [problem.id for problem in problems])
    asked = [(problem, answer) for problem, group in zip(problems, answers, strict=True) for answer in group if not answer.refused]
    verdicts = verify_all([(as_read(problem, not answer.finished), answer.text) for problem, answer in asked], workers, timeout)
    _refuse_broken_verifier(verdicts)
    return [Sampled(problem, answer, verdict) for (problem, answer), verdict in zip(asked, verdicts, strict=True)]


def _refuse_broken_verifier(verdicts: Sequence[Verdict]) -> None:
    """Raise ``DataError`` if the verifier failed on every answer, for example because golds are unreadable or there is no sandbox."""
    if verdicts and all(verdict.reason in ("error", "timeout") for verdict in verdicts):
        raise DataError(f"the verifier failed on all {len(verdicts)} answers: {verdicts[0].detail or verdicts[0].reason}; check the task")


def verify_all(answers: Sequence[tuple[Problem, str]], workers: int, timeout: float) -> list[Verdict]:
    """The rule verifier's verdict on each completion; it runs in processes that can be killed."""
    with RewardPool(rule_reward(), workers, timeout) as pool:
        for key, (problem, text) in enumerate(answers):
            pool.submit(key, problem, text)
        rewards = pool.collect()
    return [rewards[key].verdict for key in range(len(answers))]


def pass_rates(sampled: Sequence[Sampled]) -> dict[str, float | None]:
    """Share of correct answers by problem id, among those that could be verified; ``None`` if none could."""
    scores: dict[str, list[bool]] = {}
    for each in sampled:
        scores.setdefault(each.problem.id, []).extend([each.right] if each.verdict.score is not None else [])
    return {problem: sum(right) / len(right) if right else None for problem, right in scores.items()}
