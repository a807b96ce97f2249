"""What experiments on a run's stored completions need: the completions, their prompts, and the model that wrote them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from dunwu.config.blocks import EngineConfig
from dunwu.config.load import read_mapping, validate
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.data.prompts import make_prompts, sampling_params
from dunwu.errors import DataError, RunError
from dunwu.evaluation.forced_answer import Closing, closing_of
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.session import EvaluationSession
from dunwu.evaluation.store import read_evaluation
from dunwu.jobs.measure import set_names
from dunwu.models.loading import load_model, pick_device
from dunwu.run.atomic import atomic_file
from dunwu.run.checkpoint import newest_valid
from dunwu.run.dates import take_date
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.tables import rows_table
from dunwu.text.answer_forms import DEFAULT
from dunwu.types import Prompt, SamplingParams

Row = TypeVar("Row")
FOLDER = "lab"
"""Beside `lab.json`."""
_STEP = re.compile(r"step-(\d{5,})")


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
    model: str
    """The phase and the name of the model's folder."""

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
    """The evaluation of a run's ``phase`` (before, after, or a step whose checkpoint is kept), by default of its first eval set.

    Raises ``UserError`` if the run, the evaluation, the model or a problem is not there.
    """
    config = _config(run)
    name, held_out = _eval_set(run, config, eval_set)
    file, model = run / "evaluations" / f"{phase}-{name}.parquet", _model(run, phase, config, reporter)
    if not file.exists():
        there = ", ".join(sorted(each.stem.removesuffix(f"-{name}") for each in file.parent.glob(f"*-{name}.parquet")))
        raise DataError(f"{file} does not exist: choose from {there or 'nothing: the run has measured nothing yet'}")
    result = read_evaluation(file)
    if threads:
        torch.set_num_threads(threads)
    take_date(run, model)
    reporter.say(f"loading {model}")
    policy, tokenizer = load_model(model, pick_device(device))
    engine: EngineConfig = config.engine
    with EvaluationSession.open(
        policy, tokenizer, engine, config.template, config.max_prompt_tokens, config.reward_workers, config.reward_timeout
    ) as session:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        prompts = _prompts(session, held_out, result)
        yield Source(result, held_out, session, prompts, policy.config.max_position_embeddings, digest, f"{phase} {Path(model).name}")


def measured_phases(run: Path, eval_set: str | None = None) -> tuple[str, ...]:
    """Before and after training, as far as the run has measured them; `open_source` refuses the one that is given for want of any."""
    name, _ = _eval_set(run, _config(run), eval_set)
    return tuple(phase for phase in ("before", "after") if (run / "evaluations" / f"{phase}-{name}.parquet").exists()) or ("after",)


def _eval_set(run: Path, config: ZeroConfig, name: str | None) -> tuple[str, EvalConfig]:
    sets = dict(zip(set_names(config.evaluations), config.evaluations, strict=True))
    chosen = name or next(iter(sets), "")
    if chosen not in sets:
        raise DataError(f"{run} has no eval set {chosen!r}: choose from {', '.join(sets) or 'none'}")
    return chosen, sets[chosen]


def _config(run: Path) -> ZeroConfig:
    if not (run / "config.yaml").is_file():
        raise RunError(f"{run} has no config.yaml: give the directory of a run of dunwu zero")
    data = read_mapping(run / "config.yaml")
    if "evaluations" not in data or "grpo" not in data:
        raise RunError(f"{run} is no run of dunwu zero: give the directory of one")
    return validate(ZeroConfig, data, f"{run / 'config.yaml'}: ")


def _model(run: Path, phase: str, config: ZeroConfig, reporter: Reporter) -> str:
    """What wrote the completions of a phase."""
    if phase == "before":
        return config.model
    if match := _STEP.fullmatch(phase):
        folder = run / "checkpoints" / f"step-{int(match[1]):06d}"
        if not folder.is_dir():
            there = ", ".join(sorted(each.name for each in folder.parent.glob("step-*"))) or "none"
            raise RunError(f"{folder} is not kept any more (kept: {there}): choose before or after, or set keep_checkpoints")
        return str(folder)
    if phase != "after":
        raise RunError(f"phase {phase!r} is unknown: choose before, after, or a step such as step-00060")
    found = newest_valid(run / "checkpoints", _refuse)
    if found is None:
        raise RunError(f"{run} has no valid checkpoint: choose the phase before, or train first")
    return str(found)


def _refuse(step: Path, reason: str) -> None:
    """An older checkpoint did not write the completions after training."""
    raise RunError(f"{step.name}, which wrote the completions after training, is corrupt ({reason}): choose the phase before, or a step")


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
    """Where an experiment keeps what it samples: another evaluation, model or setting has another folder."""
    key = json.dumps([source.file_hash, source.model, settings], sort_keys=True)
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
