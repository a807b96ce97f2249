"""`dunwu doctor`: checks this machine and this installation and says how to fix what is wrong."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import show
from dunwu.data.tiny_world.card import check_hash
from dunwu.errors import ModelError
from dunwu.isa import VARIABLE, cpu_flags, levels_in_force, machine_levels
from dunwu.text.surrogates import as_json

Status = Literal["ok", "note", "FAIL"]
REQUIRED = (
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "pydantic",
    "tyro",
    "yaml",
    "rich",
    "jinja2",
    "matplotlib",
    "pyarrow",
    "psutil",
    "reasoning_gym",
)
OPTIONAL = {"datasets": "for hub data sets"}
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "bf16")
GIB = 1024**3
ENOUGH_MEMORY = 4 * GIB
ENOUGH_DISK = 2 * GIB


@dataclass(frozen=True)
class DoctorOptions:
    """Check this machine and this installation. The exit code is 1 if Dunwu cannot run here."""

    json: bool = False
    """Print one JSON object: ok, and findings with name, status (ok, note, FAIL) and text."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    status: Status
    text: str


def run(arguments: Sequence[str]) -> int:
    """Prints all findings; 1 when one of them is a failure."""
    options, rest = parse_options(DoctorOptions, "doctor", arguments)
    refuse_rest("doctor", rest)
    findings = [finding for check in CHECKS for finding in check()]
    failed = [finding.name for finding in findings if finding.status == "FAIL"]
    if options.json:
        print(as_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]}))
        return 1 if failed else 0
    for finding in findings:
        show(f"{finding.status:<5}{finding.name:<12}{finding.text}", label=True)
    show(f"Dunwu cannot run here: {', '.join(failed)}" if failed else "Dunwu can run here.")
    return 1 if failed else 0


def python() -> list[Finding]:
    """The interpreter."""
    good = sys.version_info >= (3, 11)
    return [Finding("python", "ok" if good else "FAIL", platform.python_version() + ("" if good else ": 3.11 or newer is needed"))]


def processor() -> list[Finding]:
    """Cores this process may use, and the features that make matrix products fast."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    flags = cpu_flags()
    features = [flag for flag in CPU_FLAGS if flag in flags]
    return [Finding("processor", "ok", f"{platform.machine()}, {cores} cores, {', '.join(features) or 'features unknown'}")]


def instruction_sets() -> list[Finding]:
    """The level that kernels may use, and those that this machine has."""
    names, level = [level.name for level in machine_levels()], levels_in_force()[-1]
    cap = f", capped by {VARIABLE}" if level.name != names[-1] else ""
    return [Finding("isa", "ok", f"{level.name}{cap}; this machine has {', '.join(names)}")]


def torch_and_devices() -> list[Finding]:
    """PyTorch, its threads, and the accelerators it sees."""
    if importlib.util.find_spec("torch") is None:
        return [Finding("torch", "FAIL", "missing: pip install torch")]
    import torch

    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    capability = torch.backends.cpu.get_cpu_capability()
    findings = [Finding("torch", "ok", f"{torch.__version__}, {build}, threads: {torch.get_num_threads()}, kernels: {capability}")]
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        findings.append(Finding("gpu", "ok", f"cuda:{index} {card.name}, {card.total_memory / GIB:.0f} GiB"))
    if torch.backends.mps.is_available():
        findings.append(Finding("gpu", "ok", "mps (Apple); torch generates and trains there, in float32"))
    return findings if len(findings) > 1 else [*findings, Finding("gpu", "note", "none; the tiny recipes do not need one")]


def native() -> list[Finding]:
    """The C kernels: built, or the reason why not. Without them a run is slower; its results are as good."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
        return []
    from dunwu.models import native_library
    from dunwu.rollout.torch_engine.native import decoder

    answers = {"generation": decoder.availability(), "training": native_library.availability()}
    return [Finding(name, "ok" if good else "note", text) for name, (good, text) in answers.items()]


def sandbox() -> list[Finding]:
    """How programs written by a model are isolated."""
    if importlib.util.find_spec("pydantic") is None:
        return []
    from dunwu.sandbox.open import probe

    level = probe()
    return [Finding("sandbox", "ok" if level.number < 3 else "note", f"level {level.number}: {level.text}")]


def memory() -> list[Finding]:
    """Memory that is available now."""
    if importlib.util.find_spec("psutil") is None:
        return [Finding("memory", "note", "unknown (psutil is missing)")]
    import psutil

    state = psutil.virtual_memory()
    text = f"{state.available / GIB:.1f} of {state.total / GIB:.1f} GiB free"
    return [Finding("memory", "ok" if state.available >= ENOUGH_MEMORY else "note", text)]


def disk() -> list[Finding]:
    """Room for runs in the working folder."""
    free = shutil.disk_usage(Path.cwd()).free
    return [Finding("disk", "ok" if free >= ENOUGH_DISK else "note", f"{free / GIB:.1f} GiB free in {Path.cwd()}")]


def packages() -> list[Finding]:
    """Required packages, and those that only some tasks need."""
    missing = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        findings = [Finding("packages", "FAIL", f"missing: {', '.join(missing)}; pip install -e .")]
    else:
        version = importlib.metadata.version("transformers")
        findings = [Finding("packages", "ok", f"all {len(REQUIRED)} required packages, transformers {version}")]
    for name, use in OPTIONAL.items():
        there = importlib.util.find_spec(name) is not None
        findings.append(Finding(name, "ok" if there else "note", f"{'installed' if there else 'missing'} ({use})"))
    return findings


def bundled_model() -> list[Finding]:
    """The bundled base model, by its hash."""
    try:
        return [Finding("tiny model", "ok", f"valid, sha256 {check_hash()[:12]}")]
    except ModelError as error:
        return [Finding("tiny model", "FAIL", str(error))]


CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    python,
    processor,
    instruction_sets,
    torch_and_devices,
    native,
    sandbox,
    memory,
    disk,
    packages,
    bundled_model,
)
