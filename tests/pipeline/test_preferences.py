"""From a model's answers over a judge's votes to a reward model, in one pipeline."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.data import LocalGenerator
from dunwu.config.data_replies import PairJudgeConfig
from dunwu.data.io.preferences import read_pairs
from dunwu.errors import ConfigError
from dunwu.pipeline.execute import run_pipeline
from dunwu.pipeline.graph import Stage
from dunwu.pipeline.recipe_file import read_pipeline
from dunwu.rewards.scope import Visible
from dunwu.trainers.reward_model_scoring import RewardModel
from dunwu.types import Problem

JUDGE = '''
import json
import re
from pathlib import Path

ASKED = Path(__file__).with_name("asked.txt")


def judge(messages, seed):
    """The larger number is the better answer; stops where a file says so."""
    asked = int(ASKED.read_text()) if ASKED.exists() else 0
    stop = Path(__file__).with_name("stop")
    if stop.exists() and asked >= int(stop.read_text()):
        raise KeyboardInterrupt
    ASKED.write_text(str(asked + 1))
    answers = r"Answer A:\\n```\\n(.*)\\n```\\n\\nAnswer B:\\n```\\n(.*)\\n```\\n\\nCompare"
    a, b = re.search(answers, messages[-1]["content"], re.DOTALL).groups()
    return json.dumps({"A": rating(a), "B": rating(b)})


def rating(answer):
    return 1 + 2 * int("0" + "".join(c for c in answer if c in "01234")[:1])
'''
RECIPE = """
name: preferences
stages:
  model: {work: file, path: MODEL, holds: model}
  prompts: {work: file, path: FOLDER/prompts.jsonl}
  pairs:
    work: preferences
    inputs: {generator.model: model, task.path: prompts}
    generator: {kind: local, threads: 1, device: cpu}
    sampling: {max_tokens: 12}
    prompts: 60
    judge: {generator: {kind: own, function: "FOLDER/judge.py:judge"}}
  helpfulness:
    work: reward_model
    inputs: {model: model, data: pairs}
    batch_size: 8
    epochs: 15
    learning_rate: 3e-3
    device: cpu
    threads: 1
"""


@pytest.fixture
def recipe(tmp_path: Path, taught_base: str) -> Path:
    (tmp_path / "judge.py").write_text(JUDGE, encoding="utf-8")
    rows = [json.dumps({"prompt": f"Say {n % 5} {'now ' * (n // 5)}then."}) for n in range(90)]
    (tmp_path / "prompts.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    file = tmp_path / "recipe.yaml"
    file.write_text(RECIPE.replace("MODEL", taught_base).replace("FOLDER", str(tmp_path)), encoding="utf-8")
    return file


def asked(recipe: Path) -> int:
    path = recipe.with_name("asked.txt")
    number = int(path.read_text(encoding="utf-8")) if path.exists() else 0
    path.unlink(missing_ok=True)
    return number


def hashes(made: Any) -> dict[str, str]:
    return {name: artefact.hash for name, artefact in made.items()}


def test_a_reward_model_learns_what_the_judge_prefers(recipe: Path, tmp_path: Path) -> None:
    made = run_pipeline(read_pipeline(recipe), tmp_path / "run")
    card = json.loads((made["pairs"].payload / "card.json").read_text(encoding="utf-8"))
    data = read_pairs(made["pairs"].payload, {})
    assert card["tokens"]["rows"] == len(data.train) + len(data.held_out)
    assert card["facts"]["judge"]["requests"] == asked(recipe) > 0
    assert any("<think>" in pair.chosen for pair in data.train)  # as they were written
    cost = made["pairs"].manifest["cost"]
    assert cost["generated_tokens"] == card["facts"]["generated_tokens"] > 0
    summary = json.loads(next((tmp_path / "run").rglob("summary.json")).read_text(encoding="utf-8"))
    assert summary["held_out"]["count"] == len(data.held_out)
    problem = Problem("p", "chat", "Say 2 then.", "none")
    best, worst = RewardModel.load(made["helpfulness"].payload).score([problem] * 2, [Visible("4"), Visible("0")])
    assert best > worst + 0.5
    assert hashes(run_pipeline(read_pipeline(recipe), tmp_path / "run")) == hashes(made)
    assert asked(recipe) == 0


def test_a_judge_that_dies_loses_nothing(recipe: Path, tmp_path: Path) -> None:
    at = 31
    whole = run_pipeline(read_pipeline(recipe), tmp_path / "whole", last="pairs")
    needed, stop = asked(recipe), recipe.with_name("stop")
    stop.write_text(str(at), encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(read_pipeline(recipe), tmp_path / "stopped", last="pairs")
    stop.unlink()
    assert asked(recipe) == at
    made = run_pipeline(read_pipeline(recipe), tmp_path / "stopped", last="pairs")
    assert asked(recipe) == needed - at
    assert hashes(made) == hashes(whole)


def test_the_stage_says_what_it_takes(recipe: Path) -> None:
    work = read_pipeline(recipe)["pairs"].work
    takes = "inputs.seed is not an input of preferences; it takes generator.model, judge.generator.model, task.path, data"
    with pytest.raises(ConfigError, match=re.escape(takes)):
        Stage("pairs", work, {"seed": "prompts"})
    local = work.model_copy(update={"judge": PairJudgeConfig(generator=LocalGenerator())})
    assert Stage("pairs", local, {"judge.generator.model": "model"}).work.judge.generator.model == "@model"  # type: ignore[attr-defined]
