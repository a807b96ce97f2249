"""`dunwu run`: the stages of a recipe, each once, resumed where they stopped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import tyro

from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.outputs import check_folder
from dunwu.cli.show import show
from dunwu.cli.training import command_line
from dunwu.config.recipe_commands import recipe_of
from dunwu.errors import Interrupted
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import dump_pipeline, read_pipeline


@dataclass(frozen=True)
class RunOptions:
    """Run or resume the stages of a pipeline; finished stages are skipped. Set any key of a stage as stage.key=value."""

    recipe: tyro.conf.Positional[str]
    """A YAML file with stages."""
    out: Path | None = None
    """Run directory; by default runs/NAME with the name of the pipeline."""
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
    options, rest = parse_options(RunOptions, "run", arguments)
    refuse_misspelt_options(RunOptions, (), rest)
    pipeline = read_pipeline(recipe_of(options.recipe, "run"), rest)
    out = options.out or Path("runs") / pipeline.name
    check_folder(out)
    return print_or_run(pipeline, options, out, ["run", *arguments])


class StageOptions(Protocol):
    """The options of every command that runs stages."""

    @property
    def first(self) -> str | None: ...
    @property
    def until(self) -> str | None: ...
    @property
    def accept_code(self) -> bool: ...
    @property
    def dry_run(self) -> bool: ...


def print_or_run(pipeline: Pipeline, options: StageOptions, out: Path, command: Sequence[str], remarks: Sequence[str] = ()) -> int:
    """Prints a pipeline in a dry run, else runs it after its ``remarks``; ``command`` is how it was called."""
    if options.dry_run:
        print_pipeline(pipeline, out, options.first, options.until, remarks)
        return 0
    for line in remarks:
        show(line)
    return run_stages(pipeline, out, command, options.first, options.until, options.accept_code)


def print_pipeline(pipeline: Pipeline, out: Path, first: str | None, last: str | None, remarks: Sequence[str] = ()) -> None:
    """The resolved recipe, with ``remarks`` and what would be read and run as comments below it, so that the output is a recipe too."""
    from dunwu.pipeline.preview_stages import preview_stages

    selected = pipeline.between(first, last)
    stages = " -> ".join(stage.name for stage in selected)
    print(dump_pipeline(pipeline))
    lines = [f"stages: {stages}", *remarks, *preview_stages(selected), f"run directory: {out} (dry run: nothing was written)"]
    show("\n".join(f"# {line}" for line in lines))


def run_stages(
    pipeline: Pipeline, out: Path, command: Sequence[str], first: str | None = None, last: str | None = None, accept_code: bool = False
) -> int:
    """Runs a pipeline with live output; ``command`` is how it was called, which also resumes it."""
    from dunwu.pipeline.execute import run_pipeline
    from dunwu.run.console import ConsoleReporter

    try:
        made = run_pipeline(pipeline, out, first, last, accept_code, ConsoleReporter())
    except (KeyboardInterrupt, Interrupted):
        show(f"dunwu: to resume: {command_line(command)}", sys.stderr)
        raise
    final = list(made.values())[-1]
    show(f"  {final.manifest['makes']:<10}  {final.payload}")
    ways = [["report", str(out)], ["explain", str(final.payload)], ["status", str(out)]]
    show("  next steps  " + "\n              ".join(map(command_line, ways)))
    return 0
