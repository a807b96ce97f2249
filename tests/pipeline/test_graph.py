"""A pipeline is checked when it is made."""

from __future__ import annotations

from typing import Any

import pytest

from dunwu.config.blocks import EngineConfig
from dunwu.config.pipeline import EvaluateConfig, FileConfig, OwnConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from dunwu.pipeline.graph import Pipeline, Stage

OWN = OwnConfig(function="f.py:f")


def own(name: str, *sources: str) -> Stage:
    return Stage(name, OWN, {f"files.{source}": source for source in sources})


def names(stages: Any) -> list[str]:
    return [stage.name for stage in stages]


def test_stages_are_held_in_an_order_that_can_be_done() -> None:
    pipeline = Pipeline("p", (own("d", "b", "c"), own("b", "a"), own("a"), own("c", "a")))
    assert names(pipeline.stages) == ["a", "b", "c", "d"]
    assert names(pipeline.final()) == ["d"]
    kept = Pipeline("p", (own("z"), own("a"), own("m", "z")))
    assert names(kept.stages) == ["z", "a", "m"], "where any order can be done, the given one stays"


def test_parts_of_a_pipeline() -> None:
    pipeline = Pipeline("p", (own("a"), own("b", "a"), own("c", "a"), own("d", "b", "c"), own("e")))
    assert names(pipeline.between()) == ["a", "b", "c", "d", "e"]
    assert names(pipeline.between(last="b")) == ["a", "b"]
    assert names(pipeline.between(first="b")) == ["b", "d"]
    assert names(pipeline.between("a", "c")) == ["a", "c"]
    with pytest.raises(ConfigError, match="nothing to do between them"):
        pipeline.between("b", "c")


def test_what_an_input_fills_says_so_until_it_is_a_path() -> None:
    stage = Stage("zero", ZeroConfig(), {"model": "base"})
    assert isinstance(stage.work, ZeroConfig)
    assert stage.work.model == "@base"
    filled = stage.filled({"model": "/somewhere"})
    assert isinstance(filled, ZeroConfig)
    assert (filled.model, filled.grpo) == ("/somewhere", stage.work.grpo)
    with pytest.raises(TypeError):
        stage.inputs["model"] = "other"  # type: ignore[index]


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "", ".", "a b", "-a", "a.b", "x" * 65, "名"])
def test_a_name_that_could_be_a_path_or_a_key_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="use lower-case letters"):
        Stage(name, OWN)
    with pytest.raises(ConfigError, match="use lower-case letters"):
        Pipeline(name, (own("a"),))


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([], "has no stages"),
        ([own("a"), own("a")], "two stages named 'a'"),
        ([own("a", "a")], "a -> a"),
        ([own("x"), own("a", "x", "c"), own("b", "a"), own("c", "b")], "a -> b -> c -> a"),
        ([own("d", "a"), own("a", "b"), own("b", "a")], "a -> b -> a"),
        ([own("rows"), own("b", "row")], r"inputs.files.row = 'row' is not a stage; did you mean rows\?"),
        ([own("rows"), Stage("b", OWN, {"files.x": "./x.jsonl"})], "a file from outside is a stage with `work: file`"),
        (
            [Stage("rows", FileConfig(path="x")), Stage("zero", ZeroConfig(), {"model": "rows"})],
            "inputs.model must be of the kind model, and rows makes data",
        ),
        (
            [Stage("m", FileConfig(path="x", holds="model")), Stage("s", SftConfig(data=""), {"data": "m"})],
            "inputs.data must be of the kind data, and m makes model",
        ),
        (
            [Stage("e", EvaluateConfig()), Stage("zero", ZeroConfig(), {"model": "e"})],
            "must be of the kind model, and e makes evaluation",
        ),
    ],
)
def test_what_is_no_pipeline_is_refused_in_one_line(stages: list[Stage], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Pipeline("p", tuple(stages))
    assert "\n" not in str(caught.value)


def test_an_input_must_be_one_that_the_work_takes() -> None:
    with pytest.raises(ConfigError, match=r"stage z: inputs.grpo.steps is not an input of zero; it takes model, tasks\.\*\.task\.path"):
        Stage("z", ZeroConfig(), {"grpo.steps": "a"})
    with pytest.raises(ConfigError, match=r"inputs\.path is not an input of file; it takes no inputs"):
        Stage("f", FileConfig(path="x"), {"path": "a"})
    with pytest.raises(ConfigError, match=r"stage z: tasks\.7\.task\.path"):
        Stage("z", ZeroConfig(), {"tasks.7.task.path": "a"})
    with pytest.raises(ConfigError, match="EngineConfig is not a kind of work"):
        Stage("p", EngineConfig())
