"""What only a GPU can show, in one command of at most eight minutes on a machine with nothing but Python 3.12, torch and transformers:

    python3 benchmarks/gpu_check.py --out gpu-check.jsonl        # --tiny rehearses it on a CPU

Phases: packages, ceilings of the device, the tests `pytest -m gpu`, decoding, GRPO steps, and a run that is killed and resumed. Each is a
process with a deadline; each figure is a JSON line of the output file as soon as it is known, so a phase that fails or is stopped loses
only what it had not measured, and the last line says which phases failed or did not finish. Exit code 0: every phase came to its end and
every check in it held; 1: not all; 2: the output file cannot be written; 130 or 143: stopped by a signal, its phase too.

The machine needs no network. Packages that it lacks are installed from `build/gpu-wheels` into a temporary folder; where there is a network
this makes the folder (about 16 MB):

    pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp --platform manylinux_2_17_x86_64 \\
        --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 -d build/gpu-wheels -r benchmarks/gpu_wheels.txt
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PHASES = {"packages": 30, "ceilings": 50, "correctness": 140, "decode": 260, "step": 320, "learn": 475}
"""The second at which each must have ended. What a phase leaves is the next one's."""
PATIENCE = 4
"""Times as long may each take with `--tiny`, on a CPU that others use too."""
NEEDED = ("ceilings",)
"""Without these the others would measure nothing."""


@dataclass(frozen=True)
class Ended:
    """How a phase ended: ``ok``, an exit code, or its deadline."""

    phase: str
    how: str
    seconds: float


def install(wheels: Path, site: Path) -> list[str]:
    """The command that unpacks the carried packages into ``site``."""
    options = ("--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--target", str(site))
    return [sys.executable, "-m", "pip", "install", *options, *map(str, sorted(wheels.glob("*.whl")))]


def run_phase(name: str, command: Sequence[str], environment: dict[str, str], seconds: float) -> Ended:
    """Run a phase for at most ``seconds``, and end all that it has started."""
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True)
    try:
        code = process.wait(max(0.0, seconds))
        how = "ok" if code == 0 else f"exit code {code}"
    except subprocess.TimeoutExpired:
        how = "deadline"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return Ended(name, how, round(time.monotonic() - began, 1))


def append(out: Path, line: dict[str, Any]) -> None:
    """One line of the output file."""
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def check(out: Path, only: Sequence[str], wheels: Path, tiny: bool) -> Iterator[Ended]:
    """Run the phases, one after the other, and yield how each ended."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dunwu-gpu-") as folder:
        site = Path(folder) / "site"
        path = os.pathsep.join(filter(None, (str(site), str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", "DUNWU_LANG": "en"}
        for name, end in {name: end * (PATIENCE if tiny else 1) for name, end in PHASES.items()}.items():
            if name not in only or (name == "packages" and not any(wheels.glob("*.whl"))):
                continue
            options = ["--out", str(out), "--folder", folder, "--seconds", str(end - (time.monotonic() - began)), *["--tiny"] * tiny]
            command = install(wheels, site) if name == "packages" else [sys.executable, "-m", "benchmarks.gpu_phases", name, *options]
            ended = run_phase(name, command, environment, end - (time.monotonic() - began))
            yield ended
            append(out, {"phase": name, "ended": ended.how, "seconds": ended.seconds})
            if name in NEEDED and ended.how != "ok":
                break


def end_of(ended: Sequence[Ended], only: Sequence[str], stopped: str = "") -> str:
    """``ok``, or what failed and what did not finish; the packages need not be installed."""
    failed = [f"{each.phase}: {each.how}" for each in ended if each.how != "ok"]
    missing = [f"{name}: not finished" for name in only if name != "packages" and name not in {each.phase for each in ended}]
    return "; ".join([*filter(None, [stopped]), *failed, *missing]) or "ok"


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


class Stopped(BaseException):
    """By the signal of this number."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu-check.jsonl"), help="the file of JSON lines; emptied first")
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "gpu-wheels")
    parser.add_argument("--only", nargs="+", choices=tuple(PHASES), default=tuple(PHASES), metavar="PHASE")
    parser.add_argument("--tiny", action="store_true", help="small models, on a CPU too")
    options = parser.parse_args(argv)
    ended, code, stopped = list[Ended](), 0, ""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("", encoding="utf-8")
        for each in check(options.out.resolve(), options.only, options.wheels, options.tiny):
            ended.append(each)
            print(f"{each.phase:<12} {each.how:<14} {each.seconds:6.1f} s", flush=True)
    except Stopped as signalled:
        code, stopped = 128 + signalled.args[0], signal.Signals(signalled.args[0]).name
    except OSError as error:
        code, stopped = 2, f"{options.out} cannot be written ({error.strerror})"
    end = end_of(ended, options.only, stopped)
    print(f"end: {end}", flush=True)
    if code != 2:
        append(options.out, {"phase": "check", "part": "end", "ended": end})
    return code or int(end != "ok")


if __name__ == "__main__":
    sys.exit(main())
