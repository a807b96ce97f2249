"""Both kernels as on an ARM processor: built by a cross compiler, run by qemu, and equal to what this machine computes."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dunwu.models import native, native_library
from dunwu.rollout.torch_engine.native import decoder

CROSS, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"  # Debian: gcc-aarch64-linux-gnu, qemu-user
DRIVER = Path(__file__).parent / "one_kernel.c"
WARNINGS = ("-w", "-O3", "-std=gnu11", "-pthread")


def computed(compiler: list[str], run: list[str], kernel: str, folder: Path) -> NDArray[np.float64]:
    program = str(folder / f"{kernel}-{Path(compiler[0]).name}")
    includes = [f"-I{native.KERNELS}", f"-I{decoder.SOURCE.parent}"]
    subprocess.run([*compiler, *WARNINGS, f"-D{kernel}", *includes, str(DRIVER), "-o", program, "-lm"], check=True, timeout=120)
    done = subprocess.run([*run, program], check=True, capture_output=True, timeout=120)
    return np.array(done.stdout.split(), np.float64)


@pytest.mark.parametrize(("kernel", "numbers"), [("SCORE", 98_894), ("DECODE", 500)])
def test_an_arm_processor_computes_the_same(kernel: str, numbers: int, tmp_path: Path) -> None:
    if not (shutil.which(CROSS) and shutil.which(EMULATOR) and shutil.which("cc")):
        pytest.skip(f"no {CROSS}, {EMULATOR} or cc")
    native_here, precision = native_library.availability() if kernel == "SCORE" else decoder.availability()
    if not native_here or "float32" not in precision:
        pytest.skip(f"nothing to compare with: {precision}")
    here = computed(["cc", *native.tunings()[0]], [], kernel, tmp_path)
    there = computed([CROSS, "-static"], [EMULATOR], kernel, tmp_path)
    assert len(here) == len(there) == numbers
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-6)
