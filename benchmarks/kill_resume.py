"""Kill a training run with SIGKILL again and again, resume it each time, and compare it with a run that was never interrupted.

    python benchmarks/kill_resume.py --kills 20 --folder /tmp/kills
    python benchmarks/kill_resume.py --kills 20 -- zero --model FOLDER grpo.steps=20 save_every=2

Every third kill or so (``SAVES``) is aimed at a save: it falls while a checkpoint's temporary folder is there. The others fall at
random moments. A run that gets to its end is compared and the next one begun, until all kills are spent; the last run is left to finish.
Each run is a process of its own, forked from one that has the imports behind it: kills fall into the work, not into Python's start.
Exit code 0: every run resumed by itself and ended identical. Nothing is removed from ``--folder``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from dunwu.run.resume import can_resume

SAVES = 0.3
"""Share of the kills that are aimed inside a save."""
ORPHAN_SECONDS = 10.0
STANDARD = [
    "zero",
    "threads=1",
    "device=cpu",
    "grpo.steps=12",
    "grpo.prompts_per_step=8",
    "grpo.group_size=8",
    "sampling.max_tokens=48",
    "evaluations.0.problems=8",
    "evaluations.0.sampling.max_tokens=48",
    "save_every=2",
    "sample_every=1000",
    "dump_rollouts_every=3",
]
FORKS = """
import json, os, sys
import dunwu.analysis.report, dunwu.jobs.zero, dunwu.trainers.pretrain
from dunwu.run.resume import can_resume
from dunwu.cli.main import main
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = main(order["argv"])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """A process that has imported everything and forks a `dunwu` for each order; one runs at a time."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._running: int | None = None

    def start(self, argv: Sequence[str], log: Path) -> int:
        """Run ``dunwu argv`` and return its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"argv": list(argv), "log": str(log)}) + "\n")
        self._process.stdin.flush()
        self._running = int(self._answer())
        return self._running

    def wait(self) -> int:
        """Exit code of what was started last; minus the signal's number where one ended it."""
        code = int(self._answer())
        self._running = None
        return code

    def end(self) -> None:
        """Kill what was started last, if nobody has waited for its end."""
        if self._running is not None:
            os.kill(self._running, signal.SIGKILL)
            self.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the forking process has died"
        return line

    def close(self) -> None:
        """End the process and what it started."""
        self.end()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@contextmanager
def forks() -> Iterator[Forks]:
    """A `Forks` for the length of a ``with``."""
    made = Forks()
    try:
        yield made
    finally:
        made.close()


@dataclass
class Figures:
    """What came of it."""

    kills: int = 0
    kills_in_saves: int = 0
    runs: int = 0
    failed_resumes: int = 0
    orphans: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Every run resumed by itself, left nothing behind and ended identical."""
        return not (self.failed_resumes or self.orphans or self.differences)

    def report(self) -> str:
        """The figures as lines."""
        lines = [
            f"kills               {self.kills} (inside a save: {self.kills_in_saves})",
            f"runs                {self.runs}",
            f"failed resumes      {self.failed_resumes}",
            f"processes left over {self.orphans}",
            f"differences         {len(self.differences)}",
        ]
        return "\n".join([*lines, *(f"  {difference}" for difference in self.differences)])


def kill_and_resume(forker: Forks, argv: Sequence[str], folder: Path, kills: int, seed: int = 0) -> Figures:
    """The uninterrupted run in ``folder/whole``, the killed ones beside it; ``argv`` is a `dunwu` command without ``--out``."""
    rng, figures, log = random.Random(seed), Figures(), folder / "log"
    began = time.monotonic()
    forker.start([*argv, "--out", str(folder / "whole")], log)
    assert forker.wait() == 0, f"the uninterrupted run failed, see {log}"
    longest = time.monotonic() - began
    aimed = [place < round(SAVES * kills) for place in range(kills)]
    rng.shuffle(aimed)
    while True:
        run = folder / f"killed-{figures.runs}"
        code = _to_the_end(forker, argv, run, aimed, longest, rng, figures)
        figures.runs += 1
        if code != 0:
            figures.failed_resumes += 1
            figures.differences.append(f"{run.name}: exit code {code}, see {log}")
            return figures
        figures.differences += differences(folder / "whole", run)
        if not aimed:
            return figures


def _to_the_end(
    forker: Forks, argv: Sequence[str], run: Path, aimed: list[bool], longest: float, rng: random.Random, figures: Figures
) -> int:
    """Start and kill, until a start ends by itself or no kill is left; the exit code of the last start."""
    while True:
        resume = ["--resume"] if can_resume(run) else []
        pid = forker.start([*argv, "--out", str(run), *resume], run.parent / "log")
        if not aimed:
            return forker.wait()
        in_save = aimed[-1]
        workers = _strike(pid, run, in_save, rng.uniform(0, longest / 2), rng.uniform(0, 0.01))
        code = forker.wait()
        if code != -signal.SIGKILL:
            return code
        aimed.pop()
        figures.kills += 1
        figures.kills_in_saves += any((run / "checkpoints").glob("step-*.tmp"))
        figures.orphans += len(psutil.wait_procs(workers, ORPHAN_SECONDS)[1])


def _strike(pid: int, run: Path, in_save: bool, delay: float, into_save: float) -> list[psutil.Process]:
    """Kill after ``delay`` seconds, or ``into_save`` seconds after the first save has begun, if the process is still there.

    Returns its children.
    """
    process = psutil.Process(pid)
    end = time.monotonic() + delay
    while _alive(process) and (not _saving(run) if in_save else time.monotonic() < end):
        time.sleep(0.0005)
    if in_save:
        time.sleep(into_save)
    try:
        children = process.children(recursive=True)
        os.kill(pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return []
    return children


def _alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _saving(run: Path) -> bool:
    return any((run / "checkpoints").glob("step-*.tmp"))


def differences(whole: Path, run: Path) -> list[str]:
    """What differs between two finished runs in checkpoints, rollouts, evaluations and metrics, apart from times."""
    found = [] if timeless(whole) == timeless(run) else [f"{run.name}: metrics.jsonl"]
    for part in ("checkpoints", "rollouts", "evaluations"):
        names = [_files(side / part) for side in (whole, run)]
        if part == "checkpoints":
            # Which earlier steps are kept depends on where a run was stopped, the last one does not.
            last = (whole / part / "latest").read_text().strip()
            names = [{name for name in side if name.startswith(last)} for side in names]
        found += [f"{run.name}: {part}/{name} is only in one" for name in sorted(names[0] ^ names[1])]
        both = sorted(names[0] & names[1])
        found += [f"{run.name}: {part}/{name}" for name in both if (whole / part / name).read_bytes() != (run / part / name).read_bytes()]
    return found


def timeless(run: Path) -> list[dict[str, Any]]:
    """The metrics of a run without what a clock decides."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    clocked = ("time", "step_time", "tokens_per_second")
    return [{key: value for key, value in row.items() if key not in clocked and not key.startswith("time/")} for row in rows]


def _files(folder: Path) -> set[str]:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return names - {"seconds.json"}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/kill-resume"))
    parser.add_argument("command", nargs="*", default=STANDARD, help="a dunwu command without --out, after `--`")
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    with forks() as forker:
        figures = kill_and_resume(forker, options.command, options.folder, options.kills, options.seed)
    print(figures.report())
    return 0 if figures.good else 1


if __name__ == "__main__":
    sys.exit(main())
