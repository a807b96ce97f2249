"""Distillation: the paper's values, by student, and what follows teacher and student."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.distill import R1_DISTILL, R1_STUDENTS, DistillConfig, StudentTraining, student_rate
from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.load import load_config, validate
from dunwu.config.recipes import bundled_recipes
from dunwu.errors import ConfigError
from dunwu.models.new import new_model
from dunwu.pipeline.recipes.distill import distill_pipeline, read_distill

ENDPOINT = ["teacher.kind=endpoint", "teacher.url=http://localhost:8000/v1", "teacher.model=m"]
SIX = {name: file for name, file in bundled_recipes().items() if name.startswith("distill/")}


def test_the_learning_rates_are_the_papers() -> None:
    """S: peak learning rates of the six distilled models."""
    rates = {each.model.rpartition("/")[2]: each.learning_rate for each in R1_STUDENTS}
    assert rates == {
        "Qwen2.5-Math-1.5B": 1e-4,
        "Qwen2.5-Math-7B": 8e-5,
        "Qwen2.5-14B": 7e-5,
        "Qwen2.5-32B": 6e-5,
        "Llama-3.1-8B": 5e-5,
        "Llama-3.3-70B-Instruct": 2e-5,
    }
    assert {key: each.value for key, each in R1_DISTILL.items()} == {
        "epochs": 2,
        "batch_size": 64,
        "final_learning_rate": 0.1,
        "max_length": 32_768,
    }


@pytest.mark.parametrize(
    ("parameters", "rate"), [(135_000_000, 1e-4), (3_000_000_000, 8e-5), (14_000_000_000, 7e-5), (10**12, 2e-5), (None, 2e-5)]
)
def test_another_student_has_the_rate_of_the_next_larger_one(parameters: int | None, rate: float) -> None:
    assert student_rate("somebody/else", parameters).value == rate
    assert student_rate("Qwen/Qwen2.5-32B", parameters).value == 6e-5


def test_the_six_recipes_have_the_papers_values() -> None:
    configs = [load_config(DistillConfig, file, []) for file in SIX.values()]
    assert {each.model: each.training.learning_rate for each in configs} == {each.model: each.learning_rate for each in R1_STUDENTS}
    for config in configs:
        for key in ("epochs", "batch_size", "final_learning_rate"):
            assert getattr(config.training, key) == R1_DISTILL[key].value
        assert config.training.max_length == (4096 if "Math" in config.model else R1_DISTILL["max_length"].value)


@pytest.fixture(scope="module")
def other(world_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A student that is not of the tiny world, with a chat template and 200 positions."""
    from dunwu.config.pretrain import ModelShape
    from dunwu.models.loading import save_model

    folder: Path = tmp_path_factory.mktemp("other")
    shape = ModelShape(hidden=32, layers=1, heads=1, kv_heads=1, intermediate=32, max_positions=200)
    save_model(new_model(shape, world_tokenizer, 0), world_tokenizer, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    names = {token: place for token, place in tokenizer["model"]["vocab"].items() if place == 5}
    text = (folder / "tokenizer.json").read_text(encoding="utf-8").replace(json.dumps(next(iter(names))), '"<other>"')
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    return str(folder)


def test_the_tiny_world_keeps_the_demos_values() -> None:
    config, chosen = read_distill(None, ["teacher.kind=local", "teacher.model=tiny"], fetch=False)
    assert config.training.template == "tiny"
    assert config.training.learning_rate == StudentTraining().learning_rate
    assert [each.sampling.temperature for each in config.evaluations] == [0.6]
    assert set(chosen) == {"teacher.template"}


def test_another_student_is_trained_as_in_the_paper(other: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"problem": "1 + 1?", "answer": "2"}\n', encoding="utf-8")
    given = [*ENDPOINT, f"model={other}", f"tasks={tmp_path}/rows.jsonl"]
    config, chosen = read_distill(None, given, fetch=False)
    assert config.training.learning_rate == 1e-4
    assert config.training.template == "auto"
    assert config.rows.sampling.max_tokens == 100
    assert (config.answer_form, config.rows.ask_for_form) == ("boxed-or-last-number", True)
    assert [each.answer_form for each in config.evaluations] == ["boxed-or-last-number"]
    assert {"training.learning_rate", "rows.ask_for_form"} <= chosen.keys()
    assert read_distill(None, [*given, "training.lora={}"], fetch=False)[0].training.learning_rate == 1e-3
    kept = read_distill(None, [*given, "training.learning_rate=3e-6", "answer_form=boxed"], fetch=False)[0]
    assert (kept.training.learning_rate, kept.answer_form) == (3e-6, "boxed")
    stage = distill_pipeline(config)["teacher-data"].work
    assert stage.filters.max_tokens == 200  # type: ignore[attr-defined]
    assert [each.name for each in stage.decontaminate] == ["rows"]  # type: ignore[attr-defined]


def test_evaluations_are_sampled_as_the_paper_does() -> None:
    teacher = {"kind": "local"}
    rows = {"sampling": {"max_tokens": 77}}
    config = validate(DistillConfig, {"teacher": teacher, "rows": rows, "evaluations": ["game24", {"task": "countdown", "samples": 2}]})
    assert [(each.sampling.max_tokens, each.sampling.top_p) for each in config.evaluations] == [(77, 0.95)] * 2
    given = {"task": "game24", "sampling": {"temperature": 1.0}}
    [held_out] = validate(DistillConfig, {"teacher": teacher, "evaluations": [given]}).evaluations
    assert (held_out.sampling.temperature, held_out.sampling.top_p) == (1.0, 0.95)
    stages = {stage.name for stage in distill_pipeline(validate(DistillConfig, {"teacher": teacher, "evaluations": []})).stages}
    assert stages == {"teacher-data", "student"}


@pytest.mark.parametrize("key", ["prompts", "samples", "keep", "ask_for_form"])
def test_stored_answers_take_no_keys_of_questions(key: str) -> None:
    value = True if key == "ask_for_form" else 2
    with pytest.raises(ConfigError, match=rf"rows\.{key}"):
        validate(DistillConfig, {"teacher": {"kind": "rows", "data": "x.jsonl"}, "rows": {key: value}})


@pytest.mark.parametrize(
    "method",
    [
        {"kind": "logits", "beta": 0.2},
        {"kind": "logits", "divergence": "jensen-shannon", "skew": 0.2},
        {"kind": "on-policy", "skew": 0.2},
        {"kind": "logits", "stored": "teacher"},
        {"kind": "logits", "top_k": 8, "stored": ""},
        {"kind": "logits", "top_k": -1},
        {"kind": "hidden", "last": 2},
        {"kind": "attention", "layers": "uniform", "last": 2},
        {"kind": "on-policy", "student_share": 1.5},
    ],
    ids=str,
)
def test_keys_of_a_method_that_do_nothing_or_are_out_of_range_are_refused(method: dict[str, Any]) -> None:
    key = [*method][-1]
    with pytest.raises(ConfigError, match=rf"method\.{key}"):
        validate(DistillationConfig, {"model": "tiny", "teacher": "tiny", "method": method})


@pytest.mark.parametrize("method", ["logits", "hidden", "attention", "on-policy"])
def test_a_method_with_all_its_keys_written_out_is_read_again(method: str) -> None:
    found = validate(DistillationConfig, {"model": "tiny", "teacher": "tiny", "method": method}).method
    assert validate(DistillationConfig, {"model": "tiny", "teacher": "tiny", "method": found.model_dump(mode="json")}).method == found
