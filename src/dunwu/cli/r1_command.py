"""`dunwu r1`: all four stages of DeepSeek-R1 in one command that can be stopped and resumed at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.outputs import check_folder
from dunwu.cli.run_command import print_or_run
from dunwu.config.recipes import bundled_recipes
from dunwu.errors import ConfigError
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.models.facts import model_facts
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import with_overrides
from dunwu.pipeline.recipes.r1_paper import paper_r1
from dunwu.pipeline.recipes.r1_small import small_r1
from dunwu.pipeline.recipes.r1_tiny import tiny_r1


@dataclass(frozen=True)
class R1Options:
    """Run or resume the four stages of R1, by default on the tiny model; finished stages are skipped.

    Set any key of a stage as stage.key=value, such as zero.grpo.steps=20; --dry-run prints them all.
    """

    recipe: Literal["tiny", "small", "v1", "nature"] = "tiny"
    """tiny: the bundled model; small: half a billion weights on one GPU (unverified); v1, nature: the paper's values (arXiv v1, Nature)."""
    model: str = BUNDLED_NAME
    """The base model: tiny (bundled), a local Hugging Face folder or a hub id."""
    data: Path | None = None
    """For recipes other than tiny: a folder with reasoning, general, prompts, problems, pairs, labelled and, if you have such rows,
    annotated (JSONL or Parquet)."""
    keys: Path | None = None
    """YAML with keys of stages, such as zero.grpo.steps: 20, or a bundled one (smollm2-135m/r1), over those of the recipe;
    keys on the command line come last."""
    out: Path | None = None
    """Run directory; by default runs/NAME with the name of the pipeline, such as runs/r1."""
    seed: int = 0
    """Seed of every stage; evaluations always use the same problems."""
    first: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Start with this stage and use the results of earlier ones as they are."""
    until: str | None = None
    """Run only this stage and those that it needs."""
    accept_code: bool = False
    """Keep finished stages and resume half-finished ones although the code has changed since; their manifests record it."""
    dry_run: bool = False
    """Read the available data, print the resolved recipe and a summary of the data; write nothing."""


def run(arguments: Sequence[str]) -> int:
    """Runs the stages, or prints them."""
    options, rest = parse_options(R1Options, "r1", arguments)
    refuse_misspelt_options(R1Options, (), rest)
    keys = bundled_recipes().get(str(options.keys), options.keys)
    pipeline = with_overrides(_pipeline(options), rest, keys)
    out = options.out or Path("runs") / pipeline.name
    check_folder(out)
    return print_or_run(pipeline, options, out, ["r1", *arguments])


def _pipeline(options: R1Options) -> Pipeline:
    """The recipe. Raises `ConfigError` for a base model or data that it cannot use."""
    if options.recipe == "tiny":
        if options.data is not None:
            raise ConfigError(f"--data {options.data}: the recipe tiny makes its own data; leave it out, or choose --recipe small")
        if not model_facts(options.model).tiny:
            raise ConfigError(f"--model {options.model}: the recipe tiny would ruin it; choose --recipe small and give --data (your rows)")
        return tiny_r1(options.model, options.seed)
    if options.model == BUNDLED_NAME or options.data is None:
        raise ConfigError(f"--recipe {options.recipe} needs --model (a folder or a hub id) and --data (a folder with your rows)")
    if options.recipe == "small":
        return small_r1(options.model, options.data, options.seed)
    return paper_r1(options.recipe, options.model, options.data, options.seed)
