"""Instruction sets: the levels a processor may have, those of this machine, and the cap that ``DUNWU_ISA`` sets.

``DUNWU_ISA=avx2`` makes a better machine behave like one with only AVX2: our C sources are compiled for it, and torch's libraries are
capped too. Those read their variables once, so ``dunwu/__init__.py`` sets them before torch can be imported.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dunwu.errors import UserError

VARIABLE = "DUNWU_ISA"
CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Level:
    """One instruction set, in addition to those before it in ``LEVELS``.

    ``needs``: flags in `/proc/cpuinfo`. ``compiler``: options for GCC and Clang. ``torch``: variables of ATen, oneDNN and MKL.
    """

    name: str
    needs: tuple[str, ...]
    compiler: tuple[str, ...]
    torch: Mapping[str, str]


def _torch(aten: str, onednn: str, mkl: str, mkl_kernels: str) -> dict[str, str]:
    names = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")
    return dict(zip(names, (aten, onednn, mkl, mkl_kernels), strict=True))


_AVX512 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
LEVELS = (
    Level("scalar", (), (), _torch("default", "SSE41", "SSE4_2", "COMPATIBLE")),
    Level("avx2", ("avx2", "fma", "f16c"), ("-mavx2", "-mfma", "-mf16c"), _torch("avx2", "AVX2", "AVX2", "AVX2")),
    Level("avx512", _AVX512, tuple(f"-m{name}" for name in _AVX512), _torch("avx512", "AVX512_CORE", "AVX512", "AVX512")),
    # EPYCs of this level: MKL's sums depend on the number of threads there, and they do so with these kernels too.
    Level("avx512bf16", ("avx512_bf16",), ("-mavx512bf16",), _torch("avx512", "AVX512_CORE_BF16", "AVX512_E3", "AVX2")),
    Level("amx", ("amx_tile", "amx_bf16"), ("-mamx-tile", "-mamx-bf16"), _torch("avx512", "AVX512_CORE_AMX", "AVX512_E4", "AVX512")),
)
"""In ascending order; every processor has ``scalar``."""


def cpu_flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """The processor's feature flags as Linux reports them; empty elsewhere."""
    if not cpuinfo.is_file():
        return frozenset()
    with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
        flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(flags.partition(":")[2].split())


def levels_of(flags: frozenset[str]) -> tuple[Level, ...]:
    """The levels of a processor with these flags, ascending; at least ``scalar``."""
    missing = next((index for index, level in enumerate(LEVELS) if not flags.issuperset(level.needs)), len(LEVELS))
    return LEVELS[:missing]


@functools.cache
def machine_levels() -> tuple[Level, ...]:
    """The levels of this machine, ascending."""
    return levels_of(cpu_flags())


def levels_in_force() -> tuple[Level, ...]:
    """This machine's levels up to the cap, ascending. Raises ``UserError`` if the cap is not a level or the machine lacks it."""
    wanted, found = os.environ.get(VARIABLE, ""), machine_levels()
    if not wanted:
        return found
    names = [level.name for level in found]
    if wanted not in (level.name for level in LEVELS):
        raise UserError(f"{VARIABLE}={wanted} is not a level: use one of {', '.join(level.name for level in LEVELS)}")
    if wanted not in names:
        raise UserError(f"{VARIABLE}={wanted} is not supported by this machine: use one of {', '.join(names)}")
    return found[: names.index(wanted) + 1]


def multiplies_bfloat16() -> bool:
    """True if the levels in force have products of bfloat16."""
    return any(level.name == "avx512bf16" for level in levels_in_force())


def lacking(what: str) -> str:
    """The reason why a kernel that needs ``what`` is not used: the cap excludes it, or this machine lacks it."""
    capped = levels_in_force() != machine_levels()
    return f"{VARIABLE}={os.environ[VARIABLE]} excludes {what}" if capped else f"this processor, system or compiler has no {what}"


def cap_torch() -> None:
    """Set torch's caps to the level in force, unless that is the machine's best. ``levels_in_force`` rejects a bad value later."""
    if not os.environ.get(VARIABLE):
        return
    try:
        level = levels_in_force()[-1]
    except UserError:
        return
    if level is machine_levels()[-1] or all(os.environ.get(name) == value for name, value in level.torch.items()):
        return
    os.environ.update(level.torch)
    if "torch" in sys.modules:
        text = f"torch was imported before dunwu, so {VARIABLE}={level.name} may cap only Dunwu's own kernels: import dunwu first"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
