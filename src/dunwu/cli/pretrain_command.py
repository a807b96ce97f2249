"""`dunwu pretrain`: makes the tiny base model and its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dunwu.cli.training import print_plan, read_training, run_stoppable
from dunwu.config.pretrain import PretrainConfig


@dataclass(frozen=True)
class PretrainOptions:
    """Pre-train the tiny base model on the corpus that Dunwu generates. Set any key of the recipe as key=value."""

    recipe: str | None = None
    """A YAML file, or the name of a bundled recipe; by default tiny."""
    out: Path = Path("runs/pretrain")
    """Run directory."""
    resume: bool = False
    """Resume the run in --out, with its own configuration; for a finished run, write its model folder if it is missing."""
    dry_run: bool = False
    """Print the resolved configuration and the plan; write nothing."""


def run(arguments: Sequence[str]) -> int:
    """Trains, measures and writes the model with its card, or prints the plan."""
    options, config, _ = read_training("pretrain", "tiny", PretrainOptions, PretrainConfig, arguments, lambda _: [])
    if options.dry_run:
        print_plan(config, options.out, _plan(config))
        return 0
    from dunwu.jobs.pretrain import run_pretrain
    from dunwu.run.console import ConsoleReporter

    return run_stoppable("pretrain", options.out, arguments, lambda: run_pretrain(config, options.out, options.resume, ConsoleReporter()))


def _plan(config: PretrainConfig) -> list[str]:
    """Tokens and updates of a pre-training run."""
    return [
        f"tokens: {config.tokens:,}",
        f"updates: {max(1, config.tokens // config.batch_tokens):,} of {config.batch_tokens:,} tokens",
        f"checkpoints: every {config.save_every} updates, keeping the newest {config.keep_checkpoints}",
    ]
