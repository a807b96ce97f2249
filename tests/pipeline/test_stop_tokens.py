"""An evaluation ends completions where training does: the same weights are worth the same wherever their end is written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.blocks import SamplingConfig
from dunwu.config.data import LocalGenerator
from dunwu.config.load import load_config
from dunwu.config.pipeline import EvaluateConfig
from dunwu.config.suite import SuiteConfig
from dunwu.config.tasks import DatasetTask
from dunwu.config.zero import EvalConfig
from dunwu.data.generators.base import generate
from dunwu.data.generators.make import make_generator
from dunwu.data.prompts import sampling_params
from dunwu.errors import ModelError
from dunwu.jobs.evaluate import run_evaluation
from dunwu.jobs.measure import run_measure
from dunwu.jobs.suite import run_suite
from dunwu.models.loading import load_model, save_model
from dunwu.rollout.torch_engine.engine import TorchEngine

PLACES = ("tokenizer", "generation_config", "list in generation_config", "config", "chat template")


def rewrite(path: Path, **values: Any) -> None:
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({name: value for name, value in (known | values).items() if value is not None}), encoding="utf-8")


@pytest.fixture(params=PLACES)
def moved(request: pytest.FixtureRequest, taught_base: str, tmp_path: Path) -> str:
    """The taught model, its end in one place alone; the tokenizer has another end, which the model never writes."""
    model, tokenizer = load_model(taught_base)
    end, place, folder = int(tokenizer.eos_token_id), request.param, tmp_path / "moved"
    chat = "{% for m in messages %}{{ m['content'] }}" + str(tokenizer.eos_token) + "{% endfor %}"
    tokenizer.add_special_tokens({"extra_special_tokens": [tokenizer.eos_token]})
    if place != "tokenizer":
        tokenizer.eos_token = "<|pad|>"
    tokenizer.chat_template = chat if place == "chat template" else None
    save_model(model, tokenizer, folder)
    written = {"generation_config": end, "list in generation_config": [500, end]}.get(place)
    rewrite(folder / "generation_config.json", eos_token_id=written)
    rewrite(folder / "config.json", eos_token_id=end if place == "config" else None)
    return str(folder)


def test_the_same_weights_give_the_same_pass_at_1(moved: str, taught_base: str, say_data: Path, tmp_path: Path) -> None:
    task = DatasetTask(path=str(say_data))
    config = EvalConfig(task=task, problems=5, samples=4, sampling=SamplingConfig(max_tokens=30))
    expected, found = (run_evaluation(model, config, "tiny", None, "cpu", 1, 64) for model in (taught_base, moved))
    assert [(row.completion, row.score) for row in found.rows] == [(row.completion, row.score) for row in expected.rows]
    assert 0 < found.summary()["pass_at_1"] == expected.summary()["pass_at_1"]
    assert found.summary()["clipped_ratio"] < 1

    held_out = f"{{task: {{kind: dataset, path: {say_data}}}, problems: 5, samples: 4, sampling: {{max_tokens: 30}}}}"
    fixed = [f"model={moved}", "reward_workers=0", "device=cpu", "threads=1"]
    (tmp_path / "out").mkdir()
    run_measure(load_config(EvaluateConfig, None, [*fixed, f"evaluations=[{held_out}]"]), tmp_path / "out")
    measured = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert measured["say"]["pass_at_1"] == expected.summary()["pass_at_1"]
    suite = run_suite(load_config(SuiteConfig, None, [*fixed, f"reasoning={{say: {held_out}}}"]), tmp_path / "suite")
    metrics = json.loads((suite / "suite" / "suite.json").read_text(encoding="utf-8"))["metrics"]
    assert metrics["reasoning.pass_at_1"]["value"] == pytest.approx(expected.summary()["pass_at_1"])


def test_training_sampling_and_generators_stop_there_too(
    moved: str, taught_base: str, zero_config: Callable[..., Any], open_trainer: Any, tmp_path: Path
) -> None:
    end = load_model(taught_base)[1].eos_token_id
    with open_trainer(tmp_path / "run", zero_config(f"model={moved}")) as trainer:
        assert end in trainer.sampling.stop_token_ids
        assert trainer.sampling.stop_token_ids == trainer.engine.stop_token_ids
    [[written]] = generate(make_generator(LocalGenerator(model=moved, threads=1)), ["Say 3."], 1, SamplingConfig(max_tokens=60), 0)
    assert written.finished


def test_the_end_of_a_form_counts_where_the_form_prompts(new_policy: Callable[..., Any], tmp_path: Path) -> None:
    from tests.models.tokenizers_of_kinds import byte_level

    tokenizer = byte_level()
    model = new_policy(0)
    model.resize_token_embeddings(len(tokenizer))
    engine = TorchEngine(model, tokenizer, native=False)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert end not in engine.stop_token_ids
    assert end in sampling_params(SamplingConfig(), "chatml", tokenizer, engine).stop_token_ids
    assert sampling_params(SamplingConfig(), "plain", tokenizer, engine).stop_token_ids == engine.stop_token_ids


def test_a_model_in_which_nothing_ends_a_completion_is_one_line(taught_base: str, say_data: Path, tmp_path: Path) -> None:
    model, tokenizer = load_model(taught_base)
    tokenizer.eos_token = tokenizer.chat_template = None
    save_model(model, tokenizer, folder := tmp_path / "endless")
    for name in ("config.json", "generation_config.json"):
        rewrite(folder / name, eos_token_id=10**6)
    with pytest.raises(ModelError, match="eos_token"):
        run_evaluation(str(folder), EvalConfig(task=DatasetTask(path=str(say_data)), problems=1, samples=1), "r1-zero", None, "cpu", 1, 64)
