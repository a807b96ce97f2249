"""What a stage's identity depends on: contents, never places."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dunwu.config.base import Config
from dunwu.config.load import load_config
from dunwu.config.pipeline import FileConfig, OwnConfig
from dunwu.config.references import CodeRef, DataRef, ModelRef
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.jobs.outside import missing_file, outside_files
from dunwu.pipeline import graph, stages
from dunwu.pipeline.graph import Stage
from dunwu.pipeline.identity import Input, differ_in_code_alone, difference, identity_of, placeless_config, same_config
from dunwu.pipeline.stages import KINDS


def zero(*overrides: str) -> Stage:
    return Stage("zero", load_config(ZeroConfig, None, overrides))


def digest(stage: Stage, **inputs: str) -> str:
    return identity_of(stage, {key: Input(value, {"stage": "s"}) for key, value in inputs.items()}).digest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_model_counts_by_its_content_wherever_it_lies(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "copy")
    assert digest(zero(f"model={model}")) == digest(zero(f"model={tmp_path / 'copy'}"))
    before = digest(zero(f"model={model}"))
    (model / "model.safetensors").write_bytes(b"Weights")
    assert digest(zero(f"model={model}")) != before
    assert digest(zero("model=Qwen/Qwen2.5-0.5B")) != digest(zero("model=Qwen/Qwen2.5-1.5B")), "a hub id counts by its name"


def test_configuration_inputs_and_kind_count_and_the_stages_name_does_not() -> None:
    taken = Stage("zero", ZeroConfig(), {"model": "base"})
    assert digest(taken, model="1") != digest(taken, model="2")
    assert digest(taken, model="1") == digest(Stage("other", ZeroConfig(), {"model": "another"}), model="1")
    assert digest(zero()) != digest(zero("seed=1"))
    assert digest(Stage("f", FileConfig(path="x"))) != digest(Stage("f", FileConfig(path="x", holds="model")))


def test_trackers_do_not_count() -> None:
    assert digest(zero("report_to=[tensorboard]")) == digest(zero())


def test_a_configuration_is_the_one_that_was_written(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"problem": "1 + 1", "answer": "2"}', encoding="utf-8")
    config = placeless_config(zero(f"tasks=[{{task: {{kind: countdown, levels: [1, 2]}}}}, {tmp_path / 'rows.jsonl'}]"))
    assert config["tasks"][1]["task"]["path"] is None
    assert config == json.loads(json.dumps(config)), "else a finished stage never counts as finished"


def test_files_that_a_configuration_names(model: Path, tmp_path: Path) -> None:
    rewards = tmp_path / "rewards.py"
    rewards.write_text("def f(prompts, completions): return [0.0]\n", encoding="utf-8")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}", encoding="utf-8")
    task = f"{{kind: dataset, path: {rows}}}"
    config = load_config(
        ZeroConfig,
        None,
        [f"model={model}", f"reward=[accuracy, '{rewards}:f']", f"tasks=[{{task: {task}}}]", "evaluations=[]", "device=cpu"],
    )
    found = outside_files(config)
    assert {key: file.path for key, file in found.items()} == {"model": model, "reward.1.function": rewards, "tasks.0.task.path": rows}
    assert found["reward.1.function"].function == "f"
    assert outside_files(ZeroConfig())["model"].path.name == "tiny-base"
    own = OwnConfig(function=f"{rewards}:f", files={"a": str(rows), "b": str(tmp_path / "missing")}, parameters={"path": str(rows)})
    assert outside_files(own).keys() == {"function", "files.a"}, "a parameter is a value, whatever it is called"


def test_inputs_are_known_by_type_and_not_by_how_a_key_is_spelt(model: Path, tmp_path: Path) -> None:
    class Teacher(Config):
        teacher: ModelRef
        corpora: tuple[DataRef, ...] = ()
        judge: CodeRef | None = None
        path: str = "rows.jsonl"

    class Distillation(Config):
        model: str = "a label"
        teachers: dict[str, Teacher]

    rows, code = tmp_path / "rows.jsonl", tmp_path / "judge.py"
    rows.write_text("{}", encoding="utf-8")
    code.write_text("", encoding="utf-8")
    work = Distillation(
        model=str(model), teachers={"large": Teacher(teacher=str(model), corpora=(str(rows),), judge=f"{code}:judge", path=str(rows))}
    )
    found = outside_files(work)
    assert {key: file.path for key, file in found.items()} == {
        "teachers.large.teacher": model,
        "teachers.large.corpora.0": rows,
        "teachers.large.judge": code,
    }
    assert found["teachers.large.judge"].function == "judge"
    assert missing_file(Distillation(teachers={"a": Teacher(teacher="./gone")})) == ("teachers.a.teacher", "./gone")


def test_a_field_called_teacher_is_hashed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Distilled(SftConfig):
        teacher: ModelRef

    monkeypatch.setattr(graph, "KINDS", {**KINDS, "distilled": Distilled})
    monkeypatch.setattr(stages, "KINDS", {**KINDS, "distilled": Distilled})
    stage = Stage("student", Distilled(data="rows.jsonl", teacher=str(model)))
    before = identity_of(stage, {})
    assert before.config["teacher"] is None
    (model / "model.safetensors").write_bytes(b"another teacher")
    after = identity_of(stage, {})
    assert difference(before.as_json(), after.as_json()) == "teacher has changed"


def test_a_local_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert missing_file(load_config(ZeroConfig, None, ["model=./gone"])) == ("model", "./gone")
    assert missing_file(load_config(ZeroConfig, None, ["reward=[accuracy, 'gone.py:f']"])) == ("reward.1.function", "gone.py:f")
    assert missing_file(OwnConfig(function=f"{__file__}:f", files={"rows": "rows.jsonl"})) == ("files.rows", "rows.jsonl")
    for overrides in ([], ["model=Qwen/Qwen2.5-0.5B"], ["tasks=[{task: {kind: dataset, path: gsm8k}}]"], [f"model={tmp_path}"]):
        assert missing_file(load_config(ZeroConfig, None, overrides)) is None


def test_another_function_of_the_same_file_is_another_stage(tmp_path: Path) -> None:
    file = tmp_path / "f.py"
    file.write_text("", encoding="utf-8")
    assert digest(Stage("a", OwnConfig(function=f"{file}:f"))) != digest(Stage("a", OwnConfig(function=f"{file}:g")))


def test_keys_that_are_newer_than_a_result_do_not_count_at_their_default() -> None:
    now = identity_of(zero(), {}).as_json()
    grpo = {key: value for key, value in now["config"]["grpo"].items() if key != "staleness"}
    older = {key: value for key, value in now["config"].items() if key != "budget_share"} | {"grpo": grpo}
    earlier = {**now, "config": older, "code": {**now["code"], "errors.py": "x"}}
    assert same_config("zero", older, now["config"])
    assert differ_in_code_alone(earlier, now)
    assert difference(earlier, now) == "dunwu/errors.py has changed"
    for key in ("budget_share=0.5", "grpo.beta=0.5"):
        other = identity_of(zero(key), {}).as_json()
        assert not same_config("zero", older, other["config"])
        assert not differ_in_code_alone(earlier, other)
    assert not same_config("zero", {**now["config"], "gone": 1}, now["config"])


def test_what_differs_is_told(model: Path) -> None:
    def told(first: Stage, second: Stage) -> str:
        return difference(identity_of(first, {}).as_json(), identity_of(second, {}).as_json())

    assert told(zero(), zero()) == ""
    assert told(zero(), zero("grpo.steps=151")) == "grpo.steps was 150, is 151"
    assert told(zero(), zero(f"model={model}")) == "model has changed"
    first = identity_of(zero(), {}).as_json()
    assert difference({**first, "code": {**first["code"], "errors.py": "x"}}, first) == "dunwu/errors.py has changed"
