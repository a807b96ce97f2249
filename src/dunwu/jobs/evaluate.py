"""`dunwu eval`: a model on a held-out set, or on several named suites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from dunwu.config.blocks import EngineConfig
from dunwu.config.template import Template, plain
from dunwu.config.zero import EvalConfig
from dunwu.data.prompts import PromptLimit, written_date
from dunwu.data.usable import HeldOutProblems
from dunwu.evaluation.kept import UNFINISHED, Keeping
from dunwu.evaluation.measurement import Measurement, protocol_described, tell_rows
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.session import EvaluationSession
from dunwu.evaluation.store import read_finished, summary_key, write_evaluation, write_summary
from dunwu.jobs.headline import dropped_facts
from dunwu.jobs.outside import model_folder
from dunwu.jobs.stopping import stopping_at_once
from dunwu.models.loading import load_model, pick_device
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.run.dates import take_date
from dunwu.run.directory import content_hash
from dunwu.run.reporter import QUIET, Reporter
from dunwu.types import Problem
from dunwu.verifiers.unread import hint

MAX_PROMPT_TOKENS = 4096


def run_evaluation(
    model: str | tuple[CausalLM, Tokenizer],
    config: EvalConfig,
    template: Template,
    out: Path | None,
    device: str,
    threads: int,
    batch: int,
    reporter: Reporter = QUIET,
) -> EvaluationResult:
    """Load, sample, verify; with ``out``, write all completions (``evaluation.parquet``) and ``summary.json`` there.

    ``model`` may be an already loaded model and its tokenizer. Completions are kept in ``out`` as they arrive: after a stop the same call
    samples the others.
    """
    return run_evaluations(model, [Measurement(config, template, out)], device, threads, batch, reporter)[0]


@stopping_at_once()
def run_evaluations(
    model: str | tuple[CausalLM, Tokenizer],
    sets: Sequence[Measurement],
    device: str,
    threads: int,
    batch: int,
    reporter: Reporter = QUIET,
) -> list[EvaluationResult]:
    """`run_evaluation` of several sets with a model that is loaded once."""
    if threads:
        torch.set_num_threads(threads)
    with _opened(model, sets[0].template, device, batch, reporter) as opened:
        identity = _identity(model) if any(each.out for each in sets) else None
        return [_measured(opened, each, identity, reporter) for each in sets]


@dataclass(frozen=True)
class _Opened:
    """A loaded model, its name, and its session."""

    name: str
    policy: CausalLM
    session: EvaluationSession


@contextmanager
def _opened(model: str | tuple[CausalLM, Tokenizer], template: Template, device: str, batch: int, reporter: Reporter) -> Iterator[_Opened]:
    name = model if isinstance(model, str) else str(model[0].name_or_path)
    take_date(None, name)
    if isinstance(model, str):
        reporter.say(f"loading {model}")
    policy, tokenizer = load_model(model, pick_device(device)) if isinstance(model, str) else model
    if day := written_date(template, tokenizer):
        reporter.say(f"the chat template writes the date {day}")
    with EvaluationSession.open(policy, tokenizer, EngineConfig(max_batch=batch), template, MAX_PROMPT_TOKENS) as session:
        threads = torch.get_num_threads()
        where = f"{policy.device}, {threads} thread{'' if threads == 1 else 's'}" if policy.device.type == "cpu" else str(policy.device)
        reporter.facts((("device", f"{where}, {session.engine.decoder}"),))
        yield _Opened(name, policy, replace(session, all_rows=True))


def _identity(model: str | tuple[CausalLM, Tokenizer]) -> str | None:
    """What changes with the weights: the hash of a model's folder, or the hub id; ``None`` for a model that is in memory."""
    if not isinstance(model, str):
        return None
    folder = model_folder(model)
    return model if folder is None else content_hash(folder)


def _measured(opened: _Opened, asked: Measurement, identity: str | None, reporter: Reporter) -> EvaluationResult:
    session = replace(opened.session, template=asked.template)
    held_out = session.held_out(asked.config)
    reporter.facts(dropped_facts(held_out.dropped))
    tell_rows(held_out, asked.config, reporter)
    config = bounded(asked.config, session, held_out.problems, opened.policy.config.max_position_embeddings, reporter)
    described = _described(opened, config, asked.template, held_out) | ({} if identity is None else {"weights": identity})
    if asked.reuse and asked.out and (finished := read_finished(asked.out, described)) is not None:
        reporter.say(f"{asked.out} has this evaluation: it is read, not repeated")
        return finished
    if asked.out is not None and identity is not None:
        session = _kept(session, identity, asked.out, reporter)
    result = session.evaluate(config, reporter)
    summary = result.summary()
    _show(result, summary, config.sampling.max_tokens, asked.template, reporter)
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        write_evaluation(asked.out / "evaluation.parquet", result)
        write_summary(asked.out, {**described, summary_key(result.name, described): summary})
        (asked.out / UNFINISHED).unlink(missing_ok=True)
    return result


def _kept(session: EvaluationSession, identity: str, out: Path, reporter: Reporter) -> EvaluationSession:
    """The session with its completions kept in ``out`` as they arrive."""
    keeping = partial(Keeping, path=out / UNFINISHED, model=identity)
    if count := keeping(session.engine).count():
        reporter.say(f"{out / UNFINISHED} has {count:,} completions of an earlier start; those of this evaluation are not sampled again")
    return replace(session, keeping=keeping)


def bounded(
    config: EvalConfig, session: EvaluationSession, problems: Sequence[Problem], positions: int, reporter: Reporter = QUIET
) -> EvalConfig:
    """With a protocol, the configuration with completions that fit the model: at most its positions less the longest prompt."""
    if config.protocol is None:
        return config
    prompts = PromptLimit(session.template, session.tokenizer, session.max_prompt_tokens).prompts(problems)
    longest = max(len(prompt.token_ids) for prompt in prompts)
    room, asked = positions - longest, config.sampling.max_tokens
    if not 0 < room < asked:
        return config
    reporter.warn(
        f"protocol {config.protocol}: completions have at most {room:,} tokens instead of {asked:,}, since the model has {positions:,}"
        f" positions and the longest prompt takes {longest:,}"
    )
    return config.model_copy(update={"sampling": config.sampling.model_copy(update={"max_tokens": room})})


def _described(opened: _Opened, config: EvalConfig, template: Template, held_out: HeldOutProblems) -> dict[str, Any]:
    """What `summary.json` says beside the numbers."""
    day = written_date(template, opened.session.tokenizer)
    described: dict[str, Any] = {"model": opened.name, "template": plain(template), **({"date": day} if day else {})}
    described |= {
        "config": config.model_dump(mode="json"),
        "dropped": held_out.dropped,
        **({"note": held_out.note} if held_out.note else {}),
    }
    return described | protocol_described(config)


def _show(result: EvaluationResult, summary: Mapping[str, Any], limit: int, template: Template, reporter: Reporter) -> None:
    """A completion with the most frequent verdict, and a hint if almost no answer was read."""
    if not result.rows:
        return
    verdict = Counter(row.verdict for row in result.rows).most_common(1)[0][0]
    shown = next(row for row in result.rows if row.verdict == verdict)
    reporter.sample(f"{shown.text} -> {shown.unread or verdict}", shown.completion)
    if advice := hint(summary["verdicts"], summary["unread"], limit, template):
        reporter.warn(advice)
