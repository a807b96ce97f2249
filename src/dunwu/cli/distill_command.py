"""`dunwu distill`: a small student learns from a large teacher."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.outputs import check_folder
from dunwu.cli.run_command import print_or_run
from dunwu.cli.training import chosen_lines
from dunwu.config.defaults import in_words
from dunwu.config.distill import DistillConfig
from dunwu.config.recipe_commands import recipe_of, refuse_bare_words
from dunwu.config.references import SUFFIXES
from dunwu.models.hub_ids import check_names
from dunwu.pipeline.recipes.distill import distill_pipeline, notes, read_distill

COMMAND = "distill"


@dataclass(frozen=True)
class DistillOptions:
    """Give a student the reasoning of a teacher: its right and readable answers become rows, on which the student is fine-tuned.
    The same command resumes. Set any key as key=value, such as rows.samples=8."""

    recipe: str | None = None
    """A YAML file, or the name of a bundled recipe."""
    teacher: str | None = None
    """A run directory, a local Hugging Face folder, a hub id, a file of stored answers, file.py:function, or the address of an endpoint,
    such as http://localhost:8000/v1, with teacher.model=NAME."""
    model: str | None = None
    """The student: tiny (bundled), a run directory, a local Hugging Face folder or a hub id. A new one from scratch: the key student."""
    task: str | None = None
    """Problems that the teacher answers: countdown, game24, arithmetic, gsm8k, math, mbpp, codecontests, code:FILE, reasoning-gym:NAME,
    a data file, or a hub id; several with weights: the key tasks."""
    out: Path = Path("runs/distill")
    """Run directory."""
    seed: int | None = None
    """Overrides the recipe."""
    first: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Start with this stage and use the results of earlier ones as they are."""
    until: str | None = None
    """Run only this stage and those that it needs."""
    accept_code: bool = False
    """Keep finished stages and resume half-finished ones although the code has changed since; their manifests record it."""
    dry_run: bool = False
    """Read the available data, print the stages as a recipe of `dunwu run`, what the teacher would be asked, and its cost if prices are
    given; write nothing."""


def run(arguments: Sequence[str]) -> int:
    """Runs the stages, or prints them."""
    options, rest = parse_options(DistillOptions, COMMAND, arguments)
    refuse_misspelt_options(DistillOptions, DistillConfig.model_fields.keys(), rest)
    refuse_bare_words(COMMAND, rest)
    file = None if options.recipe is None else recipe_of(options.recipe, COMMAND)
    check_folder(options.out)
    given = shorthands(options.teacher, options.model, options.task, options.seed)
    config, chosen = read_distill(file, [*given, *rest], fetch=not options.dry_run)
    check_names(config, fetch=not options.dry_run)
    pipeline, remarks = distill_pipeline(config), [*chosen_lines(in_words(chosen)), *notes(config)]
    return print_or_run(pipeline, options, options.out, [COMMAND, *arguments], remarks)


def shorthands(teacher: str | None, model: str | None, task: str | None, seed: int | None) -> list[str]:
    """The keys that these options set, as overrides."""
    given = {"model": model, "tasks": task, **({} if teacher is None else _teacher(teacher))}
    overrides = [f"{key}={json.dumps(text)}" for key, text in given.items() if text is not None]
    return overrides + ([] if seed is None else [f"seed={seed}"])


def _teacher(text: str) -> dict[str, str]:
    """The keys of the teacher that ``text`` names."""
    if re.match(r"https?://", text):
        return {"teacher.kind": "endpoint", "teacher.url": text}
    if re.fullmatch(r".+\.py:\w+", text):
        return {"teacher.kind": "own", "teacher.function": text}
    if text.endswith(SUFFIXES):
        return {"teacher.kind": "rows", "teacher.data": text}
    return {"teacher.kind": "local", "teacher.model": text}
