"""The completion scripts in the shells they are for, each of which must be installed."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from dunwu.cli.completion_command import bash, fish, zsh

SCRIPTS = {"bash": bash, "zsh": zsh, "fish": fish}
COMPLETED = {
    "dunwu ze": "dunwu zero",
    "dunwu zero --resu": "dunwu zero --resume",
    "dunwu zero grpo.entropy_b": "dunwu zero grpo.entropy_bonus=",
    "dunwu verify ro": "dunwu verify rollout",
    "dunwu completion fi": "dunwu completion fish",
}
ZSH = """
PROMPT= ; autoload -Uz compinit; compinit -D -u
source {script}
record() {{ print -r -- "$BUFFER" > {found} }}
zle -N record; bindkey '^X' record
print ready > {ready}
"""


def wait_for(path: Path) -> str:
    """The text of a file that another process writes."""
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text(encoding="utf-8").endswith("\n")):
        assert time.monotonic() < deadline, f"{path.name} was not written"
        time.sleep(0.02)
    return path.read_text(encoding="utf-8")


@pytest.fixture
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / f"dunwu.{shell}"
    path.write_text(SCRIPTS[shell](), encoding="utf-8")
    return path


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
@pytest.mark.parametrize(("typed", "completed"), COMPLETED.items())
def test_zsh_completes_what_is_typed(script: Path, typed: str, completed: str, tmp_path: Path) -> None:
    found, ready = tmp_path / "found", tmp_path / "ready"
    (tmp_path / "rc").write_text(ZSH.format(script=script, found=found, ready=ready), encoding="utf-8")
    terminal, child = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(tmp_path), "ZDOTDIR": str(tmp_path)}
    with subprocess.Popen(["zsh", "-f", "-i"], stdin=child, stdout=child, stderr=child, env=environment, cwd=tmp_path) as shell:
        os.close(child)
        os.write(terminal, f"source {tmp_path / 'rc'}\n".encode())
        wait_for(ready)
        os.write(terminal, f"{typed}\t\x18".encode())
        text = wait_for(found)
        shell.kill()
    os.close(terminal)
    assert text.rstrip() == completed


@pytest.mark.parametrize("script", ["fish"], indirect=True)
@pytest.mark.parametrize(("typed", "completed"), COMPLETED.items())
def test_fish_completes_what_is_typed(script: Path, typed: str, completed: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    program = f"source {script}; complete -C '{typed}'"
    done = subprocess.run(["fish", "--no-config", "-c", program], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == [completed.split()[-1]]
