"""`dunwu reward-model`: options become keys, a dry run makes nothing."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from dunwu.cli.reward_model_command import run
from dunwu.config.load import load_config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.errors import ConfigError, UserError


def stub(monkeypatch: pytest.MonkeyPatch, calls: list[tuple[RewardModelConfig, Path, bool]]) -> None:
    """The pipeline, without torch."""

    def run_reward_model(config: RewardModelConfig, out: Path, resume: bool, *_: object) -> Path:
        calls.append((config, out, resume))
        (out / "checkpoints").mkdir()
        (out / "checkpoints" / "latest").write_text("step-000001", encoding="utf-8")
        return out

    module = types.ModuleType("dunwu.jobs.reward_model")
    module.run_reward_model = run_reward_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dunwu.jobs.reward_model", module)


def test_options_and_overrides_reach_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[RewardModelConfig, Path, bool]] = []
    stub(monkeypatch, calls)
    monkeypatch.chdir(tmp_path)
    Path("a b.jsonl").write_text('{"prompt": "q", "completion": "a", "label": "safe"}\n', encoding="utf-8")
    arguments = [
        "--data",
        "a b.jsonl",
        "--kind",
        "safety",
        "--model",
        "tiny",
        "--out",
        str(tmp_path),
        "epochs=3",
        "only.subset=x",
    ]
    assert run(arguments) == 0
    ((config, out, resume),) = calls
    assert (config.data, config.criterion, config.model, config.epochs, config.only) == ("a b.jsonl", "safety", "tiny", 3, {"subset": "x"})
    assert (out, resume) == (tmp_path, False)


def test_a_dry_run_prints_a_recipe_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(f'{{"prompt": "Say {n}", "chosen": "{n}", "rejected": "no"}}\n' for n in range(40)), encoding="utf-8")
    assert run(["--data", str(data), "--dry-run", "--out", str(tmp_path / "run"), "batch_size=8"]) == 0
    out = capsys.readouterr().out
    assert f"# data: {data}" in out
    assert "# rows: training" in out
    recipe = tmp_path / "again.yaml"
    recipe.write_text(out, encoding="utf-8")
    assert load_config(RewardModelConfig, recipe, []).batch_size == 8
    assert not (tmp_path / "run").exists()


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="kind"):
        run(["--kind", "politeness"])
    with pytest.raises(ConfigError, match=r"epochs"):
        run(["epoch=3"])
    with pytest.raises(UserError, match="did you mean --data"):
        run(["--dta", "x"])
