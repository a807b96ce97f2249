"""A dry run refuses a reward as the run would, and loads no reward model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.main import main
from dunwu.jobs.preview import preview_zero
from dunwu.models.heads import load_scorer, set_label
from dunwu.models.loading import load_model, save_model

OWN = """
def f(prompts, completions, **columns):
    return [1.0 for _ in completions]

def broken_environment():
    raise KeyError("rubric")
"""
WRONG = {
    "no file": "reward=[accuracy, 'nofile.py:rank']",
    "no function": "reward=[accuracy, 'OWN:nofn']",
    "no function named": "reward=[accuracy, {kind: own, function: OWN}]",
    "no group function": "reward=[accuracy, {kind: own, function: 'OWN:nofn', sees: group}]",
    "no environment": "reward=[{kind: environment, function: 'nofile.py:load'}]",
    "an environment that fails": "reward=[{kind: environment, function: 'OWN:broken_environment'}]",
    "no rubric": "reward=[{kind: environment, function: 'LIST:load'}]",
    "tripwire": "tripwire={function: 'nofile.py:x'}",
    "two of a name": "reward=[accuracy, 'OWN:f', {kind: own, function: 'OWN:f', sees: group}]",
    "accuracy twice": "reward=[accuracy, accuracy]",
    "no model folder": "reward=[accuracy, {kind: safety, model: FOLDER/nowhere}]",
    "no task": "reward=[accuracy, {kind: format, tasks: [nosuch]}]",
    "no weight": "reward=[{kind: format, weight: 0}]",
}


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], str]:
    """A text with the paths of the user's files in it."""
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "list.py").write_text("def load():\n    return []\n", encoding="utf-8")
    names = {"OWN": f"{tmp_path}/own.py", "LIST": f"{tmp_path}/list.py", "FOLDER": str(tmp_path)}

    def filled(text: str) -> str:
        for name, path in names.items():
            text = text.replace(name, path)
        return text

    return filled


@pytest.mark.parametrize("wrong", WRONG)
def test_zero_dry_run_refuses_the_reward(wrong: str, own: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zero", "--dry-run", "--out", str(tmp_path / "run"), own(WRONG[wrong])]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1


TASKS = {
    "there": "tasks: [{task: {kind: countdown}}]",
    "made": "inputs: {tasks.0.task.path: rows}, tasks: [{task: {kind: dataset}}], evaluations: []",
}


@pytest.mark.parametrize("data", TASKS)
def test_so_does_a_stage_of_a_pipeline(data: str, own: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.jsonl").write_text('{"problem": "1 + 1?", "answer": "2"}\n', encoding="utf-8")
    stages = f"rows: {{work: file, path: {tmp_path}/rows.jsonl}}, learn: {{work: zero, {TASKS[data]}, REWARD}}"
    recipe = tmp_path / "recipe.yaml"
    for reward, code in (("reward: ['OWN:f']", 0), ("reward: ['OWN:nofn']", 2)):
        recipe.write_text(own(f"name: p\nstages: {{{stages}}}\n".replace("REWARD", reward)), encoding="utf-8")
        assert main(["run", str(recipe), "--dry-run", "--out", str(tmp_path / "run")]) == code
    assert "stage learn: " in capsys.readouterr().err


def test_reward_models_are_looked_at_unloaded(
    zero_config: Callable[..., Any], taught_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dunwu.errors import ConfigError, ModelError

    model, tokenizer = load_scorer(taught_base, seed=0)
    set_label(model, "helpfulness")
    save_model(model, tokenizer, tmp_path / "scorer")
    save_model(*load_model(taught_base), tmp_path / "causal")
    monkeypatch.setattr("dunwu.models.heads.load_checkpoint", None)

    def of(kind: str, folder: str, tasks: str) -> list[str]:
        return preview_zero(zero_config(f"reward=[accuracy, {{kind: {kind}, model: {tmp_path}/{folder}{tasks}}}]"), 1.0)

    name = preview_zero(zero_config(), 1.0)[0].rpartition(" of ")[2]
    assert of("helpfulness", "scorer", f", tasks: [{name}]")
    with pytest.raises(ModelError, match="judges 'helpfulness'"):
        of("safety", "scorer", f", tasks: [{name}]")
    with pytest.raises(ModelError, match="no reward head"):
        of("helpfulness", "causal", f", tasks: [{name}]")
    with pytest.raises(ConfigError, match="applies to none of the problems"):
        of("helpfulness", "scorer", "")
