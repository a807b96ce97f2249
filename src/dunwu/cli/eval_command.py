"""`dunwu eval`: held-out accuracy of a model."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from rich.console import Console

from dunwu.cli.eval_suites import folder_of, list_of_suites, overall, resumable, split_names, suite_base
from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.outputs import check_folder
from dunwu.cli.show import printable, show
from dunwu.config.base import Positive
from dunwu.config.blocks import EngineConfig
from dunwu.config.data import EndpointGenerator
from dunwu.config.defaults import Following, ModelFacts, following, has_rows, in_words
from dunwu.config.load import load_following, validate
from dunwu.config.template import Template, plain
from dunwu.config.zero import EvalConfig, PromptedEvalConfig, over_suite_and_protocol
from dunwu.data.few_shot import with_examples
from dunwu.data.first_rows import check_first_rows
from dunwu.errors import UserError
from dunwu.evaluation.measurement import Measurement
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.store import refuse_taken
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.models.facts import model_facts
from dunwu.models.hub_ids import check_model, check_names
from dunwu.pipeline.run_models import model_of, own_evaluation
from dunwu.run.console import ConsoleReporter
from dunwu.run.reporter import Reporter
from dunwu.text.answer_forms import KEY
from dunwu.text.surrogates import as_json

SERVED = ModelFacts(tiny=False, chat=True)
"""What is known of a model behind an endpoint: it has a chat template of its own."""


@dataclass(frozen=True)
class EvalOptions:
    """Evaluate a model on held-out problems. Set any other key of the evaluation as key=value, such as sampling.top_p=0.95."""

    model: str = BUNDLED_NAME
    """tiny (bundled), a run directory (its newest checkpoint), a checkpoint or other local Hugging Face folder, or a hub id. `--model`
    itself may be left out: dunwu eval runs/zero."""
    task: str | None = None
    """countdown, game24, arithmetic, gsm8k, math, humaneval, mbpp, gcj, codecontests, code:FILE, reasoning-gym:NAME, a data file,
    or a hub id. By default the first evaluation of the checkpoint's run, with its other keys; else countdown."""
    suite: tuple[str, ...] = ()
    """Named suites instead of a task, such as aime2024 math500, each with its own problems, samples and form; --list-suites has all."""
    data: Path | None = None
    """File or folder with the data of --suite, or a folder of data sets; by default DUNWU_DATA, else the hub."""
    list_suites: bool = False
    """List the named suites."""
    protocol: Literal["r1"] | None = None
    """r1: as DeepSeek-R1 was evaluated: temperature 0.6, top_p 0.95, up to 32,768 tokens, 64, 16 or 8 samples by suite. What departs from
    it is shown and written down."""
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
    endpoint: str | None = None
    """Address of an OpenAI-compatible endpoint, such as http://localhost:8000/v1, that serves the model; --model is its name there."""
    key_env: str | None = None
    """Environment variable with the endpoint's key; by default none is sent."""
    concurrency: Positive = 8
    """Requests in flight at the endpoint at a time."""
    requests_per_minute: float | None = None
    """Requests sent to the endpoint in a minute at most; by default any number."""
    completions: Path | None = None
    """Score the stored completions of this file instead of a model's: dunwu eval --completions FILE --help has its options."""
    out: Path | None = None
    """Folder for all completions and the summary; a folder that already has an evaluation is refused. Suites have a folder each in it.
    Completions are kept as they arrive: after a stop, the same command samples the others."""
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
    options, rest = _parsed(arguments)
    if options.list_suites:
        show("\n".join(list_of_suites()), label=True)
        return 0
    names, more = split_names(options.suite)
    sets: list[str | None] = [*names] or [None]
    refuse_misspelt_options(EvalOptions, PromptedEvalConfig.model_fields.keys(), rest)
    reporter = ConsoleReporter(Console(stderr=True) if options.json else None)
    endpoint = _endpoint(options)
    model = options.model if endpoint else model_of(options.model, reporter)
    if endpoint is None:
        check_model(model)
    chosen_for = following("eval", SERVED if endpoint else model_facts(model, fetch=True))
    plans = [_plan(options, name, model, chosen_for, [*_shorthands(options), *more, *rest]) for name in sets]
    _check_out(options, plans)
    from dunwu.jobs.headline import announce_evaluation

    for plan in plans:
        announce_evaluation(reporter, model, plan.config, plan.template, plan.out, plan.chosen)
    if options.dry_run:
        from dunwu.jobs.preview import preview_evaluation, preview_requests

        for plan in plans:
            lines = preview_requests if endpoint else partial(preview_evaluation, model)
            show("\n".join(lines(plan.config, plan.template)))
        return 0
    with resumable(arguments, options.out):
        results = _measured(options, model, endpoint, plans, reporter)
    _print(options, model, plans, results)
    return 0


@dataclass(frozen=True)
class _Plan:
    """An eval set as it will be measured; ``chosen``: the values that nobody has set, in words."""

    config: EvalConfig
    template: Template
    out: Path | None
    chosen: str


