"""`dunwu reproduce`: the paper's claims, each tested again at the tiny scale with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.outputs import check_folder
from dunwu.cli.run_command import print_or_run
from dunwu.config.load import validate
from dunwu.config.overrides import apply_overrides, parse_overrides
from dunwu.config.reproduce import ReproduceConfig
from dunwu.pipeline.recipes.reproduce import reproduce_pipeline
from dunwu.pipeline.recipes.reproduce_time import estimate

COMMAND = "reproduce"


@dataclass(frozen=True)
class ReproduceOptions:
    """Test claims of the DeepSeek-R1 paper again on the tiny model, each with three seeds, and write a table with the paper's own figures.

    The same command resumes. Choose with claims=[lift, majority] and seeds=5; set any key of a stage as stage.key=value, such as
    zero.grpo.steps=20 for all seeds or zero-0.grpo.steps=20 for one."""

    quick: bool = False
    """Train about half as long."""
    out: Path | None = None
    """Run directory; by default runs/reproduce, with --quick runs/reproduce-quick."""
    first: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Start with this stage and use the results of earlier ones as they are."""
    until: str | None = None
    """Run only this stage and those that it needs."""
    accept_code: bool = False
    """Keep finished stages and resume half-finished ones although the code has changed since; their manifests record it."""
    dry_run: bool = False
    """Print the stages as a recipe of `dunwu run`, and about how long they take; write nothing."""


def run(arguments: Sequence[str]) -> int:
    """Runs the stages, or prints them."""
    options, rest = parse_options(ReproduceOptions, COMMAND, arguments)
    refuse_misspelt_options(ReproduceOptions, ReproduceConfig.model_fields.keys(), rest)
    given = parse_overrides(rest)
    own = [each for each in given if each.key.partition(".")[0] in ReproduceConfig.model_fields]
    config = validate(ReproduceConfig, apply_overrides({}, own, {}))
    pipeline = reproduce_pipeline(config, options.quick, [each for each in given if each not in own])
    out = options.out or Path("runs") / (f"{COMMAND}-quick" if options.quick else COMMAND)
    check_folder(out)
    remarks = [f"time: {estimate(pipeline.between(options.first, options.until))}"]
    return print_or_run(pipeline, options, out, [COMMAND, *arguments], remarks)
