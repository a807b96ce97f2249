"""`dunwu eval`: held-out accuracy of a model."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from rich.console import Console

from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.outputs import check_folder
from dunwu.cli.show import show
from dunwu.config.base import Positive
from dunwu.config.blocks import EngineConfig
from dunwu.config.defaults import following, in_words
from dunwu.config.load import load_following
from dunwu.config.template import plain
from dunwu.config.zero import PromptedEvalConfig
from dunwu.data.few_shot import with_examples
from dunwu.data.first_rows import check_first_rows
from dunwu.evaluation.store import refuse_taken
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.models.facts import model_facts
from dunwu.models.hub_ids import check_model, check_names
from dunwu.pipeline.run_models import model_of, own_evaluation
from dunwu.run.console import ConsoleReporter
from dunwu.text.surrogates import as_json


@dataclass(frozen=True)
class EvalOptions:
    """Evaluate a model on held-out problems. Set any other key of the evaluation as key=value, such as sampling.top_p=0.95."""

    model: str = BUNDLED_NAME
    """tiny (bundled), a run directory (its newest checkpoint), a checkpoint or other local Hugging Face folder, or a hub id. `--model`
    itself may be left out: dunwu eval runs/zero."""
    task: str | None = None
    """countdown, game24, arithmetic, gsm8k, math, humaneval, mbpp, gcj, codecontests, code:FILE, reasoning-gym:NAME, a data file,
    or a hub id. By default the first evaluation of the checkpoint's run, with its other keys; else countdown."""
    split: str | None = None
    """test (the default) or validation. If a data file is too small to have such rows, all rows are used, with a note."""
    problems: int | None = None
    """Problems to solve; by default as in the evaluation of the run, else 200."""
    samples: int | None = None
    """Completions per problem: the k of pass@k and majority@k; by default as in the evaluation of the run, else 4."""
    temperature: float | None = None
    """Sampling temperature; by default 0.6 with top_p 0.95, as DeepSeek-R1 was evaluated, 1 for the tiny model."""
    max_tokens: int | None = None
    """Longest completion, in tokens; by default 1024, 400 for the tiny model."""
    seed: int | None = None
    """Selects the problems and the random draws of the completions; by default as in the evaluation of the run, else 0."""
    template: str | None = None
    """Prompt template: a name, or a file with a block (.yaml) or Jinja (.jinja); single keys: template.system=r1. By default of the
    checkpoint's run, else the tokenizer's chat template, else r1-zero; for the tiny model tiny."""
    answer_form: str | None = None
    """Where the answer stands: tags-or-boxed, tags, boxed, "####" (GSM8K's last line), last-number or boxed-or-last-number. By default as
    the checkpoint was trained or as the template asks, else tags-or-boxed."""
    completions: Path | None = None
    """Score the stored completions of this file instead of a model's: dunwu eval --completions FILE --help has its options."""
    out: Path | None = None
    """Folder for all completions and the summary; a folder that already has an evaluation is refused."""
    overwrite: bool = False
    """Replace the evaluation in --out."""
    dry_run: bool = False
    """Read the problems, print the plan and one whole prompt; load and write nothing."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0: all cores."""
    batch: Positive = EngineConfig().max_batch
    """Sequences decoded together."""
    json: bool = False
    """Print one JSON object (docs/evaluation.md has its keys), and everything else to stderr."""


def run(arguments: Sequence[str]) -> int:
    """Evaluates and prints the table."""
    if any(word.partition("=")[0] == "--completions" for word in arguments):
        from dunwu.cli import eval_completions

        return eval_completions.run(arguments, table)
    first, *others = arguments or [""]
    named = first and not first.startswith("-") and "=" not in first  # dunwu eval RUN
    options, rest = parse_options(EvalOptions, "eval", ["--model", first, *others] if named else arguments)
    refuse_misspelt_options(EvalOptions, PromptedEvalConfig.model_fields.keys(), rest)
    reporter = ConsoleReporter(Console(stderr=True) if options.json else None)
    model = model_of(options.model, reporter)
    check_model(model)
    base = own_evaluation(model, options.task) or {"task": "countdown"}
    chosen_for = following("eval", model_facts(model, fetch=True))
    asked, chosen = load_following(PromptedEvalConfig, None, [*_shorthands(options), *rest], chosen_for, base)
    config, template = with_examples(asked).parts()
    check_first_rows(config)
    check_names(config)
    if options.out is not None:
        check_folder(options.out, "a folder to write in")
        if not options.overwrite:
            refuse_taken(options.out)
    from dunwu.jobs.headline import announce_evaluation

    announce_evaluation(reporter, model, config, template, options.out, in_words(chosen))
    if options.dry_run:
        from dunwu.jobs.preview import preview_evaluation

        show("\n".join(preview_evaluation(model, config, template)))
        return 0
    from dunwu.jobs.evaluate import run_evaluation  # torch takes seconds to import, and the plan is shown before

    with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext():
        result = run_evaluation(model, config, template, options.out, options.device, options.threads, options.batch, reporter)
    if options.json:
        found = {"model": model, "template": plain(template), "set": result.name, "config": config.model_dump(mode="json")}
        print(as_json({**found, "summary": result.summary()}))
    else:
        show("\n".join(table(result.name, result.summary())), label=True)
    return 0


def _shorthands(options: EvalOptions) -> list[str]:
    named = {
        "template": options.template,
        "split": options.split,
        "problems": options.problems,
        "samples": options.samples,
        "sampling.temperature": options.temperature,
        "sampling.max_tokens": options.max_tokens,
        "seed": options.seed,
        "answer_form": options.answer_form,
    }
    return [f"{key}={value}" for key, value in named.items() if value is not None]


def table(name: str, summary: Mapping[str, Any]) -> list[str]:
    """The headline numbers as lines of a table."""
    from dunwu.verifiers.unread import describe_verdicts

    low, high = summary["interval"]
    k = summary["k"]
    interval = "" if low is None else f"  (95 % interval {_percent(low)} to {_percent(high)})"
    rows = [
        ("pass@1", f"{_percent(summary['pass_at_1'])}{interval}"),
        *(((f"pass@{k}", _percent(summary["pass_at_k"])), (f"majority@{k}", _percent(summary["majority_at_k"]))) if k > 1 else ()),
        ("mean length", _lengths(summary)),
        ("reflective words", f"{_number(summary['reflections_per_completion'])} per completion"),
        ("answers", describe_verdicts(summary.get("verdicts", {}), {})),
        *(("unparsable", f"{count}: {reason}") for reason, count in summary.get("unread", {}).items()),
    ]
    head = f"{name}: {summary['problems']} problems x {k} samples" + (f", {summary['excluded']} excluded" if summary["excluded"] else "")
    return [head, *(f"  {label:<18}{text}" for label, text in rows)]


def _lengths(summary: Mapping[str, Any]) -> str:
    """``312.5 tokens, 4.0 % cut off``; of stored completions, which have no tokens, only what is known."""
    length = "not measured" if summary["mean_length"] is None else f"{_number(summary['mean_length'])} tokens"
    return length if summary["clipped_ratio"] is None else f"{length}, {_percent(summary['clipped_ratio'])} cut off"


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f}"
