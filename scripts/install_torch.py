"""Installs PyTorch into the environment that runs this file, without bringing CUDA in unasked.

On Linux the package index's own `torch` is the CUDA build, some 3 GB. So on Linux without `--gpu`:
1. `uv`, which knows where PyTorch keeps its CPU builds, is asked first, briefly, so that a machine that cannot get there does not wait;
2. else the default index, after looking (a dry run downloads nothing large) whether its build brings CUDA: if it does, we stop and say so.
On macOS, and with `--gpu`, the default index has the right build.
"""

import argparse
import importlib.util
import json
import os
import platform
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def main() -> int:
    """Installs, then looks at what was installed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("requirement", help="such as torch==2.13.0")
    parser.add_argument("--gpu", action="store_true")
    options = parser.parse_args()
    if options.gpu or platform.system() != "Linux":
        return 0 if pip("install", options.requirement) == 0 else failed(options.requirement)
    if cpu_build(options.requirement) != 0:
        print(f"no CPU build of {options.requirement} could be fetched from PyTorch; looking at the default index", flush=True)
        if brings_cuda(options.requirement):
            return refuse(options.requirement)
        if pip("install", options.requirement) != 0:
            return failed(options.requirement)
    return look()


def pip(*arguments: str) -> int:
    """pip's exit code."""
    return subprocess.run([*PIP, *arguments], check=False).returncode


def cpu_build(requirement: str) -> int:
    """uv's exit code. --no-deps: the other packages come from the default index, later, with the pinned versions."""
    if pip("install", "--quiet", "uv") != 0:
        return 1
    command = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, "--torch-backend", "cpu", "--no-deps", requirement]
    patience = {"UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "1"}
    return subprocess.run(command, env=os.environ | patience, stderr=subprocess.DEVNULL, check=False).returncode


def brings_cuda(requirement: str) -> bool:
    """Whether the build that the default index would give depends on CUDA packages; False where pip cannot tell."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        if pip("install", "--quiet", "--no-deps", "--dry-run", "--ignore-installed", "--report", str(report), requirement) != 0:
            return False
        entries = json.loads(report.read_text(encoding="utf-8"))["install"]
    needs = [need for entry in entries for need in entry["metadata"].get("requires_dist", [])]
    return any(need.lower().startswith(("nvidia-", "cuda-")) for need in needs)


def failed(requirement: str) -> int:
    """After pip's own message."""
    print(
        f"{requirement} was not installed: check the network and the free space (2 GB, more with CUDA), then run the same make again",
        file=sys.stderr,
    )
    return 1


def refuse(requirement: str) -> int:
    """Stops before gigabytes are fetched that nobody asked for."""
    print(
        f"The default index has {requirement} with CUDA only (about 3 GB), and the CPU builds cannot be reached.\n"
        "Either take it: make demo GPU=1, or point pip at an index of CPU builds (PIP_INDEX_URL)",
        file=sys.stderr,
    )
    return 1


def look() -> int:
    """Says which build is there, and fails when it has CUDA. Only `version.py` is run: torch cannot be imported before its dependencies."""
    importlib.invalidate_caches()
    package = importlib.util.find_spec("torch")
    assert package is not None, "pip has just installed torch"
    assert package.origin is not None, "torch is a package with a file"
    version = runpy.run_path(str(Path(package.origin).with_name("version.py")))
    cuda = version.get("cuda")
    finding = f"it has CUDA {cuda}, which was not asked for (make demo GPU=1)" if cuda else "no CUDA in it"
    print(f"torch {version['__version__']}: {finding}", flush=True)
    return 1 if cuda else 0


if __name__ == "__main__":
    sys.exit(main())
