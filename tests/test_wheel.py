"""A wheel in an empty environment does what the checkout does: built from a source archive, installed, and run far from the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.few_steps import r1_few_steps, zero_few_steps

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("src", "recipes", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "constraints.txt")
"""What the build reads; copied, so that it writes nothing into the checkout and finds nothing of an earlier build."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a folder to run its commands in."""

    venv: Path
    folder: Path

    def run(self, *command: str) -> str:
        """What a command prints; it must succeed."""
        env = environment() | {"XDG_CACHE_HOME": str(self.folder / "cache")}
        program = [str(self.venv / "bin" / command[0]), *command[1:]]
        done = subprocess.run(program, cwd=self.folder, env=env, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout


def environment() -> dict[str, str]:
    """Ours, without a path to the checkout's sources."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def build(folder: Path) -> Path:
    """The wheel, built from the source archive as a package index would."""
    tree, back = folder / "tree", "from setuptools import build_meta; print(build_meta.build_{}('{}'))"
    tree.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(
            ROOT / part, tree / part, **({"ignore": shutil.ignore_patterns("*.egg-info", "__pycache__")} if (ROOT / part).is_dir() else {})
        )
    subprocess.run([sys.executable, "-c", back.format("sdist", folder)], cwd=tree, check=True, capture_output=True, timeout=300)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    subprocess.run([sys.executable, "-c", back.format("wheel", folder)], cwd=source, check=True, capture_output=True, timeout=300)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel alone in a new environment, which then sees the packages that the tests have, so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel, venv = build(folder), folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    install = [sys.executable, "-m", "pip", "--python", str(venv), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, env=environment(), check=True, timeout=300)
    (site,) = venv.glob("lib/python*/site-packages")
    paths = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site / "packages.pth").write_text("\n".join(paths), encoding="utf-8")
    (folder / "elsewhere").mkdir()
    return Installed(venv, folder / "elsewhere")


def test_every_file_of_the_package_is_in_the_wheel(installed: Installed) -> None:
    where = installed.run("python", "-c", "import dunwu; print(dunwu.__path__[0])").strip()
    assert Path(where).is_relative_to(installed.venv)
    ours = [path for path in (ROOT / "src" / "dunwu").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert [path for path in ours if not Path(where, path.relative_to(ROOT / "src" / "dunwu")).is_file()] == []
    recipes = [path.relative_to(ROOT) for path in (ROOT / "recipes").rglob("*.yaml")]
    assert [path for path in recipes if not Path(where, path).is_file()] == []


def test_the_machine_is_as_ready_as_with_the_checkout(installed: Installed) -> None:
    """Kernels are built anew, in a cache of their own."""
    assert re.fullmatch(r"dunwu \d+\.\d+\.\d+", installed.run("dunwu", "--version").strip())
    assert "Dunwu can run here." in installed.run("dunwu", "doctor")
    built = {path.name.partition("-")[0] for path in installed.folder.glob("cache/dunwu/native/*.so")}
    assert built == ({"decode", "score"} if shutil.which("cc") else set())


def test_the_demo_its_evaluation_and_its_report(installed: Installed) -> None:
    for recipe in ("tiny/zero", "recipes/tiny/zero-24.yaml"):
        out = f"runs/{Path(recipe).stem}"
        installed.run("dunwu", "zero", "--recipe", recipe, "--out", out, *zero_few_steps())
        assert (installed.folder / out / "report.html").stat().st_size > 10_000
    checkpoint = "runs/zero/checkpoints/step-000002"
    assert "pass@1" in installed.run("dunwu", "eval", "--model", checkpoint, "--problems", "2", "--samples", "1", "--max-tokens", "40")
    assert "runs/zero" in installed.run("dunwu", "explain", checkpoint)
    installed.run("dunwu", "report", "runs/zero", "runs/zero-24")
    assert list(installed.folder.rglob("comparison.html"))


def test_sft_and_a_reward_model_on_the_sample_files(installed: Installed) -> None:
    installed.run("dunwu", "data", "--samples", "samples")
    assert "48 conversations" in installed.run("dunwu", "data", "samples/messages.jsonl")
    installed.run("dunwu", "sft", "--data", "samples/messages.jsonl", "--out", "runs/sft", "epochs=1")
    installed.run("dunwu", "reward-model", "--data", "samples/pairs.jsonl", "--out", "runs/rm", "epochs=1")
    for name in ("sft", "rm"):
        assert list(installed.folder.glob(f"runs/{name}/checkpoints/step-*/model.safetensors"))


def test_all_of_r1(installed: Installed) -> None:
    installed.run("dunwu", "r1", *r1_few_steps())
    assert "table (stage_table)" in installed.run("dunwu", "status", "runs/r1")
    installed.run("dunwu", "report", "runs/r1")
    assert (installed.folder / "runs" / "r1" / "stages.html").is_file()
