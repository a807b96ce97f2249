"""Recipes as YAML: read, changed by overrides, written back; each mistake in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.recipe_file import dump_pipeline, read_pipeline, with_overrides

RECIPE = """
name: two
stages:
  base: {work: file, path: models/base, holds: model}
  rows: {work: own, function: f.py:f, parameters: {n: 3}}
  sft:
    work: sft
    inputs: {model: base, data: rows}
    epochs: 3
  zero:
    work: zero
    preset: r1-zero-v1
    inputs: {model: sft}
    grpo: {steps: 7}
    evaluations: []
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Own.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def work(pipeline: Pipeline, stage: str) -> Any:
    return pipeline[stage].work


def complaint(tmp_path: Path, text: str, *overrides: str) -> str:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_pipeline(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_recipe_is_read(file: Path) -> None:
    pipeline = read_pipeline(file)
    assert pipeline.name == "two"
    assert [(stage.name, stage.kind) for stage in pipeline.stages] == [("base", "file"), ("rows", "own"), ("sft", "sft"), ("zero", "zero")]
    assert dict(pipeline["sft"].inputs) == {"model": "base", "data": "rows"}
    assert isinstance(work(pipeline, "sft"), SftConfig)
    assert (work(pipeline, "sft").epochs, work(pipeline, "sft").data) == (3, "@rows")
    assert work(pipeline, "zero").grpo.steps == 7, "the recipe's own over the preset's"
    assert work(pipeline, "zero").grpo.learning_rate == 3e-6, "the preset's over the default"


def test_a_recipe_without_a_name_has_its_files(tmp_path: Path) -> None:
    path = tmp_path / "Mine.yaml"
    path.write_text("stages: {a: {work: own, function: f.py:f}}", encoding="utf-8")
    assert read_pipeline(path).name == "mine"


def test_what_is_written_reads_back_to_an_equal_pipeline(file: Path, tmp_path: Path) -> None:
    pipeline = read_pipeline(file)
    copy = tmp_path / "copy.yaml"
    copy.write_text(dump_pipeline(pipeline), encoding="utf-8")
    assert read_pipeline(copy) == pipeline
    made = Pipeline("made", (Stage("zero", ZeroConfig()), Stage("again", ZeroConfig(), {"model": "zero"})))
    copy.write_text(dump_pipeline(made), encoding="utf-8")
    assert read_pipeline(copy) == made


def test_overrides_reach_every_stage_and_its_inputs(file: Path) -> None:
    pipeline = read_pipeline(file, ["zero.grpo.steps=9", "--sft.learning_rate", "1e-4", "rows.parameters.n=5", "zero.inputs.model=base"])
    assert work(pipeline, "zero").grpo.steps == 9
    assert work(pipeline, "sft").learning_rate == 1e-4
    assert work(pipeline, "rows").parameters == {"n": 5}
    assert dict(pipeline["zero"].inputs) == {"model": "base"}
    assert work(with_overrides(pipeline, ["zero.tasks.0.task.levels=[2]"]), "zero").tasks[0].task.levels == (2,)
    assert work(read_pipeline(file, ["zero.evaluations=[{problems: 3}]"]), "zero").evaluations[0].problems == 3
    assert with_overrides(pipeline, []) == pipeline


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stages: {a: {work: zer}}", "; did you mean zero?"),
        ("stages: {a: {grpo: {steps: 3}}}", "stage a: work is missing: choose from file, own"),
        ("stages: {a: {work: zero, grpo: {step: 3}}}", "stage a: unknown key grpo.step: did you mean grpo.steps?"),
        ("stages: {a: {work: zero, grpo: {steps: many}}}", "stage a: grpo.steps = 'many': expected a valid integer"),
        ("stages: {a: {work: sft}}", "stage a: data is missing"),
        ("stages: {a: {work: zero, inputs: model}}", "stage a: inputs = model: expected lines of `key: stage`"),
        ("stages: {a: {work: zero, inputs: {model: 3}}}", "stage a: inputs = {'model': 3}"),
        ("stages: {a: {work: zero, model: tiny, inputs: {model: b}}, b: {work: zero}}", "stage a: model is given twice"),
        ("stages: {a: {work: zero, inputs: {model: b}}, b: {work: zero, inputs: {model: a}}}", "a -> b -> a"),
        ("stages: {a: {work: zero, inputs: {model: bse}}, base: {work: zero}}", "inputs.model = 'bse' is not a stage; did you mean base?"),
        ("stages: {../a: {work: zero}}", "stage name '../a': use lower-case letters"),
        ("stages: {1: {work: zero}}", "stages.1 = "),
        ("stages: {a: zero}", "stages.a = 'zero': expected a name and lines"),
        ("stages: []", "stages is missing"),
        ("name: x", "stages is missing"),
        ("stage: {a: {work: zero}}", "unknown key stage: a pipeline has name and stages"),
        ("stages: {a: {work: zero}, a: {work: zero}}", "the key 'a' is given twice"),
        ("[]", "expected lines of `key: value`"),
    ],
)
def test_a_mistake_is_one_line_with_the_remedy(text: str, said: str, tmp_path: Path) -> None:
    found = complaint(tmp_path, text)
    assert said in found
    assert found.startswith(str(tmp_path / "wrong.yaml"))


