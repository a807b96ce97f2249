"""`dunwu r1`: all four stages of DeepSeek-R1, from the base to the final model, in one command that can be stopped anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.run_command import print_pipeline, run_stages
from dunwu.pipeline.recipe_file import with_overrides
from dunwu.pipeline.recipes.r1_tiny import tiny_r1


@dataclass(frozen=True)
class R1Options:
    """Do or continue R1's four stages on the tiny model; what is finished is not done again.

    Any key of a stage can be given as stage.key=value, such as zero.grpo.steps=20; --dry-run prints them all.
    """

    model: str = "tiny"
    """The base: tiny (bundled), a local Hugging Face folder or a hub id."""
    out: Path = Path("runs/r1")
    """Directory of the run."""
    seed: int = 0
    """Of every stage; what is measured is measured on the same problems."""
    first: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Begin with this stage, and take what others made as it is."""
    until: str | None = None
    """Do only this stage and those it needs."""
    dry_run: bool = False
    """Print the resolved recipe, and make nothing."""


def run(arguments: Sequence[str]) -> int:
    """Runs the stages, or prints them."""
    options, rest = parse_options(R1Options, "r1", arguments)
    refuse_misspelt_options(R1Options, (), rest)
    pipeline = with_overrides(tiny_r1(options.model, options.seed), rest)
    if options.dry_run:
        print_pipeline(pipeline, options.out, options.first, options.until)
        return 0
    return run_stages(pipeline, options.out, ["r1", *arguments], options.first, options.until)
