"""What experiments on a run's stored completions need: the completions, their prompts, and the model that wrote them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from dunwu.config.zero import EvalConfig
from dunwu.data.prompts import make_prompts, sampling_params
from dunwu.errors import DataError
from dunwu.evaluation.forced_answer import Closing, closing_of
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.session import EvaluationSession
from dunwu.evaluation.store import read_evaluation
from dunwu.jobs.lab_evaluations import measured
from dunwu.jobs.outside import model_folder
from dunwu.models.loading import load_model, pick_device
from dunwu.run.atomic import atomic_file
from dunwu.run.dates import take_date
from dunwu.run.directory import content_hash
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.step_manifest import MANIFEST, counted_files
from dunwu.run.tables import rows_table
from dunwu.text.answer_forms import DEFAULT
from dunwu.types import Prompt, SamplingParams

Row = TypeVar("Row")
FOLDER = "lab"
"""Beside `lab.json`."""


@dataclass(frozen=True)
class Source:
    """An evaluation and an open session with the model that wrote it; ``positions``: the most tokens that the model takes."""

    result: EvaluationResult
    config: EvalConfig
    session: EvaluationSession
    prompts: dict[str, Prompt]
    positions: int
    file_hash: str
    """SHA-256 of the evaluation's file."""
    weights: str
    """What names the model's weights and their precision, whatever its path."""

    @property
    def sampling(self) -> SamplingParams:
        """As the completions were sampled."""
        return sampling_params(self.config.sampling, self.session.template, self.session.tokenizer, self.session.engine)

    @cached_property
    def closing(self) -> Closing:
        """How this model closes its thoughts."""
        return closing_of([row.completion for row in self.result.rows], self.config.answer_form or DEFAULT)

    def place(self, row: EvaluationRow) -> int:
        """The index of the row's problem."""
        return self._places[row.problem_id]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {rows[0].problem_id: place for place, rows in enumerate(self.result.problems)}


@contextmanager
def open_source(
    run: Path, phase: str = "after", eval_set: str | None = None, device: str = "auto", threads: int = 0, reporter: Reporter = QUIET
) -> Iterator[Source]:
    """The evaluation of a ``phase`` (see `dunwu.jobs.lab_evaluations.measured`).

    Raises ``UserError`` if the run, the evaluation, the model or a problem is not there.
    """
    made = measured(run, phase, eval_set, reporter)
    result = read_evaluation(made.file)
    if threads:
        torch.set_num_threads(threads)
    take_date(run, made.model)
    reporter.say(f"loading {made.model}")
    policy, tokenizer = load_model(made.model, pick_device(device))
    answering = made.template, made.max_prompt_tokens, made.reward_workers, made.reward_timeout
    with EvaluationSession.open(policy, tokenizer, made.engine, *answering) as opened:
        session = replace(opened, all_rows=made.all_rows)
        prompts = _prompts(session, made.held_out, result)
        weights = f"{weights_hash(made.model)} {made.engine.precision}"
        yield Source(result, made.held_out, session, prompts, policy.config.max_position_embeddings, content_hash(made.file), weights)


def weights_hash(model: str) -> str:
    """SHA-256 of what a model folder needs to sample: names and contents of its files, without those of the trainer and the manifest that
    names them. Of a hub id, its name."""
    folder = model_folder(model)
    if folder is None:
        return model
    files = {name: path for name, path in counted_files(folder).items() if path.parent == folder and name != MANIFEST}
    return hashlib.sha256("".join(f"{content_hash(path)} {name}\n" for name, path in files.items()).encode()).hexdigest()


def _prompts(session: EvaluationSession, config: EvalConfig, result: EvaluationResult) -> dict[str, Prompt]:
    """The prompt of each evaluated problem."""
    known = {problem.id: problem for problem in session.held_out(config).problems}
    for rows in result.problems:
        if rows[0].problem_id not in known or known[rows[0].problem_id].text != rows[0].text:
            raise DataError(f"problem {rows[0].problem_id} is not as it was when it was evaluated: restore the data of the run")
    problems = [known[rows[0].problem_id] for rows in result.problems]
    prompts = make_prompts(problems, session.template, session.tokenizer, session.max_prompt_tokens)
    return {prompt.problem.id: prompt for prompt in prompts}


def parts_folder(out: Path, name: str, source: Source, settings: dict[str, Any]) -> Path:
    """Where an experiment keeps what it samples: other weights, prompts, sampling, settings or another evaluation have another folder."""
    sampled = {"sampling": source.config.sampling.model_dump(mode="json"), "answer_form": source.config.answer_form}
    prompts = [[prompt.problem.id, *prompt.token_ids] for prompt in source.prompts.values()]
    key = json.dumps([source.file_hash, source.weights, sampled, prompts, settings], sort_keys=True)
    return out / FOLDER / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def record(out: Path, name: str, eval_set: str, phase: str, found: dict[str, Any]) -> None:
    """Write the figures into ``lab/NAME.json``, beside those of other eval sets and phases."""
    path = out / FOLDER / f"{name}.json"
    try:
        known: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        known.setdefault(eval_set, {})[phase] = found
    except (AttributeError, ValueError, TypeError):
        raise DataError(f"{path} is corrupt: delete it; no sample is lost") from None
    with atomic_file(path) as file:
        file.write((json.dumps(known, indent=2, ensure_ascii=False, allow_nan=False, sort_keys=True) + "\n").encode())


def write_part(path: Path, rows: Sequence[Any], kind: type) -> None:
    """Atomically write one part of an experiment."""
    with atomic_file(path) as file:
        pq.write_table(rows_table(rows, kind), file, compression="zstd")


def read_part(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a part. Raises ``DataError`` if it cannot be read."""
    try:
        return [kind(**row) for row in pq.read_table(path).to_pylist()]
    except (OSError, pa.ArrowException, TypeError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}): delete it, and it is sampled again") from error
