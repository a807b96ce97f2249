"""`dunwu status`: the finished, running and waiting stages of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import show
from dunwu.text.surrogates import as_json


@dataclass(frozen=True)
class StatusOptions:
    """Show the progress of a pipeline."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
    json: bool = False
    """Print JSON."""


def run(arguments: Sequence[str]) -> int:
    """Prints the table or JSON."""
    options, rest = parse_options(StatusOptions, "status", arguments)
    refuse_rest("status", rest)
    import rich

    from dunwu.pipeline.live import conclusion, plain_lines, table
    from dunwu.pipeline.status import read_status
    from dunwu.run.reporter import clean

    status = read_status(options.run, check_code=True)
    if options.json:
        print(as_json(status.as_json(), indent=2))
        return 0
    if rich.get_console().is_terminal:
        rich.print(table(status))
        for stage in status.stages:
            if stage.message and stage.state in ("waiting", "failed"):
                show(f"{stage.name}: {clean(stage.message)}")
    else:
        show("\n".join(plain_lines(status)), label=True)
    show(conclusion(status))
    return 0
