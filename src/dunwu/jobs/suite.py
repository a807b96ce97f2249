"""The stage that runs the suite on a checkpoint: one sampling pass per set gives every measure; a set on disk is not sampled again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Self

import pyarrow.parquet as pq
import torch

from dunwu.config.blocks import SamplingConfig
from dunwu.config.reward_model import Criterion
from dunwu.config.suite import GeneralSet, PromptSet, SuiteConfig
from dunwu.config.zero import EvalConfig
from dunwu.data.few_shot import with_examples
from dunwu.data.prompts import PromptLimit
from dunwu.data.usable import held_out_problems, sift
from dunwu.errors import DataError
from dunwu.evaluation.readability import readability
from dunwu.evaluation.session import EvaluationSession
from dunwu.evaluation.suite import SetKind, SuiteRow, SuiteSet, read_rows, set_facts, suite_metrics
from dunwu.jobs.outside import model_folder
from dunwu.jobs.stopping import stopping_at_once
from dunwu.models.loading import load_model, load_tokenizer, pick_device
from dunwu.rewards.scope import look_at
from dunwu.run.atomic import atomic_file
from dunwu.run.dates import take_date
from dunwu.run.directory import RunDirectory, content_hash
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.tables import rows_table
from dunwu.tasks.make import make_task
from dunwu.text.answer_forms import as_read
from dunwu.text.refusals import refuses
from dunwu.trainers.reward_model_examples import seen_by
from dunwu.trainers.reward_model_scoring import RewardModel
from dunwu.types import Completion, Problem, Prompt, Verdict

SUITE = "suite"
"""Folder of the stage's run directory that other stages read."""
SUMMARY = "suite.json"
SECONDS = 10.0
"""Seconds between two rows of ``metrics.jsonl``."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One held-out set with its problems."""

    kind: SetKind
    name: str
    problems: tuple[Problem, ...]
    samples: int
    sampling: SamplingConfig
    seed: int
    category_column: str = ""
    judge: Criterion | None = None

    @property
    def verified(self) -> bool:
        """True if its problems have gold answers."""
        return self.kind in ("reasoning", "general")

    @property
    def title(self) -> str:
        """Its name in messages and files."""
        return f"{self.kind}-{self.name}" if self.name else self.kind

    @property
    def file(self) -> str:
        """Its Parquet file."""
        return f"{self.title}.parquet"

    @property
    def completions(self) -> int:
        """How many are sampled."""
        return len(self.problems) * self.samples


@stopping_at_once()
def run_suite(config: SuiteConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET) -> Path:
    """Start or resume one suite and return its run directory; ``out / "suite"`` has a Parquet file per set and ``suite.json``.

    Those hold neither times nor paths: the same model and configuration give the same bytes on the same machine, interrupted or not.
    Raises ``UserError`` for an unusable model, set or reward model, before anything is sampled.
    """
    config = with_examples(config)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    take_date(out, config.model)
    limit = PromptLimit(config.template, load_tokenizer(config.model), config.max_prompt_tokens)
    measured = _Suite(config, held_out_sets(config, limit))
    with RunDirectory.create(out, "suite", config.model_dump(mode="json"), 0, resume, measured.inputs, reporter=reporter) as run:
        folder = run.path / SUITE
        with Pace(run, measured.sets, folder) as pace, measured:
            sets = [measured.load_or_measure(each, folder, pace) for each in measured.sets]
        with atomic_file(folder / SUMMARY) as file:
            file.write(json.dumps(summary(sets, measured.inputs), indent=2, ensure_ascii=False).encode() + b"\n")
        if not run.finished:
            run.finish({"suite": folder})
    return out


def summary(sets: Sequence[SuiteSet], inputs: dict[str, str]) -> dict[str, Any]:
    """The contents of ``suite.json``: counts by set, who judged (hash of the folder, or a hub id), and the metrics with intervals."""
    judges = {key.partition(".")[0]: value for key, value in inputs.items() if "." in key}
    names = {f"{each.kind}-{each.name}" if each.name else each.kind: set_facts(each) for each in sets}
    metrics = {name: asdict(estimate) for name, estimate in suite_metrics(sets).items()}
    return {"sets": names, "judges": judges, "metrics": metrics}


def held_out_sets(config: SuiteConfig, limit: PromptLimit | None = None) -> list[HeldOut]:
    """Every set of the suite, in order. Raises ``UserError`` for unusable data, gold answers or (with a limit) prompts."""
    sets = [_verified("reasoning", name, each, limit) for name, each in config.reasoning.items()]
    sets += [_verified("general", name, each, limit) for name, each in config.general.items()]
    if helpful := config.helpfulness:
        sets.append(_unverified("helpfulness", helpful, lambda _: True, "helpfulness", limit))
    if safety := config.safety:
        sets.append(_unverified("harmful", safety, lambda problem: problem.data["harmful"], "safety" if safety.model else None, limit))
        sets.append(_unverified("harmless", safety, lambda problem: not problem.data["harmful"], None, limit))
    return sets


def _verified(kind: SetKind, name: str, config: EvalConfig, limit: PromptLimit | None) -> HeldOut:
    problems = tuple(held_out_problems(config, limit).problems)
    category = config.category_column if isinstance(config, GeneralSet) else ""
    return HeldOut(kind, name, problems, config.samples, config.sampling, config.seed, category)