def _parsed(arguments: Sequence[str]) -> tuple[EvalOptions, list[str]]:
    first, *others = arguments or [""]
    named = first and not first.startswith("-") and "=" not in first  # dunwu eval RUN
    options, rest = parse_options(EvalOptions, "eval", ["--model", first, *others] if named else arguments)
    if options.suite and options.task:
        raise UserError(f"--suite and --task {options.task} both say what is evaluated: give one of them")
    if options.endpoint and options.out is None and not options.dry_run:
        raise UserError("--endpoint needs --out FOLDER: answers are kept there as they arrive, so that none is asked for twice")
    if options.data and not options.suite:
        raise UserError(f"--data {options.data} is the data of a suite: give --suite NAME, or --task {options.data}")
    return options, rest


def _endpoint(options: EvalOptions) -> EndpointGenerator | None:
    """The endpoint to ask, if any. Raises `UserError` for an address that is none, or a key that is not in the environment."""
    if options.endpoint is None:
        return None
    given = {"url": options.endpoint, "model": options.model, "key_env": options.key_env, "concurrency": options.concurrency}
    return validate(EndpointGenerator, {**given, "requests_per_minute": options.requests_per_minute}, "--endpoint: ")


def _plan(options: EvalOptions, suite: str | None, model: str, chosen_for: Following, overrides: Sequence[str]) -> _Plan:
    """The checked configuration of one set."""
    own = {} if options.endpoint else own_evaluation(model, suite or options.task)
    own = own or {"task": options.task or "countdown"}
    if suite:
        own = {**{key: value for key, value in own.items() if key != "task"}, **suite_base(suite, options.data)}
    if options.protocol:
        own = {**{key: value for key, value in own.items() if key not in ("sampling", "samples")}, "protocol": options.protocol}
    own = over_suite_and_protocol(own)
    if options.endpoint and not has_rows(own):  # a server may leave out <answer> tags, as `dunwu serve` does
        own = {KEY: "boxed", **own}
    asked, chosen = load_following(PromptedEvalConfig, None, overrides, chosen_for, own)
    config, template = with_examples(asked).parts()
    check_first_rows(config)
    check_names(config)
    out = options.out / folder_of(suite) if options.out and suite else options.out
    return _Plan(config, template, out, in_words(chosen))


def _check_out(options: EvalOptions, plans: Sequence[_Plan]) -> None:
    """Raises `UserError` for folders that cannot be written, or that have an evaluation; a suite that is there already is read."""
    if options.out is None:
        return
    check_folder(options.out, "a folder to write in")
    for plan in plans:
        if not options.overwrite and plan.out is not None and plan.config.suite is None:
            refuse_taken(plan.out)


def _measured(
    options: EvalOptions, model: str, endpoint: EndpointGenerator | None, plans: Sequence[_Plan], reporter: Reporter
) -> list[EvaluationResult]:
    reuse = not options.overwrite
    sets = [Measurement(plan.config, plan.template, plan.out, reuse and plan.config.suite is not None) for plan in plans]
    with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext():
        if endpoint is not None:
            from dunwu.jobs.evaluate_endpoint import evaluate_endpoint

            return evaluate_endpoint(endpoint, sets, reporter=reporter)
        from dunwu.jobs.evaluate import run_evaluations  # torch takes seconds to import, and the plan is shown before

        return run_evaluations(model, sets, options.device, options.threads, options.batch, reporter)


def _print(options: EvalOptions, model: str, plans: Sequence[_Plan], results: Sequence[EvaluationResult]) -> None:
    """The tables, or with --json an object on a line for each set."""
    for plan, result in zip(plans, results, strict=True):
        if options.json:
            found = {"model": model, "template": plain(plan.template), "set": result.name, "config": plan.config.model_dump(mode="json")}
            print(as_json({**found, "summary": result.summary()}))
        else:
            show("\n".join(table(result.name, result.summary())), label=True)
    if len(results) > 1 and not options.json:
        show("\n".join(overall({result.name: result.summary() for result in results})), label=True)


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
        *([("out of time", f"{summary['timed_out']} of {summary['samples']}")] if summary.get("timed_out") else []),
        *((f"{column} {group['value']}", _of_group(group)) for column, groups in summary.get("by_group", {}).items() for group in groups),
    ]
    head = f"{name}: {summary['problems']} problems x {k} samples" + (f", {summary['excluded']} excluded" if summary["excluded"] else "")
    wide = max(18, *(len(label) + 2 for label, _ in rows))
    return [head, *(printable(f"  {label:<{wide}}{text}") for label, text in rows)]


def _of_group(group: Mapping[str, Any]) -> str:
    """``45.0 %  (95 % interval 35.2 % to 55.1 %), 105 problems``."""
    low, high = group["interval"]
    interval = "" if low is None else f"  (95 % interval {_percent(low)} to {_percent(high)})"
    return f"{_percent(group['pass_at_1'])}{interval}, {group['problems']} problems"


def _lengths(summary: Mapping[str, Any]) -> str:
    """``312.5 tokens, 4.0 % cut off``; of stored completions, which have no tokens, only what is known."""
    length = "not measured" if summary["mean_length"] is None else f"{_number(summary['mean_length'])} tokens"
    return length if summary["clipped_ratio"] is None else f"{length}, {_percent(summary['clipped_ratio'])} cut off"


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f}"
