"""Parts of the reward that compare a completion with a teacher: its answer, its reasoning, or its probabilities.

Text is compared in reward workers, as verifiers are; probabilities are computed in the trainer's process, as the scores of reward models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

import torch

from dunwu.config.rewards import TeacherPart
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import prompt_template
from dunwu.models.loading import padding_id
from dunwu.models.protocols import Tokenizer
from dunwu.models.tokenizer_alignment import tokenizer_difference
from dunwu.rewards.closeness import CLOSENESS, CUT, TEACHER, Closeness
from dunwu.rewards.group import with_failure, with_part, with_rewards
from dunwu.rewards.pool import RewardPool
from dunwu.trainers.scoring import make_scorer
from dunwu.trainers.teachers import Teacher, Teachers
from dunwu.types import Completion, Group, Prompt, Reward, Rollout, TokenSequence

TOO_LONG = "longer than the teacher reads"
Score = float | None | str
"""A score, ``None`` where the part does not apply, or why it failed."""
Row = tuple[tuple[int, ...], tuple[int, ...]]
"""The teacher's prompt and what follows it, as its tokens."""


class Scores(AbstractContextManager["Scores", None], Protocol):
    """Scores rollouts."""

    def __call__(self, groups: Sequence[Group], step: int) -> list[list[Score]]:
        """G scores a group."""
        ...


class TeacherReward:
    """The part ``config`` of the reward, as a `GroupReward`; a context manager."""

    def __init__(self, config: TeacherPart, scores: Scores) -> None:
        self.config, self.name, self._scores = config, config.name, scores

    def __enter__(self) -> Self:
        self._scores.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._scores.__exit__(kind, error, trace)

    def __call__(self, groups: Sequence[Group], step: int) -> list[Group]:
        """See `GroupReward`."""
        tasks = self.config.tasks
        places = [place for place, group in enumerate(groups) if not tasks or group.prompt.problem.task in tasks]
        found = dict(zip(places, self._scores([groups[place] for place in places], step), strict=True))
        return [self._with_scores(group, found.get(place) or [None] * len(group.rollouts)) for place, group in enumerate(groups)]

    def _with_scores(self, group: Group, scores: Sequence[Score]) -> Group:
        return with_rewards(group, [self._with_score(r.reward, score) for r, score in zip(group.rollouts, scores, strict=True)])

    def _with_score(self, reward: Reward, score: Score) -> Reward:
        if isinstance(score, str):
            return with_failure(reward, self.name, score)
        weight = self.config.weight
        return with_part(reward, self.name, score, weight * score if score is not None and weight else None)


class TextScores:
    """Closeness of texts. It does not apply to problems that the teacher did not finish, or refused, to answer."""

    def __init__(self, part: TeacherPart, teacher: Teacher, workers: int, timeout: float) -> None:
        assert part.closeness != "likelihood", "probabilities are no text"
        self._teacher, self._pool = teacher, RewardPool(Closeness(part.closeness), workers, timeout)

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.close()

    def __call__(self, groups: Sequence[Group], step: int) -> list[list[Score]]:
        """See `Scores`."""
        problems = [group.prompt.problem for group in groups]
        said = self._teacher.ask([self._teacher.chat(each) for each in problems], [each.id for each in problems], step)
        keys = iter(range(sum(len(group.rollouts) for group in groups)))
        places = [[(next(keys), rollout) for rollout in group.rollouts] for group in groups]
        for answer, row in zip(said, places, strict=True):
            for key, rollout in row if answer.finished else ():
                self._submit(key, rollout, answer.text)
        found = self._pool.collect()
        return [[_score(found.get(key)) for key, _ in row] for row in places]

    def _submit(self, key: int, rollout: Rollout, answer: str) -> None:
        problem, completion = rollout.prompt.problem, rollout.completion
        data = {**problem.data, TEACHER: answer, CUT: completion.finish_reason == "length"}
        self._pool.submit(key, replace(problem, data=data), rollout.prompt.prefill + completion.text)


