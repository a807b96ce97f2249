"""`dunwu lab`: how a run's model thinks, from the completions that the run has stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from dunwu.cli.lab_experiments import make_experiments, refuse_unused
from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.outputs import check_file, check_folder
from dunwu.cli.show import printable, show
from dunwu.config.base import Positive, Seed
from dunwu.text.surrogates import as_json
from dunwu.text.translate import translate, width


@dataclass(frozen=True)
class LabOptions:
    """Analyse how a run's model thinks, from the completions that the run has stored: thinking time, reflection, checks of the
    arithmetic, language and diversity. Writes lab.json and lab.html."""

    run: tyro.conf.Positional[Path]
    """Run directory, finished or not, or a folder that `dunwu eval --out` wrote, of any model."""
    out: Path | None = None
    """Folder for the two files; by default the run directory."""
    causal: bool = False
    """Also ask the model: does it answer differently without its reflections? Takes minutes; the same command resumes."""
    budgets: bool = False
    """Also ask the model for answers after n tokens of thought. Takes minutes; the same command resumes."""
    probes: bool = False
    """Also ask every saved checkpoint of a run or pipeline a suite of small probes, and forecast the later half from the first. Takes
    minutes; the same command resumes."""
    probe_suite: Path | None = None
    """YAML file with the keys of a suite for --probes, such as reasoning, general and safety with your own rows; by default probes of the
    tiny world."""
    phases: tuple[str, ...] = ()
    """Evaluations of a run that --causal and --budgets are about: before, after, or a step whose checkpoint is kept, such as step-00060. By
    default before and after."""
    eval_set: str | None = None
    """Eval set that --causal and --budgets are about; by default the run's first."""
    samples: Positive = 8
    """Continuations in each condition of --causal."""
    completions: Positive = 200
    """Completions with a reflection that --causal cuts, at most, and controls without one, at most; both spread over all."""
    problems: Positive = 200
    """Problems that --budgets answers, at most, spread over all."""
    grid: tuple[int, ...] = ()
    """Tokens of thought at which --budgets cuts; by default 0, 16, 32 and so on, and the longest thought."""
    seed: Seed = 0
    """Seed of the continuations."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0: all cores."""
    json: bool = False
    """Print the numbers as one JSON object."""


def run(arguments: Sequence[str]) -> int:
    """Analyses, writes and prints."""
    options, rest = parse_options(LabOptions, "lab", arguments)
    refuse_rest("lab", rest)
    refuse_unused(options)
    from rich.console import Console

    from dunwu.analysis.lab.compute import compute_section
    from dunwu.analysis.lab.experiments import experiment_sections
    from dunwu.analysis.lab.laboratory import SECTIONS, absent, analyse, check_outputs, parts, write_laboratory
    from dunwu.analysis.lab.material import read_material
    from dunwu.analysis.lab.probes import probe_sections
    from dunwu.run.console import ConsoleReporter

    out = options.out or options.run
    material = read_material(options.run)
    check_folder(out, "a folder to write in")
    for name in ("lab.json", "lab.html"):
        check_file(out / name)
    check_outputs(out)
    if options.causal or options.budgets or options.probes:
        check_folder(out / "lab", "a folder for samples")
        make_experiments(options, options.run, out, arguments, options.json)
    sections = (*SECTIONS, *experiment_sections(options.run, out), compute_section(options.run, out), *probe_sections(out))
    found = analyse(material, sections, ConsoleReporter(Console(stderr=True)))
    written = write_laboratory(options.run, out, found, material, sections)
    if options.json:
        print(as_json({**found, "missing": absent(found, material)}, allow_nan=False))
        return 0
    for part in parts(found, sections):
        for table in part.tables[:1]:
            show(f"\n{translate(part.title, label=True)}")
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
