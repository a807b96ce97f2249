"""`dunwu reward-model`: a reward model from preferences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dunwu.cli.show import show
from dunwu.cli.training import chosen_lines, command_line, newest, print_plan, read_training, run_stoppable
from dunwu.config.blocks import rate_in_words
from dunwu.config.reward_model import Criterion, RewardModelConfig

COMMAND = "reward-model"


@dataclass(frozen=True)
class RewardModelOptions:
    """Train a reward model: helpfulness from pairs, or safety from labelled answers. Set any key of the recipe as key=value."""

    recipe: str | None = None
    """A YAML file, or the name of a bundled recipe; by default tiny/reward-model."""
    data: str | None = None
    """A .jsonl, .jsonl.gz or .parquet file, or a folder of them: prompt, chosen, rejected; or prompt, completion, label (safe, unsafe)."""
    kind: Criterion | None = None
    """The key `criterion`; overrides the recipe."""
    model: str | None = None
    """tiny (bundled), a local Hugging Face folder or a hub id; overrides the recipe."""
    out: Path = Path("runs/reward-model")
    """Run directory."""
    seed: int | None = None
    """Overrides the recipe."""
    resume: bool = False
    """Resume the run in --out, with its own configuration, from its newest valid checkpoint; keys given now are set over it."""
    dry_run: bool = False
    """Read the data, print the resolved configuration, the plan and a summary of the data; write nothing."""


def run(arguments: Sequence[str]) -> int:
    """Trains and measures, or prints the plan."""
    options, config, chosen = read_training(COMMAND, "tiny/reward-model", RewardModelOptions, RewardModelConfig, arguments, _shorthands)
    if options.dry_run:
        from dunwu.jobs.preview import preview_reward_model

        print_plan(config, options.out, [*_plan(config), *chosen_lines(chosen), *preview_reward_model(config)])
        return 0
    from dunwu.jobs.reward_model import run_reward_model
    from dunwu.run.console import ConsoleReporter

    code = run_stoppable(
        COMMAND, options.out, arguments, lambda: run_reward_model(config, options.out, options.resume, ConsoleReporter(), chosen)
    )
    show("\n".join(next_commands(config, newest(options.out))))
    return code


def next_commands(config: RewardModelConfig, checkpoint: Path) -> list[str]:
    """Commands to try next: training on the prompts of the data for the model's score, and how the model was made."""
    task, part = {"kind": "chat", "path": config.data}, {"kind": config.criterion, "model": str(checkpoint)}
    zero = ["zero", "--model", config.model, f"tasks={json.dumps([task])}", f"reward={json.dumps([part])}"]
    return [f"  next steps  {command_line(zero)}", f"              {command_line(['explain', str(checkpoint)])}"]


def _plan(config: RewardModelConfig) -> list[str]:
    unit = "pairs" if config.criterion == "helpfulness" else "answers"
    return [
        f"data: {config.data or 'not set, give --data FILE'}",
        f"updates: {config.epochs} passes over the training rows, {config.batch_size} {unit} each",
        rate_in_words(config),
        f"checkpoints: every {config.save_every} updates, keeping the newest {config.keep_checkpoints}",
        "evaluation, after training: accuracy, calibration and influence of length on held-out rows",
    ]


def _shorthands(options: RewardModelOptions) -> list[str]:
    given = {"data": options.data, "criterion": options.kind, "model": options.model, "seed": options.seed}
    return [f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None]
