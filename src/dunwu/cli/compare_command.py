"""`dunwu compare distill-vs-rl`: one student, distilled in every way and trained by reinforcement learning, at equal compute; and
`dunwu compare evaluations`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from dunwu.cli import compare_evaluations
from dunwu.cli.distill_command import shorthands
from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.outputs import check_folder
from dunwu.cli.run_command import print_or_run
from dunwu.cli.show import show
from dunwu.cli.training import chosen_lines
from dunwu.config.compare import CompareConfig
from dunwu.config.defaults import in_words
from dunwu.config.recipe_commands import recipe_of, refuse_bare_words
from dunwu.errors import UserError
from dunwu.models.hub_ids import check_names
from dunwu.pipeline.recipes.compare import compare_pipeline, notes, read_compare

COMMAND = "compare"
KINDS = {
    "distill-vs-rl": "one student, distilled in every way and trained by reinforcement learning, at equal compute",
    "evaluations": "two evaluations of the same problems, problem by problem",
}


@dataclass(frozen=True)
class CompareOptions:
    """Train one student in every way of distillation and by reinforcement learning, each with several seeds and the same compute, and write
    a table of all. The same command resumes. Set any key as key=value, such as seeds=5. Another command compares two evaluations
    of the same problems: dunwu compare evaluations --help."""

    recipe: str | None = None
    """A YAML file, or the name of a bundled recipe."""
    teacher: str | None = None
    """A run directory, a local Hugging Face folder or a hub id."""
    model: str | None = None
    """The student. By default a new one of the tiny world, a quarter of the tiny model; its shape: the key student."""
    task: str | None = None
    """Problems that the teacher answers and reinforcement learning trains on, as in `dunwu distill`."""
    out: Path = Path("runs/compare")
    """Run directory."""
    seed: int | None = None
    """The first seed; overrides the recipe."""
    first: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Start with this stage and use the results of earlier ones as they are."""
    until: str | None = None
    """Run only this stage and those that it needs."""
    accept_code: bool = False
    """Keep finished stages and resume half-finished ones although the code has changed since; their manifests record it."""
    dry_run: bool = False
    """Read the available data and print the stages as a recipe of `dunwu run`; write nothing."""


def run(arguments: Sequence[str]) -> int:
    """Runs the stages, or prints them; without the name of a comparison, names those that there are."""
    if not arguments:
        show("; ".join(f"dunwu compare {name}: {purpose}" for name, purpose in KINDS.items()))
        return 0
    if arguments[0] not in KINDS and arguments[0] not in ("-h", "--help"):
        raise UserError(f"compare: there is no {arguments[0]!r}: choose from {', '.join(KINDS)}")
    if arguments[0] == "evaluations":
        return compare_evaluations.run(arguments[1:])
    options, rest = parse_options(CompareOptions, COMMAND, arguments[arguments[0] in KINDS :])
    refuse_misspelt_options(CompareOptions, CompareConfig.model_fields.keys(), rest)
    refuse_bare_words(COMMAND, rest)
    file = None if options.recipe is None else recipe_of(options.recipe, COMMAND)
    check_folder(options.out)
    given = shorthands(options.teacher, options.model, options.task, options.seed)
    config, chosen = read_compare(file, [*given, *rest], fetch=not options.dry_run)
    check_names(config, fetch=not options.dry_run)
    pipeline, remarks = compare_pipeline(config), [*chosen_lines(in_words(chosen)), *notes(config)]
    return print_or_run(pipeline, options, options.out, [COMMAND, *arguments], remarks)
