"""Stages of a pipeline of one's own follow the model that they take, as the commands do, also one that an earlier stage makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.overrides import parse_overrides
from dunwu.config.template import TemplateConfig
from dunwu.config.zero import GrpoConfig
from dunwu.pipeline.graph import Stage
from dunwu.pipeline.recipe_file import dump_pipeline, make_pipeline, read_pipeline
from tests.models.smol_like import SMOL


@pytest.fixture
def other(tmp_path: Path) -> str:
    """The folder of a chat model, as far as a configuration reads it."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 512}), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(SMOL, encoding="utf-8")
    return str(folder)


def stages(model: str | None, **more: Any) -> dict[str, Any]:
    named = {} if model is None else {"model": model}
    rows = {"work": "file", "path": "rows.jsonl"}
    return {
        "measured": {"work": "suite", "inputs": {"model": "rl"}, "reasoning": {"countdown": {"task": "countdown"}}},
        "rl": {"work": "zero", "inputs": {"model": "taught"}, "tasks": "countdown", **more.get("rl", {})},
        "taught": {"work": "sft", "inputs": {"data": "rows"}, **named, **more.get("taught", {})},
        "rows": rows,
        "judge": {"work": "reward_model", "inputs": {"model": "taught", "data": "rows"}},
        "drafts": {
            "work": "rejection_sampling",
            "inputs": {"generator.model": "rl"},
            "generator": {"kind": "local"},
            "tasks": "countdown",
        },
    }


def made(model: str | None, **more: Any) -> dict[str, Stage]:
    pipeline = make_pipeline({"stages": stages(model, **more)})
    return {stage.name: stage for stage in pipeline.stages}


def test_the_tiny_model_keeps_the_demos_values() -> None:
    works: dict[str, Any] = {name: stage.work for name, stage in made(None).items()}
    assert (works["taught"].template, works["taught"].learning_rate) == ("tiny", 1e-3)
    rl = works["rl"]
    assert (rl.template, rl.grpo, rl.tasks[0].task.wording) == ("tiny", GrpoConfig(), "short")
    assert works["drafts"].generator.template == works["measured"].template == "tiny"


@pytest.mark.parametrize("work", ["new_model", "pretrain"])
def test_a_new_model_is_of_the_world_of_its_tokenizer(work: str, other: str) -> None:
    def student(base: dict[str, Any]) -> Any:
        sft = {"work": "sft", "inputs": {"model": "base", "data": "rows"}}
        return make_pipeline({"stages": {"base": {"work": work, **base}, "rows": {"work": "file", "path": "r.jsonl"}, "sft": sft}})[
            "sft"
        ].work

    assert student({}).template == student({"tokenizer": "tiny"}).template == "tiny"
    assert student({"tokenizer": other}).template == "auto"
    taken = {"taken": {"work": "file", "path": "tiny", "holds": "model"}, "base": {"work": work, "inputs": {"tokenizer": "taken"}}}
    assert make_pipeline({"stages": taken})["base"].described.makes == "model"


def test_another_model_is_followed_through_the_stages(other: str) -> None:
    works: dict[str, Any] = {name: stage.work for name, stage in made(other).items()}
    assert (works["taught"].template, works["taught"].learning_rate, works["judge"].learning_rate) == ("auto", 1e-5, 1e-5)
    rl = works["rl"]
    assert (rl.template, rl.grpo.learning_rate, rl.sampling.max_tokens, rl.tasks[0].task.wording) == ("auto", 1e-6, 256, "full")
    assert rl.evaluations[0].sampling.temperature == 0.6
    assert works["drafts"].generator.template == works["measured"].template == "auto"
    assert works["drafts"].tasks[0].task.wording == "full"


def test_what_a_stage_names_wins_and_later_stages_ask_as_it_was_trained(other: str) -> None:
    block = {"system": r"Put it in \boxed{}."}
    works: dict[str, Any] = {
        name: stage.work for name, stage in made(other, taught={"template": block, "learning_rate": 2e-5}, rl={"seed": 3}).items()
    }
    expected = TemplateConfig(**block)
    assert works["taught"].learning_rate == 2e-5
    assert works["taught"].template == works["rl"].template == works["measured"].template == works["drafts"].generator.template == expected
    assert (works["rl"].answer_form, works["measured"].reasoning["countdown"].answer_form) == ("boxed", "boxed")


def test_the_resolved_recipe_is_read_back_equal(other: str, tmp_path: Path) -> None:
    pipeline = make_pipeline({"name": "own", "stages": stages(other)})
    (tmp_path / "recipe.yaml").write_text(dump_pipeline(pipeline), encoding="utf-8")
    again = read_pipeline(tmp_path / "recipe.yaml")
    assert again == pipeline
    assert again["rl"].filled({"model": other}) == pipeline["rl"].filled({"model": other})


def test_an_override_of_the_model_is_followed_too(other: str) -> None:
    found = make_pipeline({"stages": stages(None)}, parse_overrides([f"taught.model={other}", "taught.template.system=r1"]))
    taught: Any = found["taught"].work
    assert (taught.learning_rate, taught.template) == (1e-5, TemplateConfig(system="r1"))
