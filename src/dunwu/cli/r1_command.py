"""`dunwu r1`: all four stages of DeepSeek-R1, from the base to the final model, in one command that can be stopped anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.outputs import check_folder
from dunwu.cli.run_command import print_pipeline, run_stages
from dunwu.errors import ConfigError
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import with_overrides
from dunwu.pipeline.recipes.r1_paper import paper_r1
from dunwu.pipeline.recipes.r1_small import small_r1
from dunwu.pipeline.recipes.r1_tiny import tiny_r1


@dataclass(frozen=True)
class R1Options:
    """Do or continue R1's four stages, by default on the tiny model; what is finished is not done again.

    Any key of a stage can be given as stage.key=value, such as zero.grpo.steps=20; --dry-run prints them all.
    """

    recipe: Literal["tiny", "small", "v1", "nature"] = "tiny"
    """Values for the tiny world, for half a billion weights on a GPU (unverified), or the paper's: arXiv v1 or Nature."""
    model: str = BUNDLED_NAME
    """The base: tiny (bundled), a local Hugging Face folder or a hub id."""
    data: Path | None = None
    """For recipes other than tiny: a folder with your reasoning, general, prompts, problems, pairs and labelled (JSONL or Parquet)."""
    out: Path | None = None
    """Directory of the run; by default runs/ and the name of the pipeline, such as runs/r1."""
    seed: int = 0
    """Of every stage; what is measured is measured on the same problems."""
    first: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Begin with this stage, and take what others made as it is."""
    until: str | None = None
    """Do only this stage and those it needs."""
    accept_code: bool = False
    """Go on with what was begun, and take what was finished, under other code of Dunwu or of your own; the manifest says so."""
    dry_run: bool = False
    """Read the data that is there, print the resolved recipe and what the data holds, and make nothing."""


def run(arguments: Sequence[str]) -> int:
    """Runs the stages, or prints them."""
    options, rest = parse_options(R1Options, "r1", arguments)
    refuse_misspelt_options(R1Options, (), rest)
    pipeline = with_overrides(_pipeline(options), rest)
    out = options.out or Path("runs") / pipeline.name
    check_folder(out)
    if options.dry_run:
        print_pipeline(pipeline, out, options.first, options.until)
        return 0
    return run_stages(pipeline, out, ["r1", *arguments], options.first, options.until, options.accept_code)


def _pipeline(options: R1Options) -> Pipeline:
    """The recipe. Raises `ConfigError` for a base or data that it cannot be of."""
    if options.recipe == "tiny":
        if options.data is not None:
            raise ConfigError(f"--data {options.data}: the recipe tiny makes its own data; leave it out, or choose --recipe small")
        return tiny_r1(options.model, options.seed)
    if options.model == BUNDLED_NAME or options.data is None:
        raise ConfigError(f"--recipe {options.recipe} needs --model (a folder or a hub id) and --data (a folder with your rows)")
    if options.recipe == "small":
        return small_r1(options.model, options.data, options.seed)
    return paper_r1(options.recipe, options.model, options.data, options.seed)
