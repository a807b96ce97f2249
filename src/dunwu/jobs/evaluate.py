"""`dunwu eval`: a model on a held-out set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dunwu.config.blocks import EngineConfig
from dunwu.config.template import Template, plain
from dunwu.config.zero import EvalConfig
from dunwu.data.prompts import written_date
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.session import EvaluationSession
from dunwu.evaluation.store import summary_key, write_evaluation, write_summary
from dunwu.jobs.headline import dropped_facts
from dunwu.models.loading import load_model, pick_device
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.run.dates import take_date
from dunwu.run.reporter import QUIET, Reporter
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

    ``model`` may be an already loaded model and its tokenizer.
    """
    if threads:
        torch.set_num_threads(threads)
    name = model if isinstance(model, str) else str(model[0].name_or_path)
    take_date(None, name)
    if isinstance(model, str):
        reporter.say(f"loading {model}")
    policy, tokenizer = load_model(model, pick_device(device)) if isinstance(model, str) else model
    if day := written_date(template, tokenizer):
        reporter.say(f"the chat template writes the date {day}")
    with EvaluationSession.open(policy, tokenizer, EngineConfig(max_batch=batch), template, MAX_PROMPT_TOKENS) as opened:
        session = replace(opened, all_rows=True)
        held_out = session.held_out(config)
        dropped = held_out.dropped
        threads = torch.get_num_threads()
        where = f"{policy.device}, {threads} thread{'' if threads == 1 else 's'}" if policy.device.type == "cpu" else str(policy.device)
        reporter.facts((("device", f"{where}, {opened.engine.decoder}"), *dropped_facts(dropped)))
        if held_out.splits:
            few = "hash of" in held_out.splits and not held_out.note and len(held_out.problems) < config.problems
            hint = "; to evaluate all rows, name the file test, such as my_test.jsonl" if few else ""
            reporter.facts((("rows", f"{held_out.splits}; evaluated: {len(held_out.problems):,}{hint}"),))
        for warning in filter(None, (held_out.note, *held_out.warnings)):
            reporter.warn(warning)
        result = session.evaluate(config, reporter)
    summary = result.summary()
    _show(result, summary, config.sampling.max_tokens, template, reporter)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_evaluation(out / "evaluation.parquet", result)
        described: dict[str, Any] = {"model": name, "template": plain(template), **({"date": day} if day else {})}
        described |= {"config": config.model_dump(mode="json"), "dropped": dropped, **({"note": held_out.note} if held_out.note else {})}
        write_summary(out, {**described, summary_key(result.name, described): summary})
    return result


def _show(result: EvaluationResult, summary: Mapping[str, Any], limit: int, template: Template, reporter: Reporter) -> None:
    """A completion with the most frequent verdict, and a hint if almost no answer was read."""
    if not result.rows:
        return
    verdict = Counter(row.verdict for row in result.rows).most_common(1)[0][0]
    shown = next(row for row in result.rows if row.verdict == verdict)
    reporter.sample(f"{shown.text} -> {shown.unread or verdict}", shown.completion)
    if advice := hint(summary["verdicts"], summary["unread"], limit, template):
        reporter.warn(advice)
