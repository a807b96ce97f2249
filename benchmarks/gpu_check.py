"""What only a GPU can show, in one command of at most eight minutes on a machine with nothing but Python 3.12, torch and transformers:

    python3 benchmarks/gpu_check.py --out gpu-check.jsonl        # --tiny rehearses it on a CPU

Phases: packages, ceilings of the device, the tests `pytest -m gpu`, decoding, GRPO steps, and a run that is killed and resumed. Each is a
process with a deadline; each figure is a JSON line of the output file as soon as it is known, so a phase that fails or is stopped loses
only what it had not measured. Exit code 0: every phase came to its end and every check in it held.

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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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


def check(out: Path, only: Sequence[str], wheels: Path, tiny: bool) -> list[Ended]:
    """Run the phases, one after the other."""
    began, ended = time.monotonic(), list[Ended]()
    with tempfile.TemporaryDirectory(prefix="dunwu-gpu-") as folder:
        site = Path(folder) / "site"
        path = os.pathsep.join(filter(None, (str(site), str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", "DUNWU_LANG": "en"}
        for name, end in {name: end * (PATIENCE if tiny else 1) for name, end in PHASES.items()}.items():
            if name not in only or (name == "packages" and not any(wheels.glob("*.whl"))):
                continue
            options = ["--out", str(out), "--folder", folder, "--seconds", str(end - (time.monotonic() - began)), *["--tiny"] * tiny]
            command = install(wheels, site) if name == "packages" else [sys.executable, "-m", "benchmarks.gpu_phases", name, *options]
            ended.append(run_phase(name, command, environment, end - (time.monotonic() - began)))
            append(out, {"phase": name, "ended": ended[-1].how, "seconds": ended[-1].seconds})
            print(f"{name:<12} {ended[-1].how:<14} {ended[-1].seconds:6.1f} s", flush=True)
            if name in NEEDED and ended[-1].how != "ok":
                break
    return ended


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu-check.jsonl"), help="the file of JSON lines; emptied first")
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "gpu-wheels")
    parser.add_argument("--only", nargs="+", choices=tuple(PHASES), default=tuple(PHASES), metavar="PHASE")
    parser.add_argument("--tiny", action="store_true", help="small models, on a CPU too")
    options = parser.parse_args(argv)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("", encoding="utf-8")
    ended = check(options.out.resolve(), options.only, options.wheels, options.tiny)
    return 0 if all(each.how == "ok" for each in ended) else 1


if __name__ == "__main__":
    sys.exit(main())
