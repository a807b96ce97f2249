"""C sources of the package, compiled for this machine on first use if it has a compiler. They are optional: torch is the fallback.

A library is cached for the user under the hash of its source, compiler, flags and processor. It is written under a temporary name and
renamed, so that several processes may build it at once. `DUNWU_NATIVE=0` in the environment disables it; `DUNWU_ISA` limits the
instructions that the compiler may use, and so the paths through the sources (`dunwu/isa.py`).
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.autograd.graph import increment_version
from torch.optim.optimizer import register_optimizer_step_post_hook

from dunwu.errors import ModelError
from dunwu.isa import levels_in_force

SWITCH = "DUNWU_NATIVE"
KERNELS = Path(__file__).parent / "kernels"
FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-pthread")
X86 = ("x86_64", "AMD64")
_Native = TypeVar("_Native")
_Torch = TypeVar("_Torch")
COMPILE_SECONDS = 120


def _count_update(optimiser: torch.optim.Optimizer, *_: Any) -> None:
    increment_version([parameter for group in optimiser.param_groups for parameter in group["params"]])


# Weights are packed again when a tensor's version has changed. A fused optimiser leaves the versions of what it updates as they were.
register_optimizer_step_post_hook(_count_update)


class NativeUnavailable(Exception):
    """The reason why there is no native library; never reaches the user as an error."""


def native_or_torch(wanted: bool, by_c: Callable[[], _Native], by_torch: Callable[[str], _Torch]) -> _Native | _Torch:
    """The native one if it is wanted and can be made, else torch's, which is told why: a text for the end of its name."""
    if not wanted:
        return by_torch("")
    try:
        return by_c()
    except NativeUnavailable as reason:
        return by_torch(f" ({reason})")


@functools.cache
def library(source: Path) -> ctypes.CDLL:
    """The library built from one C file. Raises ``NativeUnavailable`` with the reason, which is determined once per process."""
    if os.environ.get(SWITCH, "1") == "0":
        raise NativeUnavailable(f"{SWITCH}=0 in the environment")
    compiler = next((path for name in (os.environ.get("CC"), "cc", "gcc", "clang") if name and (path := shutil.which(name))), None)
    if compiler is None:
        raise NativeUnavailable("no C compiler (cc, gcc or clang) on the path")
    reasons = []
    for tuning in tunings():
        target = _cache() / f"{source.stem}-{_fingerprint(source, compiler, tuning)}.so"
        try:
            if not target.exists():
                _compile([compiler, *FLAGS, *tuning, f"-I{KERNELS}", str(source), "-lm"], target)
            return ctypes.CDLL(str(target))
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(_reason(error))
    raise NativeUnavailable(f"{compiler} cannot build {source.name}: {reasons[0]}")


def declare(found: ctypes.CDLL, signatures: Mapping[str, tuple[Any, tuple[Any, ...]]]) -> ctypes.CDLL:
    """``found`` with the result and argument types of its functions, by name."""
    for name, (result, arguments) in signatures.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


def check_ids(sequences: Iterable[Sequence[int]], vocabulary: int) -> None:
    """Raise ``ModelError`` for a token id outside [0, vocabulary): C would read memory that is not ours."""
    for ids in sequences:
        if ids and not 0 <= min(ids) <= max(ids) < vocabulary:
            wrong = next(token for token in ids if not 0 <= token < vocabulary)
            raise ModelError(f"token id {wrong} is outside the model's vocabulary of {vocabulary}; use the model's own tokenizer")


def is_silu(activation: Any) -> bool:
    """True if an activation of transformers computes x * sigmoid(x)."""
    x = torch.linspace(-4, 4, 9)
    return bool(torch.equal(activation(x), torch.nn.functional.silu(x)))


def _compile(command: list[str], target: Path) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".so")
    os.close(handle)
    try:
        subprocess.run([*command, "-o", temporary], check=True, capture_output=True, timeout=COMPILE_SECONDS)
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _cache() -> Path:
    """A folder that only we can write to, since its files are loaded as code."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "dunwu" / "native"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        owned = folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)
    except OSError:
        owned = False
    return folder if owned else _temporary_cache()


@functools.cache
def _temporary_cache() -> Path:
    return Path(tempfile.mkdtemp(prefix="dunwu-native-"))


def tunings() -> list[tuple[str, ...]]:
    """Options to try in order: the current level, then lower ones for compilers that do not know it."""
    if platform.machine() not in X86:
        return [("-march=native",), ("-mcpu=native",)]
    levels = levels_in_force()
    options = [tuple(option for level in levels[:count] for option in level.compiler) for count in range(len(levels), 0, -1)]
    return [(*flags, "-mtune=native") for flags in options]


def _fingerprint(source: Path, compiler: str, tuning: tuple[str, ...]) -> str:
    version = subprocess.run([compiler, "--version"], capture_output=True, timeout=COMPILE_SECONDS).stdout
    sources = b"".join(path.read_bytes() for path in (source, *sorted(KERNELS.glob("*.h"))))
    parts = (sources, version, " ".join((*FLAGS, *tuning)).encode(), _processor().encode())
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _processor() -> str:
    """What ``native`` in a compiler's options depends on: on Linux the flags, elsewhere the name."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        wanted = ("flags", "Features", "model name", "CPU part")
        return "\n".join(sorted({line for line in information.read_text().splitlines() if line.startswith(wanted)}))
    return platform.processor() + platform.machine()


def _reason(error: Exception) -> str:
    output = getattr(error, "stderr", None)
    lines = output.decode(errors="replace").splitlines() if output else []
    return next((line.strip() for line in lines if "error" in line), str(error).splitlines()[0])
