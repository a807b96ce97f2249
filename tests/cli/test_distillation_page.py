"""The commands of docs/distillation.md, each with ``--dry-run``, where the page's `runs/r1` and `rows.jsonl` exist."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from dunwu.cli.main import main
from dunwu.models.bundled import bundled_path
from tests.test_pages_run import ROOT, steps

HUB = ("v1 teacher.model=NAME", "--recipe distill/", "--teacher TEACHER")
"""Parts of commands that read a data set of the hub."""
NOT_RUN = ("dunwu report",)
COMMANDS = [step.text for step in steps("docs/distillation.md") if not step.text.startswith(NOT_RUN)]


@pytest.mark.parametrize("command", [text for text in COMMANDS if not any(part in text for part in HUB)])
def test_a_command_of_the_page(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    (tmp_path / "runs").mkdir()
    (tmp_path / "rows.jsonl").write_text(json.dumps({"problem": "1 + 1?", "answer": "2"}) + "\n", encoding="utf-8")
    (tmp_path / "runs" / "r1").symlink_to(bundled_path())
    name, *arguments = shlex.split(command)
    assert name == "dunwu"
    assert main([*arguments, *({"--dry-run"} - {*arguments})]) == 0, capsys.readouterr().err
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["r1"]


def test_the_other_commands_fail_for_the_hub_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without `datasets`: one line that says so."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    for command in (text for text in COMMANDS if "distill " in text and any(part in text for part in HUB)):
        assert main([*shlex.split(command)[1:], *({"--dry-run"} - {*command.split()})]) == 2
        error = capsys.readouterr().err
        assert "`datasets` is not installed" in error
        assert error.count("\n") == 1
