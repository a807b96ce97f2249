"""`dunwu sft`: supervised fine-tuning on conversations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dunwu.cli.show import show
from dunwu.cli.training import chosen_lines, command_line, newest, print_plan, read_training, run_stoppable, sampling_overrides
from dunwu.config.blocks import rate_in_words
from dunwu.config.sft import SftConfig


@dataclass(frozen=True)
class SftOptions:
    """Fine-tune a model on conversations, including their reasoning. Set any key of the recipe as key=value, such as epochs=3."""

    recipe: str | None = None
    """A YAML file, or the name of a bundled recipe; by default tiny/sft."""
    model: str | None = None
    """tiny (bundled), a local Hugging Face folder or a hub id; overrides the recipe."""
    data: str | None = None
    """JSONL or Parquet with messages, or with prompt and completion; overrides the recipe."""
    out: Path = Path("runs/sft")
    """Run directory."""
    seed: int | None = None
    """Overrides the recipe."""
    resume: bool = False
    """Resume the run in --out, with its own configuration, from its newest valid checkpoint; keys given now are set over it."""
    dry_run: bool = False
    """Read the data, print the resolved configuration, the plan and a summary of the data; write nothing."""


def run(arguments: Sequence[str]) -> int:
    """Trains, or prints the plan."""
    options, config, chosen = read_training("sft", "tiny/sft", SftOptions, SftConfig, arguments, _shorthands)
    if options.dry_run:
        from dunwu.jobs.preview import preview_sft

        print_plan(config, options.out, [*plan(config), *chosen_lines(chosen), *preview_sft(config)])
        return 0
    from dunwu.jobs.sft import run_sft
    from dunwu.run.console import ConsoleReporter

    code = run_stoppable("sft", options.out, arguments, lambda: run_sft(config, options.out, options.resume, ConsoleReporter(), chosen))
    show("\n".join(next_commands(config, newest(options.out))))
    return code


def next_commands(config: SftConfig, checkpoint: Path) -> list[str]:
    """Commands to try next; both prompt the model as it was trained."""
    limit = str(config.sampling.max_tokens)
    named = isinstance(config.template, str)  # otherwise both commands take the block of the run
    zero = ["zero", "--model", str(checkpoint), *([f"template={config.template}"] if named else []), f"sampling.max_tokens={limit}"]
    evaluation = ["eval", "--model", str(checkpoint), *(["--template", str(config.template)] if named else []), "--max-tokens", limit]
    return [
        f"  next steps  {command_line(zero)}",
        f"              {command_line([*evaluation, *sampling_overrides(config.sampling, config.model)])}",
    ]


def plan(config: SftConfig) -> list[str]:
    """What a run would do."""
    return [
        f"data: {config.data}, {config.epochs} times, {config.batch_size} conversations an update",
        rate_in_words(config),
        f"validation: {config.validation or 'none'}",
        f"checkpoints: every {config.save_every} updates, keeping the newest {config.keep_checkpoints}",
    ]


def _shorthands(options: SftOptions) -> list[str]:
    texts = {"model": options.model, "data": options.data}
    given = [f"{name}={json.dumps(text)}" for name, text in texts.items() if text is not None]
    return given + ([] if options.seed is None else [f"seed={options.seed}"])