def _unverified(
    kind: SetKind, config: PromptSet, wanted: Callable[[Problem], bool], judge: Criterion | None, limit: PromptLimit | None
) -> HeldOut:
    """The ``wanted`` prompts in order; a random sample if there are more than configured."""
    task = make_task(config.task)
    sift(task, config.task, config.split, limit)
    problems = [problem for problem in task.held_out(config.split, sys.maxsize) if wanted(problem)]
    if not problems:
        limits = f" of the categories {', '.join(config.task.categories)}" if config.task.categories else ""
        raise DataError(f"{config.task.path} has no {config.split} prompts{limits} for {kind}: add rows, see ChatTask")
    drawn = Random(f"{config.seed}-{kind}").sample(range(len(problems)), min(config.problems, len(problems)))
    chosen = tuple(problems[place] for place in sorted(drawn))
    return HeldOut(kind, "", chosen, config.samples, config.sampling, config.seed, "category", judge)


class Pace:
    """Progress of a suite on the terminal and in ``metrics.jsonl``, one step per completion; a resumed suite starts at its last count."""

    def __init__(self, run: RunDirectory, sets: Sequence[HeldOut], folder: Path) -> None:
        self._run, self._titles = run, [each.title for each in sets]
        self._done = sum(each.completions for each in sets if (folder / each.file).exists())
        total = sum(each.completions for each in sets)
        run.note({"steps": total})
        if run.resumed:
            run.rewind(self._done)
        self._progress = run.reporter.progress(total, "suite", self._done)
        self._logged = 0.0
        self._set = ""

    def __enter__(self) -> Pace:
        self._advance = self._progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.__exit__(*error)

    def start(self, held_out: HeldOut) -> None:
        """Count the following completions for this set."""
        self._run.reporter.say(f"{len(held_out.problems)} prompts of {held_out.title}, {held_out.samples} completions each")
        self._set = f"{held_out.title} ({self._titles.index(held_out.title) + 1} of {len(self._titles)})"
        self._log()

    def advance(self) -> None:
        """Count one more completion."""
        self._done += 1
        self._advance(self._done, {"set": self._set})
        if time.monotonic() - self._logged >= SECONDS:
            self._log()

    def _log(self) -> None:
        self._logged = time.monotonic()
        self._run.log(self._done, {"set": self._set})


class _Suite:
    """The checkpoint, loaded when the first set that is not on disk needs it, and the models that judge."""

    def __init__(self, config: SuiteConfig, sets: list[HeldOut]) -> None:
        self.sets = sets
        self._stack = ExitStack()
        self._config = config
        self._device = pick_device(config.device)
        named = {"helpfulness": config.helpfulness and config.helpfulness.model, "safety": config.safety and config.safety.model}
        judges = {each.judge: str(named[each.judge]) for each in sets if each.judge}
        self._judges = {name: RewardModel.load(folder, self._device, name) for name, folder in judges.items()}
        models = {"model": config.model, **{f"{name}.model": model for name, model in judges.items()}}
        self.inputs = {key: content_hash(folder) if (folder := model_folder(model)) else model for key, model in models.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @cached_property
    def _session(self) -> EvaluationSession:
        config = self._config
        model, tokenizer = load_model(config.model, self._device)
        return self._stack.enter_context(
            EvaluationSession.open(
                model, tokenizer, config.engine, config.template, config.max_prompt_tokens, config.reward_workers, config.reward_timeout
            )
        )

    def load_or_measure(self, held_out: HeldOut, folder: Path, pace: Pace) -> SuiteSet:
        """The set from disk, or measured now and written atomically."""
        path = folder / held_out.file
        if not path.exists():
            pace.start(held_out)
            rows = self._judged(held_out, self._measured(held_out, pace))
            with atomic_file(path) as file:
                pq.write_table(rows_table(rows, SuiteRow), file, compression="zstd")
        return SuiteSet(held_out.kind, held_out.name, read_rows(path))

    def _measured(self, held_out: HeldOut, pace: Pace) -> list[SuiteRow]:
        session, k = self._session, held_out.samples
        rollouts = session.rollouts(
            held_out.problems, k, held_out.sampling, held_out.seed, held_out.verified, lambda index, completion: pace.advance()
        )
        end = str(session.tokenizer.eos_token or "")
        verdicts = [rollout.reward.verdict if held_out.verified else None for rollout in rollouts]
        return [
            suite_row(rollout.prompt, place % k, rollout.completion, verdict, end, held_out.category_column)
            for place, (rollout, verdict) in enumerate(zip(rollouts, verdicts, strict=True))
        ]

    def _judged(self, held_out: HeldOut, rows: list[SuiteRow]) -> list[SuiteRow]:
        if held_out.judge is None:
            return rows
        judge = self._judges[held_out.judge]
        by_id = {problem.id: problem for problem in held_out.problems}
        scores = judge.score([by_id[row.problem_id] for row in rows], [seen_by(held_out.judge, row.completion) for row in rows])
        return [replace(row, judged=score) for row, score in zip(rows, scores, strict=True)]


def suite_row(prompt: Prompt, sample: int, completion: Completion, verdict: Verdict | None, end: str, category_column: str) -> SuiteRow:
    """All measurements of one completion that need no model."""
    problem, text = as_read(prompt.problem, completion.finish_reason == "length"), prompt.prefill + completion.text
    read, visible = readability(problem, text, end), look_at(text, end).completion.visible
    category = problem.data.get(category_column)
    return SuiteRow(
        problem_id=problem.id,
        category=None if category is None else str(category),
        text=problem.text,
        language=problem.language,
        sample=sample,
        completion=text,
        tokens=completion.tokens.sampled_count,
        finish_reason=completion.finish_reason,
        score=verdict.score if verdict else None,
        verdict=verdict.reason if verdict else None,
        well_formed=read.well_formed,
        summary=read.summary,
        repetition=read.repetition,
        thought_language=read.language,
        visible=visible,
        refused=refuses(visible),
    )
