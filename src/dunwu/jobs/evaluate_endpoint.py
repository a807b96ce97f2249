"""`dunwu eval --endpoint`: a model behind an OpenAI-compatible endpoint on held-out sets. Loads no model.

Its reasoning is joined with its answer (``<think>...</think>``), so that verifiers see the text of a model in this process. Answers are
kept as they arrive: an evaluation that was stopped asks only for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dunwu.config.data import EndpointGenerator
from dunwu.config.template import Template, plain
from dunwu.config.zero import EvalConfig
from dunwu.data.generators.base import Generator, Request, TextCompletion
from dunwu.data.generators.endpoint import Endpoint
from dunwu.data.io.journal import Journalled, Progress
from dunwu.data.prompts import asked_turns
from dunwu.data.rollouts import rollout_seeds
from dunwu.data.usable import HeldOutProblems, held_out_problems
from dunwu.evaluation.kept import UNFINISHED
from dunwu.evaluation.measurement import Measurement, protocol_described, tell_rows
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.store import read_finished, summary_key, write_evaluation, write_summary
from dunwu.evaluation.stored import StoredCompletion, score_stored
from dunwu.jobs.headline import dropped_facts
from dunwu.jobs.stopping import stopping_at_once
from dunwu.models.chat import Message
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.run.reporter import QUIET, Advance, Reporter
from dunwu.types import Problem

EVALUATION = 0
"""As in `dunwu.evaluation.session`, in the seeds of completions."""


@stopping_at_once()
def evaluate_endpoint(
    endpoint: EndpointGenerator, sets: Sequence[Measurement], workers: int = 1, reporter: Reporter = QUIET
) -> list[EvaluationResult]:
    """The completions of each set, verified, in order. Raises ``UserError`` if the endpoint does not work; what it answered is kept."""
    with RewardPool(rule_reward(), workers, 5.0) as pool:
        return [_measured(endpoint, each, pool, reporter) for each in sets]


def _measured(endpoint: EndpointGenerator, asked: Measurement, pool: RewardPool, reporter: Reporter) -> EvaluationResult:
    config, out = asked.config, asked.out
    assert out is not None, "the answers of an endpoint are kept"
    held_out = held_out_problems(config, None, all_rows=True)
    reporter.facts(dropped_facts(held_out.dropped))
    tell_rows(held_out, config, reporter)
    described = _described(endpoint, config, asked.template, held_out)
    if asked.reuse and (finished := read_finished(out, described)) is not None:
        reporter.say(f"{out} has this evaluation: it is read, not repeated")
        return finished
    requests = requests_of(held_out.problems, config, asked.template)
    out.mkdir(parents=True, exist_ok=True)
    name = config.suite or held_out.name
    answers = _answers(Endpoint(endpoint), requests, out / UNFINISHED, name, reporter)
    samples = [_sample(held_out.problems[place // config.samples], answer) for place, answer in enumerate(answers)]
    result = score_stored(samples, name, pool, reporter, config.group_by)
    write_evaluation(out / "evaluation.parquet", result)
    write_summary(out, {**described, summary_key(name, described): result.summary()})
    (out / UNFINISHED).unlink(missing_ok=True)
    return result


def requests_of(problems: Sequence[Problem], config: EvalConfig, template: Template) -> list[Request]:
    """``samples`` requests for each problem, with the seeds that a model in this process would have."""
    seeds, k = rollout_seeds(config.seed, EVALUATION, len(problems), config.samples), config.samples
    chats = [
        tuple(Message(turn["role"], turn["content"]) for turn in asked_turns(problem, template))  # type: ignore[arg-type]
        for problem in problems
    ]
    return [Request(chats[place // k], config.sampling, seed, problems[place // k].id) for place, seed in enumerate(seeds)]


def _answers(generator: Generator, requests: Sequence[Request], kept: Path, name: str, reporter: Reporter) -> list[TextCompletion]:
    with reporter.progress(len(requests), f"eval {name}") as advance:
        journal = Journalled(generator, kept, _Asking(advance, len(requests), reporter))
        answers = journal.complete(requests, lambda place, answer: None)
    if journal.refused:
        first, reason = next(iter(journal.refused.items()))
        reporter.warn(f"{len(journal.refused)} prompts were refused and count as unparsable; the first: {first}: {reason}")
    return answers


class _Asking(Progress):
    """The progress of a call, and what of it was there already."""

    def __init__(self, advance: Advance, total: int, reporter: Reporter) -> None:
        self._advance, self._total, self._reporter = advance, total, reporter

    def begin(self, missing: Sequence[Request], total: int) -> None:
        if len(missing) < total:
            self._reporter.say(f"{total - len(missing):,} of {total:,} answers are there already and not asked for again")
        self._advance(total - len(missing), {})

    def advance(self, done: int, total: int) -> None:
        self._advance(done, {})


def _sample(problem: Problem, answer: TextCompletion) -> StoredCompletion:
    cut_off = not answer.finished and not answer.refused
    return StoredCompletion(problem.id, problem, answer.text, "length" if cut_off else "stop", None)


def _described(endpoint: EndpointGenerator, config: EvalConfig, template: Template, held_out: HeldOutProblems) -> dict[str, Any]:
    """What ``summary.json`` says beside the numbers. The address has no key in it."""
    described: dict[str, Any] = {"model": endpoint.model, "endpoint": endpoint.url, "template": plain(template)}
    described |= {"config": config.model_dump(mode="json"), "dropped": held_out.dropped}
    return described | ({"note": held_out.note} if held_out.note else {}) | protocol_described(config)
