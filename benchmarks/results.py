"""What all benchmarks share: their options, the facts of the machine, medians, tables, and files.

A result is ``{"benchmark", "command", "date", "machine", "versions", "left_out", "rows"}``; a table is made from its rows alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Result = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """The command line of every benchmark."""

    long: bool = False
    """All rows and more turns; otherwise a short version."""
    repeats: int = 0
    """Turns that count, after one that warms up; 0: 3, or 1 in the short version."""
    threads: int = 0
    """Of every worker; 0: the processor's cores."""
    device: str = "cpu"
    out: Path | None = None
    """Folder for ``NAME.json`` and ``NAME.md``."""
    only: tuple[str, ...] = ()
    """Rows to measure, by name; none given: all."""
    model: Path | None = None
    """A Hugging Face folder to measure instead of our models, in `benchmarks.engine` and `benchmarks.step`."""
    precision: tuple[str, ...] = ("float32", "bfloat16")

    @property
    def turns(self) -> int:
        return self.repeats or (3 if self.long else 1)

    @property
    def cores(self) -> int:
        return self.threads or len(os.sched_getaffinity(0))


def parse(description: str | None, argv: Sequence[str] | None) -> Options:
    """The options; a mistake ends the process with code 2."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="all rows, three turns (default: a short version)")
    parser.add_argument("--repeats", type=int, default=0, help="turns that count")
    parser.add_argument("--threads", type=int, default=0, help="threads of every worker (default: all cores)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--out", type=Path, help="folder for the result as JSON and Markdown")
    parser.add_argument("--only", nargs="+", default=(), metavar="ROW", help="rows to measure, by name")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="engine and step: your own model, with its tokenizer")
    parser.add_argument(
        "--precision", nargs="+", default=Options.precision, choices=Options.precision, help="engine and step (default: both)"
    )
    values = vars(parser.parse_args(argv))
    if values["model"] is not None and not (values["model"] / "config.json").is_file():
        parser.error(f"--model {values['model']}: not a Hugging Face folder; it has no config.json")
    return Options(**{**values, "only": tuple(values["only"]), "precision": tuple(values["precision"])})


def chosen(rows: Sequence[str], options: Options, short: Sequence[str]) -> Sequence[str]:
    """The rows that ``--only`` names, else all with ``--long``, else those of the short version. An unknown name ends with code 2."""
    unknown = sorted(set(options.only).difference(rows))
    if unknown:
        print(f"no row {unknown[0]!r}; the rows are: {', '.join(rows)}", file=sys.stderr)
        raise SystemExit(2)
    return options.only or (rows if options.long else short)


def median(answers: Sequence[Mapping[str, float]], key: Callable[[Mapping[str, float]], float]) -> float:
    """Median of a figure over the turns."""
    return statistics.median(key(answer) for answer in answers)


def rate(answer: Mapping[str, float]) -> float:
    """Tokens per second of a turn."""
    return answer["tokens"] / answer["seconds"]


def result(benchmark: str, options: Options, versions: Mapping[str, str], left_out: Mapping[str, str], rows: Sequence[Row]) -> Result:
    """A result with all that is needed to judge and to repeat it."""
    command = ["python", "-m", f"benchmarks.{benchmark}", *(["--long"] if options.long else []), "--repeats", str(options.turns)]
    command += ["--threads", str(options.cores), "--device", options.device, *(["--only", *options.only] if options.only else [])]
    command += [] if options.model is None else ["--model", options.model.name, "--precision", *options.precision]
    return {
        "benchmark": benchmark,
        "command": shlex.join(command),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "threads": options.cores, "device": options.device},
        "versions": dict(versions),
        "left_out": dict(left_out),
        "rows": list(rows),
    }


def processor() -> str:
    """Its name, and which matrix units it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    units = [unit for unit in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if unit in found.get("flags", "").split()]
    return f"{found.get('model name', platform.machine())} ({', '.join(units)})"


def heading(found: Result) -> str:
    """Command, date, machine and versions, and who was left out, as the lines above a table."""
    machine, versions = found["machine"], ", ".join(f"{name} {version}" for name, version in sorted(found["versions"].items()))
    threads = f"{machine['threads']} threads on {machine['cores']} cores"
    lines = [f"`{found['command']}`, {found['date']}, {machine['processor']}, {threads}; {versions}."]
    lines += [f"Left out: {name} ({reason})." for name, reason in found["left_out"].items()]
    return "\n".join(lines)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; numbers are rounded for reading, ``None`` is an empty field."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(shown, row)) + " |" for row in rows)])


def shown(value: Any) -> str:
    """Three or four digits of a number."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def finish(found: Result, text: str, options: Options) -> Result:
    """Print the table, write both files where asked, hand the result on."""
    page = f"{heading(found)}\n\n{text}\n"
    print(page, flush=True)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{found['benchmark']}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        (options.out / f"{found['benchmark']}.md").write_text(page, encoding="utf-8")
    return found


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for checkpoints and logs, removed in the end."""
    with tempfile.TemporaryDirectory(prefix="dunwu-bench-") as folder:
        yield Path(folder)
