"""Difficulty: reinforcement learns nothing from problems that a model always or never solves; keep those in between, by pass rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from dunwu.config.data_rows import DifficultyConfig
from dunwu.config.tasks import DatasetTask, WeightedTask
from dunwu.data.builders.certificate import is_clean, open_benchmarks
from dunwu.data.builders.drafts import CountTokens
from dunwu.data.builders.funnel import Funnel
from dunwu.data.builders.sampled import pass_rates, sample, training_problems
from dunwu.data.generators.base import Open
from dunwu.data.io.card import Json
from dunwu.data.io.data_set import DataSet
from dunwu.errors import ConfigError
from dunwu.types import Problem

BINS = 10
READABLE = get_args(DatasetTask.model_fields["verifier"].annotation)
"""Verifiers of problems that a data set's rows can store: they need an answer or one column of the row."""


def filter_by_difficulty(config: DifficultyConfig, open_generator: Open, count: CountTokens) -> DataSet:
    """The problems between the bounds as rows with ``pass_rate``, to be used as a task of kind ``dataset``.

    Raises ``ConfigError`` before sampling if rows cannot store the task's problems; other ``UserError``s as `sample`.
    """
    benchmarks = open_benchmarks(config.decontaminate)
    problems = training_problems([WeightedTask(task=config.task)], config.prompts, config.seed)
    _check_readable(problems, config.task.kind)
    generator = open_generator(config.generator)
    prompts = [problem.text for problem in problems]
    sampled = sample(generator, problems, prompts, config, config.seed, config.reward_workers, config.reward_timeout)
    rates, funnel = pass_rates(sampled), Funnel("problems")
    facts = {
        "generator": generator.name,
        "samples": config.samples,
        "problems by pass rate": histogram([rate for rate in rates.values() if rate is not None]),
        "generated_tokens": sum(count([each.completion.text for each in sampled])),
    }
    left = funnel.sift("never verified", problems, lambda p: rates.get(p.id) is not None, _show)
    left = funnel.sift("too hard", left, lambda p: (rates[p.id] or 0.0) >= config.lowest, _show)
    left = funnel.sift("too easy", left, lambda p: (rates[p.id] or 0.0) <= config.highest, _show)
    left = funnel.sift("in an evaluation set", left, lambda p: is_clean(benchmarks, p.text, [p.answer or ""]), _show)
    rows = [_row(problem, rates[problem.id]) for problem in left]
    verifier = config.task.verifier if isinstance(config.task, DatasetTask) else problems[0].verifier
    languages = " and ".join(sorted({problem.language for problem in left}))
    notes = [f"To be read as a task of the kind dataset with verifier: {verifier}; the problems are in {languages or 'no language'}."]
    return DataSet("Problems by difficulty", rows, funnel, facts, [each.certificate for each in benchmarks], notes, "train.jsonl")


def _check_readable(problems: Sequence[Problem], kind: str) -> None:
    """Refuse problems such as countdown puzzles, which have no answer, and programs, whose tests `DatasetTask` does not read."""
    verifiers = {problem.verifier for problem in problems}
    if unreadable := ", ".join(sorted(verifiers.difference(READABLE))):
        raise ConfigError(
            f"task.kind = {kind!r}: the verifier {unreadable} needs more than rows of problem and answer can store;"
            " set the difficulty by the task's own keys, or use a task whose problems have answers, such as dataset or arithmetic"
        )


def histogram(rates: Sequence[float]) -> dict[str, int]:
    """Counts of rates that are 0, between tenths, and 1."""
    counts = Counter(_bin(rate) for rate in rates)
    return {name: counts[name] for name in ("0", *(f"{n / BINS:g}-{(n + 1) / BINS:g}" for n in range(BINS)), "1")}


def _bin(rate: float) -> str:
    if rate in (0.0, 1.0):
        return f"{rate:g}"
    n = int(rate * BINS)
    return f"{n / BINS:g}-{(n + 1) / BINS:g}"


def _row(problem: Problem, rate: float | None) -> Json:
    """A row that `dunwu.tasks.dataset` reads back to the same problem."""
    more = {key: value for key, value in problem.data.items() if key not in ("source", "row", "answers")}
    answer = problem.answer if problem.answer is not None else problem.data.get("answers")
    described = {"language": problem.language, **more, "difficulty": problem.difficulty, "source": problem.task, "pass_rate": rate}
    return {"problem": problem.text, "answer": answer, **described}


def _show(problem: Problem) -> str:
    return problem.text
