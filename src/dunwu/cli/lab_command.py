"""`dunwu lab`: how a run's model thinks, from the completions that the run has stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.outputs import check_folder
from dunwu.cli.show import printable, show
from dunwu.text.translate import translate, width


@dataclass(frozen=True)
class LabOptions:
    """Analyse how a run's model thinks, from the completions that the run has stored: thinking time, reflection, checks of the
    arithmetic, language and diversity. Writes lab.json and lab.html."""

    run: tyro.conf.Positional[Path]
    """Run directory, finished or not."""
    out: Path | None = None
    """Folder for the two files; by default the run directory."""
    json: bool = False
    """Print the numbers as one JSON object."""


def run(arguments: Sequence[str]) -> int:
    """Analyses, writes and prints."""
    options, rest = parse_options(LabOptions, "lab", arguments)
    refuse_rest("lab", rest)
    from dunwu.analysis.lab.laboratory import absent, analyse, parts, write_laboratory
    from dunwu.analysis.lab.material import read_material

    out = options.out or options.run
    material = read_material(options.run)
    check_folder(out, "a folder to write in")
    found = analyse(material)
    written = write_laboratory(options.run, out, found, material)
    if options.json:
        print(json.dumps(found, ensure_ascii=False, allow_nan=False))
        return 0
    for part in parts(found):
        show(f"\n{translate(part.title, label=True)}")
        for table in part.tables[:1]:
            _print_table((table.head, *table.rows))
    for line in absent(found, material):
        show(printable(line))
    for path in written:
        print(printable(path))
    return 0


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns of equal width, the first aligned left and the others right."""
    cells = [[printable(translate(cell, label=True)) for cell in row] for row in rows]
    widths = [max(width(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        first, *others = (" " * (size - width(cell)) for cell, size in zip(row, widths, strict=True))
        print(f"  {row[0]}{first}", *(f"{room}{cell}" for room, cell in zip(others, row[1:], strict=True)), sep="  ")
