"""`dunwu verify code`: grade programs against a file of problems, in the sandbox."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import Field

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import printable, show
from dunwu.errors import DataError
from dunwu.tasks.code_file import ProblemFile
from dunwu.tasks.code_tests import ProgrammingLanguage
from dunwu.verifiers.code.judge import Judgement

SUFFIXES: dict[str, ProgrammingLanguage] = {".py": "python", ".cpp": "cpp", ".cc": "cpp"}
MAX_BYTES = 1 << 20
"""A longer file is not read and counts as a compile error."""
_HEADER = re.compile(rb"[ \t]*(?:#|//)[ \t]*problem:[ \t]*([^\s]+)[ \t]*")


@dataclass(frozen=True)
class VerifyCodeOptions:
    """Grade programs as the code reward does: in the sandbox, all cases of a problem or none."""

    programs: tyro.conf.Positional[tuple[Path, ...]]
    """Python and C++ files, or folders of them. A header line `# problem: NAME` names the problem of a program."""
    problems: Path
    """JSON file with the problems."""
    problem: str | None = None
    """Grade all programs on this problem and ignore their headers."""
    json: bool = False
    """Print one JSON object per line: program, problem, passed, status, seconds, detail."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Number of programs graded in parallel."""
    forgeable: bool = False
    """Also grade problems whose tests must run in the program's own process, where a program can forge a pass."""


def run(arguments: Sequence[str]) -> int:
    """Grades and prints; returns 0 for any verdicts."""
    options, rest = parse_options(VerifyCodeOptions, "verify code", arguments)
    refuse_rest("verify code", rest)
    problems = ProblemFile(options.problems)
    jobs = [(path, _problem_of(path, options, problems)) for path in program_files(options.programs)]
    from dunwu.sandbox.open import VARIABLE, open_sandbox
    from dunwu.verifiers.code.verify import judge

    def grade(job: tuple[Path, str]) -> dict[str, Any]:
        path, name = job
        source = read_source(path)
        tests = problems.tests(name, SUFFIXES[path.suffix])
        if source is None:
            return record(path, name, Judgement("compile_error", 0, 1, 0.0, "not UTF-8 text, or too long"))
        return record(path, name, judge(source, tests, sandbox))

    records = []
    with open_sandbox(os.environ.get(VARIABLE, "auto"), options.workers) as sandbox, ThreadPoolExecutor(options.workers) as threads:
        for found in threads.map(grade, jobs):
            records.append(found)
            if options.json:
                print(json.dumps(found), flush=True)
            else:
                show(line_of(found))
    if not options.json:
        show(f"{sum(found['passed'] for found in records)} of {len(records)} programs passed")
    return 0


def program_files(paths: Sequence[Path]) -> list[Path]:
    """The files, and those in folders in order of name. Raises `DataError` for a path that is missing or of another kind."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += (found := sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file()))
            if not found:
                raise DataError(f"{path}: no programs found: give a folder with {', '.join(SUFFIXES)} files")
        elif not path.is_file():
            raise DataError(f"{path}: program not found; check the path")
        elif path.suffix not in SUFFIXES:
            raise DataError(f"{path}: {path.suffix or 'a file without suffix'} is not a supported language: give {', '.join(SUFFIXES)}")
        else:
            files.append(path)
    return files


def _problem_of(path: Path, options: VerifyCodeOptions, problems: ProblemFile) -> str:
    name = options.problem or header_problem(path)
    if name is None:
        raise DataError(f"{path}: no header line '# problem: NAME': add one, or give --problem NAME")
    tests = problems.tests(name, SUFFIXES[path.suffix])
    if tests.forgeable and not options.forgeable:
        raise DataError(f"problem {name!r}: its tests run in the program's process, where it can forge a pass: give --forgeable")
    if tests.programming_language != SUFFIXES[path.suffix]:
        raise DataError(f"{path}: problem {name!r} calls a Python function: give a .py file")
    return name


def header_problem(path: Path) -> str | None:
    """The problem named by the comment lines at the top."""
    for line in _comment_lines(path):
        match = _HEADER.fullmatch(line)
        if match:
            return match[1].decode(errors="replace")
    return None


def _comment_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file.read(MAX_BYTES).removeprefix(codecs.BOM_UTF8).splitlines():
            if line.strip() and not line.lstrip().startswith((b"#", b"//")):
                return
            yield line


def read_source(path: Path) -> str | None:
    """The program's text; ``None`` if it is not UTF-8 or too long, which counts as the program's error."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    try:
        return content.decode("utf-8-sig") if len(content) <= MAX_BYTES else None
    except UnicodeDecodeError:
        return None


def record(path: Path, name: str, judgement: Judgement) -> dict[str, Any]:
    """The record of a program. ``sandbox_error`` is not a verdict: the sandbox or the tests failed."""
    return {
        "program": str(path),
        "problem": name,
        "passed": judgement.status == "ok",
        "status": judgement.status,
        "seconds": round(judgement.seconds, 3),
        "cases": f"{judgement.passed}/{judgement.total}",
        "detail": judgement.detail,
    }


def line_of(found: dict[str, Any]) -> str:
    """A record as a line of the table; control characters of a hostile program do not reach the terminal."""
    verdict = "passed" if found["passed"] else "no verdict" if found["status"] == "sandbox_error" else "failed"
    line = f"{verdict:<11}{found['status']:<15}{found['seconds']:>7.2f} s  {found['cases']:>7}  {found['program']}  {found['detail'][:80]}"
    return printable(line.rstrip())
