"""`dunwu sft`: its options, its recipe, its dry run."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.cli.sft_command import run
from dunwu.config.load import load_config
from dunwu.config.recipes import find_recipe
from dunwu.config.sft import SftConfig
from dunwu.errors import UserError


def test_a_dry_run_makes_nothing_and_prints_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--dry-run", "--model", "some/model", "--data", "my rows.jsonl", "--seed", "5", "epochs=3"]
    with pytest.raises(UserError, match="my rows"):
        run(arguments)
    Path("my rows.jsonl").write_text('{"prompt": "q", "completion": "a"}\n', encoding="utf-8")
    capsys.readouterr()
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["my rows.jsonl"]
    assert "# my rows.jsonl: 1 rows" in out
    assert "# data: my rows.jsonl, 3 times, 32 conversations an update" in out
    copy = tmp_path / "copy.yaml"
    copy.write_text(out, encoding="utf-8")
    config = load_config(SftConfig, copy, [])
    assert (config.model, config.data, config.seed, config.epochs) == ("some/model", "my rows.jsonl", 5, 3)


def test_the_recipe_parses_and_has_the_cosine_of_the_paper() -> None:
    config = load_config(SftConfig, find_recipe("tiny", "sft"), [])
    assert (config.model, config.template, config.final_learning_rate) == ("tiny", "tiny", 0.1)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["epoch=3"], "unknown key epoch: did you mean epochs?"),
        (["lr=1"], "did you mean learning_rate?"),
        (["template=qwen"], "template = 'qwen': expected plain, tiny, r1-zero, chatml, llama3, deepseek, auto"),
        (["epochs=0"], "epochs = 0"),
        (["final_learning_rate=2.0"], "final_learning_rate = 2.0"),
        (["overlong=cut"], "expected refuse, drop"),
        (["--dat", "x"], "did you mean --data?"),
        (["--recipe", "tiny/sftt"], "did you mean tiny/sft?"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], part: str) -> None:
    with pytest.raises(UserError) as caught:
        run(arguments)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_must_be_named(tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text("model: tiny\n", encoding="utf-8")
    with pytest.raises(UserError, match="data is not set"):
        run(["--recipe", str(recipe)])