def test_eval_sets_follow_the_data_that_another_stage_makes(tmp_path: Path) -> None:
    text = "stages: {rows: {work: own, function: f.py:f}, zero: {work: zero, tasks: [{task: {kind: dataset}}],"
    text += " inputs: {tasks.0.task.path: rows}}}"
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    pipeline = read_pipeline(tmp_path / "a.yaml")
    assert with_overrides(pipeline, []) == pipeline
    filled = pipeline["zero"].filled({"tasks.0.task.path": "made.jsonl"})
    assert isinstance(filled, ZeroConfig)
    assert [each.task.model_dump()["path"] for each in filled.evaluations] == ["made.jsonl"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("zeor.grpo.steps=3", "zeor.grpo.steps = 3: start with a stage, such as zero, and a dot"),
        ("seed=3", "seed = 3: start with a stage"),
        ("zero=3", "zero = 3: give keys of this stage"),
        ("zero.grpo.lr=1", "stage zero: unknown key grpo.lr: did you mean grpo.learning_rate?"),
        ("zero.model=tiny", "stage zero: model is given twice"),
        ("zero.inputs.model=nowhere", "inputs.model = 'nowhere' is not a stage"),
    ],
)
def test_an_override_that_cannot_be_is_one_line(override: str, said: str, tmp_path: Path) -> None:
    assert said in complaint(tmp_path, RECIPE, override)


def test_keys_of_a_file_come_before_overrides(file: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text(
        "sft: &few {epochs: 5, learning_rate: 1e-4}\n"
        "zero.grpo.steps: 9\n"
        "zero:\n  grpo: {beta: 0.5}\n  sampling.max_tokens: 33\n  tasks: [{task: {kind: game24}}]\n  template: {system: '👍: a\u2028b'}\n",
        encoding="utf-8",
    )
    zero, sft = (work(with_overrides(read_pipeline(file), ["zero.grpo.beta=0.25"], keys), name) for name in ("zero", "sft"))
    assert (zero.grpo.steps, zero.grpo.beta, zero.sampling.max_tokens, zero.grpo.learning_rate) == (9, 0.25, 33, 3e-6)
    assert ([each.task.kind for each in zero.tasks], zero.template.system) == (["game24"], "👍: a\u2028b")
    assert (sft.epochs, sft.learning_rate) == (5, 1e-4)


def test_a_value_with_a_kind_replaces_the_whole(tmp_path: Path) -> None:
    recipe, keys = tmp_path / "a.yaml", tmp_path / "keys.yaml"
    rewriter = "rewriter: {kind: model, generator: {kind: endpoint, url: 'http://localhost:1/v1', model: a}}"
    recipe.write_text(f"stages: {{cold: {{work: cold_start, sources: {{zero: {{kind: zero, {rewriter}}}}}}}}}", encoding="utf-8")
    keys.write_text("cold: {sources.zero: {samples: 3, rewriter: {kind: rules}}}", encoding="utf-8")
    source = work(with_overrides(read_pipeline(recipe), [], keys), "cold").sources["zero"]
    assert (source.rewriter.kind, source.samples) == ("rules", 3)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("", "found nothing"),
        ("- zero", "found a list"),
        ("zero:", "zero = None: give keys of this stage"),
        ("zero: {}", "zero = {}: give keys of this stage"),
        ("zeor: {}", "zeor = {}: start with a stage, such as zero"),
        ("zero: {grpo: {stepss: 3}}", "stage zero: unknown key grpo.stepss: did you mean grpo.steps?"),
        ("zero: {model: tiny}", "stage zero: model is given twice"),
        ("zero: {grpo: {steps: 3}}\nzero: {seed: 1}", "line 2: the key 'zero' is given twice"),
        ("name: two\nstages: {zero: {seed: 1}}", "name = 'two': start with a stage"),
        ("zero: &a {grpo: *a}", "an alias refers to a value that contains it"),
    ],
)
def test_a_file_of_keys_that_cannot_be_used_is_one_line(keys: str, said: str, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(keys, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        with_overrides(read_pipeline(file), [], path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_input_inside_a_value_with_a_kind_is_given_twice(tmp_path: Path) -> None:
    """The stage that the input names would silently replace the model at the endpoint."""
    recipe = (
        "stages:\n  zero: {work: zero}\n  cold: {work: cold_start, inputs: {sources.zero.generator.model: zero},"
        " sources: {zero: {kind: zero, generator: {kind: local}}}}\n"
    )
    endpoint = "cold.sources.zero.generator={kind: endpoint, url: 'http://localhost:1/v1', model: a}"
    assert "sources.zero.generator.model is given twice" in complaint(tmp_path, recipe, endpoint)
