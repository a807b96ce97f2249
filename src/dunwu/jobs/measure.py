"""The stage that measures a model: every completion of each held-out set, and the headline numbers."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from dunwu.config.pipeline import EvaluateConfig
from dunwu.config.tasks import task_title
from dunwu.config.zero import EvalConfig
from dunwu.data.few_shot import with_examples
from dunwu.evaluation.session import EvaluationSession
from dunwu.evaluation.store import write_evaluation
from dunwu.models.loading import load_model, pick_device
from dunwu.run.dates import take_date
from dunwu.run.reporter import QUIET, Reporter

SUMMARY = "summary.json"


def run_measure(config: EvaluateConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Write ``SET.parquet`` for each held-out set and ``summary.json`` (``{SET: headline numbers}``) into ``out``.

    The files hold neither times nor paths: the same model and configuration give the same bytes on the same machine.
    """
    config = with_examples(config)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    take_date(out, config.model)
    model, tokenizer = load_model(config.model, pick_device(config.device))
    summaries = {}
    with EvaluationSession.open(
        model, tokenizer, config.engine, config.template, config.max_prompt_tokens, config.reward_workers, config.reward_timeout
    ) as session:
        for held_out in config.evaluations:  # fail on unusable problems before anything is sampled
            session.held_out(held_out)
        for name, held_out in zip(set_names(config.evaluations), config.evaluations, strict=True):
            reporter.say(f"at most {held_out.problems} held-out problems of {name}, {held_out.samples} completions each")
            result = session.evaluate(held_out)
            write_evaluation(out / f"{name}.parquet", replace(result, name=name))
            summaries[name] = result.summary()
    (out / SUMMARY).write_text(json.dumps(summaries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return out


def set_names(evaluations: Sequence[EvalConfig]) -> list[str]:
    """One name per held-out set, also of its files: the task's, numbered if it occurs again."""
    names: list[str] = []
    for each in evaluations:
        title = re.sub(r"[^\w.-]+", "_", task_title(each.task)).lstrip(".") or each.task.kind
        others = (f"{title}-{number}" for number in itertools.count(2))
        names.append(title if title not in names else next(name for name in others if name not in names))
    return names
