"""Levels of instruction sets: which a processor has, what the cap does to our kernels and to torch, and what it refuses."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from dunwu import isa
from dunwu.cli.main import main
from dunwu.errors import UserError
from dunwu.isa import LEVELS, VARIABLE, cap_torch, cpu_flags, lacking, levels_in_force, levels_of, machine_levels
from dunwu.models.native import X86

ALL = [level.name for level in LEVELS]
NAMES = [level.name for level in machine_levels()]
AVX512 = "avx2 fma f16c avx512f avx512bw avx512cd avx512dq avx512vl"


@pytest.mark.parametrize(
    ("flags", "highest"),
    [
        ("", "scalar"),
        ("fp asimd bf16", "scalar"),
        ("sse4_2 avx", "scalar"),
        ("avx2 fma f16c", "avx2"),
        ("avx2 fma f16c avx512f avx512cd", "avx2"),  # a Xeon Phi: no kernel of ours is for it
        (AVX512, "avx512"),
        (AVX512 + " avx512_bf16", "avx512bf16"),  # AMD EPYC since Zen 4
        (AVX512 + " amx_tile amx_bf16", "avx512"),
        (AVX512 + " avx512_bf16 amx_tile amx_int8", "avx512bf16"),
        (AVX512 + " avx512_bf16 amx_tile amx_bf16 amx_int8", "amx"),
    ],
)
def test_the_levels_of_a_processor(flags: str, highest: str) -> None:
    found = [level.name for level in levels_of(frozenset(flags.split()))]
    assert found == ALL[: ALL.index(highest) + 1]


def test_flags_are_read_from_linux(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16\nflags\t\t: none\n", encoding="utf-8")
    assert cpu_flags(cpuinfo) == {"fpu", "avx2", "amx_bf16"}
    cpuinfo.write_text("Features\t: fp asimd bf16\n", encoding="utf-8")
    assert "bf16" in cpu_flags(cpuinfo)
    assert cpu_flags(tmp_path / "none") == frozenset()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with AVX-512 and no more, without a cap; torch has not been imported."""
    monkeypatch.setattr(isa, "machine_levels", lambda: LEVELS[:3])
    monkeypatch.delenv(VARIABLE, raising=False)
    for name in LEVELS[0].torch:
        monkeypatch.setenv(name, "")
    modules = {name: module for name, module in sys.modules.items() if name != "torch"}
    monkeypatch.setattr(isa.sys, "modules", modules)


def test_the_cap(machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", "avx512"):
        if value is not None:
            monkeypatch.setenv(VARIABLE, value)
        assert levels_in_force() == LEVELS[:3]
        assert lacking("tiles") == "this processor, system or compiler has no tiles"
    monkeypatch.setenv(VARIABLE, "avx2")
    assert levels_in_force() == LEVELS[:2]
    assert lacking("AVX-512") == "DUNWU_ISA=avx2 excludes AVX-512"


@pytest.mark.parametrize(("value", "named"), [("amx", "scalar, avx2, avx512"), ("AVX2", ", ".join(ALL)), ("sse", ", ".join(ALL))])
def test_a_bad_cap_is_one_line(
    value: str, named: str, machine: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(UserError):
        levels_in_force()
    cap_torch()
    assert not any(os.environ[name] for name in LEVELS[0].torch), "torch is not capped by what is no level"
    assert main(["doctor"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"DUNWU_ISA={value}" in error
    assert error.endswith(f"use one of {named}\n")


def test_torch_is_capped_below_what_the_machine_has(machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "avx512")
    cap_torch()
    assert not any(os.environ[name] for name in LEVELS[0].torch), "all that the machine has: nothing to cap"
    monkeypatch.setenv(VARIABLE, "avx2")
    cap_torch()
    expected = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    assert {name: os.environ[name] for name in expected} == expected


def test_torch_before_dunwu_warns(machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "avx2")
    monkeypatch.setitem(isa.sys.modules, "torch", object())
    with pytest.warns(RuntimeWarning, match="torch was imported before dunwu"):
        cap_torch()
    cap_torch()  # the variables stand: a process started from this one imports in any order


@pytest.mark.parametrize("name", NAMES)
def test_kernels_and_torch_follow_the_cap_in_a_new_process(name: str) -> None:
    program = (
        "import dunwu.isa, torch\n"
        "from dunwu.models import native_library\n"
        "from dunwu.rollout.torch_engine.native import decoder\n"
        "print(torch.backends.cpu.get_cpu_capability(), decoder.availability(), native_library.availability(), sep='|')"
    )
    clean = {key: value for key, value in os.environ.items() if key not in LEVELS[0].torch}
    done = subprocess.run([sys.executable, "-c", program], env=clean | {VARIABLE: name}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    capability, decodes, trains = done.stdout.strip().split("|")
    if name != NAMES[-1]:
        assert capability == {"scalar": "DEFAULT", "avx2": "AVX2"}.get(name, "AVX512")
    if "no C compiler" in decodes:
        pytest.skip("no C compiler: no kernel to cap")
    if name == "scalar" and platform.machine() in X86:
        assert decodes == f"(False, 'torch decodes ({lacking_at(name)} AVX2)')"
        assert trains == f"(False, 'torch, float32 ({lacking_at(name)} AVX2)')"
    if name in ("avx2", "avx512"):
        assert decodes == "(True, 'native decoder, float32, or bfloat16 weights')"
    if name not in ("scalar", "amx"):
        assert trains == "(True, 'native scorer, float32 products')"


def lacking_at(name: str) -> str:
    return "this processor, system or compiler has no" if name == NAMES[-1] else f"DUNWU_ISA={name} excludes"
