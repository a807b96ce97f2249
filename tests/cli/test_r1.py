"""`dunwu r1`: which recipe with what, told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.cli.main import main
from dunwu.pipeline.recipe_file import read_pipeline, with_overrides
from dunwu.pipeline.recipes.r1_tiny import tiny_r1


def test_a_dry_run_prints_a_recipe_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["r1", "--seed", "2", "--dry-run"]) == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert read_pipeline(tmp_path / "printed.yaml") == tiny_r1(seed=2)
    assert [path.name for path in tmp_path.iterdir()] == ["printed.yaml"]


@pytest.mark.parametrize("command", [["zero", "--recipe"], ["sft", "--recipe"], ["run"]])
def test_keys_of_stages_given_as_a_recipe_name_their_command(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "smollm2-135m/r1"]) == 2
    assert "dunwu r1 --keys smollm2-135m/r1" in capsys.readouterr().err


def test_bundled_keys_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["r1", "--keys", "smollm2-135m/r1", "--dry-run"]) == 2  # they are for the recipe small and its data
    assert "last-number" in capsys.readouterr().err


def test_keys_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run prints the recipe with them, which reads back to the same one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.yaml").write_text("zero: {grpo: {steps: 2, prompts_per_step: 4}}\ndev1.epochs: 1\n", encoding="utf-8")
    assert main(["r1", "--keys", "keys.yaml", "zero.grpo.steps=3", "--dry-run"]) == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    overrides = ["zero.grpo.steps=3", "zero.grpo.prompts_per_step=4", "dev1.epochs=1"]
    assert read_pipeline(tmp_path / "printed.yaml") == with_overrides(tiny_r1(), overrides)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recipe", "nature"], "--recipe nature needs --model (a folder or a hub id) and --data"),
        (["--recipe", "v1", "--data", "d"], "--recipe v1 needs --model"),
        (["--data", "d"], "the recipe tiny makes its own data"),
        (["--recipe", "small", "--model", "m", "--data", "nowhere"], "nowhere lacks reasoning (problem, answer"),
        (["--recipe", "big"], "invalid choice 'big'"),
        (["--sed", "3"], "did you mean --seed?"),
        (["zero.grpo.stepss=3"], "did you mean grpo.steps?"),
        (["zerro.grpo.steps=3"], "a stage, such as zero"),
        (["--keys", "nowhere.yaml"], "nowhere.yaml does not exist"),
        (["--until", "dev9"], "no stage 'dev9'"),
    ],
)
def test_mistakes(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["r1", "--dry-run", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