class LikelihoodScores:
    """``exp(1/T sum log p(token))`` over the T tokens of a completion under the teacher, which is asked in its own template.

    With the student's tokenizer they are the tokens that it sampled; otherwise its text in the teacher's tokens, and the end if it ended.
    Equal completions of a problem are scored once: in different batches their scores would differ by rounding, which the division by a
    group's standard deviation would amplify.
    """

    def __init__(self, config: ZeroConfig, teacher: Teacher, student: Tokenizer) -> None:
        assert teacher.local is not None, "only a model in this process gives probabilities"
        self._teacher, self._local, self._budget = teacher, teacher.local, config.grpo.micro_batch_tokens
        model, self._tokenizer = self._local.loaded
        model.requires_grad_(False)
        self._scorer = make_scorer(model, 1.0, config.matmul_precision, padding_id(self._tokenizer, model) or 0)
        self._same = not tokenizer_difference(student, self._tokenizer)
        self._positions = int(model.config.max_position_embeddings)
        end = prompt_template(self._local.template, self._tokenizer).end or self._tokenizer.eos_token
        self._end = () if end is None else (int(self._tokenizer.convert_tokens_to_ids(end)),)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to close."""

    @torch.no_grad()
    def __call__(self, groups: Sequence[Group], step: int) -> list[list[Score]]:
        """See `Scores`."""
        rows = [list(self._rows(group)) for group in groups]
        distinct = [row for row in dict.fromkeys(row for each in rows for row in each) if row[1] and self._fits(row)]
        as_rollouts = [_as_rollout(row, groups[0].rollouts[0]) for row in distinct]
        found = dict[Row, float]()
        for part in self._scorer.micro_batches(as_rollouts, self._budget) if distinct else ():
            logprobs_BT, _ = self._scorer([as_rollouts[place] for place in part])
            found |= {distinct[p]: math.exp(row_T.sum().item() / len(distinct[p][1])) for p, row_T in zip(part, logprobs_BT, strict=True)}
        self._teacher.count_scored(step, sum(len(prompt) + len(ids) for prompt, ids in distinct))
        return [[found.get(row, None if self._fits(row) else TOO_LONG) for row in each] for each in rows]

    def _fits(self, row: Row) -> bool:
        return len(row[0]) + len(row[1]) <= self._positions

    def _rows(self, group: Group) -> Iterator[Row]:
        prompt = self._local.prompt(self._teacher.chat(group.prompt.problem))
        for rollout in group.rollouts:
            if self._same and prompt.prefill == rollout.prompt.prefill:
                yield prompt.token_ids, rollout.completion.tokens.last_turn
            else:
                yield self._in_its_tokens(prompt, rollout)

    def _in_its_tokens(self, prompt: Prompt, rollout: Rollout) -> Row:
        text, ids = rollout.prompt.prefill + rollout.completion.text, prompt.token_ids
        given = tuple(self._encode(prompt.prefill))
        if not text.startswith(prompt.prefill) and ids[-len(given) :] == given:  # the student began in another way
            ids = ids[: -len(given)]
        said = self._encode(text.removeprefix(prompt.prefill))
        return ids, (*said, *(self._end if rollout.completion.finish_reason == "stop" else ()))

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids


def teacher_rewards(config: ZeroConfig, teachers: Teachers, student: Tokenizer) -> list[TeacherReward]:
    """The parts of a run's reward that are teachers."""
    parts = [part for part in config.reward if isinstance(part, TeacherPart)]
    return [TeacherReward(part, _scores(config, part, teachers[part], student)) for part in parts]


def _scores(config: ZeroConfig, part: TeacherPart, teacher: Teacher, student: Tokenizer) -> Any:
    if part.closeness == "likelihood":
        return LikelihoodScores(config, teacher, student)
    return TextScores(part, teacher, config.reward_workers, config.reward_timeout)


def _score(found: Reward | None) -> Score:
    """``found``: of the pool, ``None`` if nothing was submitted."""
    if found is None:
        return None
    return found.verdict.detail or found.verdict.reason if found.verdict.score is None else found.parts[CLOSENESS]


def _as_rollout(row: Row, like: Rollout) -> Rollout:
    """The row as scorers take it."""
    prompt = replace(like.prompt, token_ids=row[0])
    return replace(like, prompt=prompt, completion=Completion(TokenSequence.given(row[1]), "", "stop"))
