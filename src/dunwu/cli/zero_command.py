"""`dunwu zero`: R1-Zero on a base model."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from dunwu.cli.show import show
from dunwu.cli.training import chosen_lines, command_line, print_plan, read_training, run_stoppable, sampling_overrides
from dunwu.config.blocks import rate_in_words
from dunwu.config.tasks import task_name, task_title
from dunwu.config.template import TemplateConfig
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.models.bundled import trained_as
from dunwu.run.step_manifest import step_folder


@dataclass(frozen=True)
class ZeroOptions:
    """Train a base model by pure reinforcement learning. Set any key of the recipe as key=value, such as grpo.steps=20."""

    recipe: str | None = None
    """A YAML file, or the name of a bundled recipe; by default tiny/zero."""
    model: str | None = None
    """tiny (bundled), a local Hugging Face folder or a hub id; overrides the recipe."""
    task: str | None = None
    """Training problems: countdown, game24, arithmetic, gsm8k, math, mbpp, codecontests, code:FILE, reasoning-gym:NAME, a data file,
    or a hub id; several with weights: the key tasks."""
    out: Path = Path("runs/zero")
    """Run directory."""
    seed: int | None = None
    """Overrides the recipe."""
    resume: bool = False
    """Resume the run in --out, with its own configuration, from its newest valid checkpoint; keys given now are set over it."""
    dry_run: bool = False
    """Read the data, check the reward, print the configuration, the plan, a summary of the data and the memory needed; write nothing."""
    memory: Annotated[float, Field(gt=0)] | None = None
    """For --dry-run: available memory in GiB; the default is this machine's."""


def run(arguments: Sequence[str]) -> int:
    """Trains, or prints the plan."""
    options, config, chosen = read_training("zero", "tiny/zero", ZeroOptions, ZeroConfig, arguments, _shorthands)
    differs = other_template(config)
    if options.dry_run:
        from dunwu.jobs.checks import problems_in, with_rows
        from dunwu.jobs.preview import preview_zero
        from dunwu.tasks.make import make_mixture

        config, unmeasured = with_rows(config, make_mixture(config.tasks))
        plan = _plan(config, [problems_in(each) for each in config.evaluations])
        print_plan(config, options.out, [*plan, *chosen_lines(chosen), *unmeasured, *differs, *preview_zero(config, options.memory)])
        return 0
    for line in differs:
        show(line, sys.stderr)
    from dunwu.jobs.zero import run_zero
    from dunwu.run.console import ConsoleReporter

    code = run_stoppable("zero", options.out, arguments, lambda: run_zero(config, options.out, options.resume, ConsoleReporter(), chosen))
    show("\n".join(next_commands(config, options.out)))
    return code


def _plan(config: ZeroConfig, problems: Sequence[int]) -> list[str]:
    """Rollouts, tokens (an upper bound: completions may be shorter), updates and evaluations, each with its number of problems."""
    grpo = config.grpo
    per_step = grpo.prompts_per_step * grpo.group_size
    rollouts = grpo.steps * per_step
    replaced = ", without the groups that dynamic sampling replaces" if (grpo.max_sampling_rounds or 1) > 1 else ""
    updates = grpo.steps * grpo.minibatches * grpo.inner_epochs
    lines = [
        f"rollouts: {rollouts:,} ({grpo.steps:,} step{'' if grpo.steps == 1 else 's'} of {grpo.prompts_per_step} prompts"
        f" x {grpo.group_size})",
        f"tokens: at most {rollouts * config.completion_tokens:,} in completions{replaced}",
        f"updates: {updates:,}",
        rate_in_words(grpo),
        f"checkpoints: every {config.save_every} step{'' if config.save_every == 1 else 's'}, keeping the newest {config.keep_checkpoints}",
    ]
    due = (grpo.steps - 1) // config.evaluate_every if config.evaluate_every else 0
    for evaluation, most in zip(config.evaluations, problems, strict=True):
        count = most * evaluation.samples
        lines.append(f"evaluation, before and after: {task_title(evaluation.task)} {evaluation.split}, {count:,} completions")
        if due:
            count = min(most, config.evaluate_problems or most) * evaluation.samples
            lines.append(f"evaluation, {due} times during training: {count:,} completions each")
    return lines


def next_commands(config: ZeroConfig, out: Path) -> list[str]:
    """Commands to try next with a finished run."""
    checkpoint = str(out / "checkpoints" / step_folder(config.grpo.steps))
    held_out = config.evaluations[0] if config.evaluations else EvalConfig(task=config.tasks[0].task, sampling=config.sampling)
    limit = str(held_out.sampling.max_tokens)
    evaluation = ["eval", "--model", checkpoint, "--task", task_name(held_out.task), "--samples", "16", "--max-tokens", limit]
    # A block is that of the checkpoint's run, which an evaluation takes by itself.
    template = ["--template", config.template] if isinstance(config.template, str) and config.template != ZeroConfig().template else []
    graded = [f"task.parameters.{name}={json.dumps(value)}" for name, value in getattr(held_out.task, "parameters", {}).items()]
    evaluation += [*template, *graded, *sampling_overrides(held_out.sampling, config.model)]
    return [f"  next steps  {command_line(evaluation)}", f"              {command_line(['explain', checkpoint])}"]


def other_template(config: ZeroConfig) -> list[str]:
    """A line if the model is a checkpoint that was trained with another template."""
    trained = trained_as(config.model).get("template")
    if trained is None or _same(trained) == _same(config.template):
        return []
    used = f"this run prompts with {_short(config.template)}"
    keep = f"give template={trained}" if isinstance(trained, str) else "leave template out"
    return [f"template: {config.model} was trained with {_short(trained)}, {used}; to keep that one, {keep}"]


def _same(template: Any) -> Any:
    return "chat" if template == "auto" else template.model_dump(mode="json") if isinstance(template, TemplateConfig) else template


def _short(template: Any) -> str:
    return repr(template) if isinstance(template, str) else "another block"


def _shorthands(options: ZeroOptions) -> list[str]:
    model = [] if options.model is None else [f"model={json.dumps(options.model)}"]
    model += [] if options.task is None else [f"tasks={json.dumps(options.task)}"]
    return model + ([] if options.seed is None else [f"seed={options.seed}"])
