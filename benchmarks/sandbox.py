"""Untrusted programs per second on one core: warm workers of either level, beside a Python started afresh for each program.

All run the same two small programs, one reading standard input and one called as a function; ``afresh`` is bubblewrap with the same
mounts and a new ``python3`` per run, without the filter and the limits.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.results import Options, Result, chosen, finish, parse, result, table
from dunwu.sandbox.launch import ENVIRONMENT, identity, interpreter, namespaces
from dunwu.sandbox.local import LocalSandbox
from dunwu.sandbox.open import probe
from dunwu.sandbox.outcome import Limits, Program

ROWS = ("namespaces", "landlock", "cpp", "afresh")
LEVELS = {"namespaces": 1, "landlock": 2, "cpp": 1}
SCRIPT = Program("a, b = map(int, input().split())\nprint(a + b)")
FUNCTION = Program("def add(a, b):\n    return a + b", entry="add")
CPP = Program(
    '#include <cstdio>\nint main() { int a, b; if (scanf("%d %d", &a, &b) == 2) printf("%d\\n", a + b); }',
    language="cpp",
)
RUNS = {False: 200, True: 2000}

Run = Callable[[], None]


def worker(program: Program, sandbox: LocalSandbox) -> Run:
    """One case; a wrong outcome ends the benchmark."""
    given = "2 3" if program.entry is None else '{"args": [2, 3]}'

    def run() -> None:
        (outcome,) = sandbox.run(program, [given], Limits())
        assert outcome.status == "ok", outcome
        assert outcome.result == 5 or outcome.stdout == "5\n"

    return run


def afresh() -> None:
    """bubblewrap and Python, from nothing."""
    python, _ = interpreter()
    command = [*namespaces(), python, "-s", "-S", "-B", "-c", SCRIPT.source]
    done = subprocess.run(command, input=b"2 3", capture_output=True, env=ENVIRONMENT, cwd="/", check=True, **identity())
    assert done.stdout == b"5\n"


def rates(run: Run, runs: int, turns: int) -> float:
    """Median over the turns of runs per second."""
    found = []
    for _ in range(turns):
        begin = time.perf_counter()
        for _ in range(runs):
            run()
        found.append(runs / (time.perf_counter() - begin))
    return median(found)


def measured(row: str, options: Options) -> dict[str, object]:
    """Runs per second of a script, and of a function where there are functions."""
    runs = RUNS[options.long]
    if row == "afresh":
        afresh()
        return {"row": row, "script": rates(afresh, runs // 10, options.turns), "function": None, "start": None}
    with LocalSandbox(LEVELS[row], 1) as sandbox:
        begin = time.perf_counter()
        programs = [CPP] if row == "cpp" else [SCRIPT, FUNCTION]
        jobs = [worker(program, sandbox) for program in programs]
        jobs[0]()
        start = time.perf_counter() - begin
        found = [rates(job, runs, options.turns) for job in jobs]
    return {"row": row, "script": found[0], "function": found[1] if len(found) > 1 else None, "start": start}


def measure(options: Options) -> Result:
    """One row a way. On one core, so that server, child and client share it."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        rows = [measured(row, options) for row in chosen(ROWS, options, ROWS)]
    finally:
        os.sched_setaffinity(0, cores)
    return result("sandbox", options, {"python of the worker": interpreter()[0], "level": str(probe().number)}, {}, rows)


def as_table(found: Result) -> str:
    """Runs per second, milliseconds per run, and the time of the first run."""
    lines = [[r["row"], r["script"], 1000 / r["script"], r["function"], r["start"]] for r in found["rows"]]
    return table(["way", "scripts/s", "ms per script", "functions/s", "s to start, first run included"], lines)


def main(argv: Sequence[str] | None = None) -> Result:
    """The command line."""
    options = parse(__doc__, argv)
    found = measure(options)
    return finish(found, as_table(found), options)


if __name__ == "__main__":
    main()
