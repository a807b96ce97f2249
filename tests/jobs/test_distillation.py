"""`run_distillation` from beginning to end: every way, as a stage, killed and resumed, and each mistake before anything is written."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dunwu.cli.main import main
from dunwu.config.distill import DistillConfig
from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.load import load_config, validate
from dunwu.config.pretrain import ModelShape
from dunwu.config.recipe_commands import recipe_of
from dunwu.errors import ConfigError, RunError
from dunwu.jobs.distillation import run_distillation
from dunwu.models.loading import load_model, save_model
from dunwu.models.new import new_model
from dunwu.pipeline.recipe_file import make_pipeline, read_pipeline
from dunwu.pipeline.recipes.distill import distill_pipeline, read_distill
from dunwu.run.directory import content_hash, read_manifest, read_metrics

METHODS = ["logits", "{kind: logits, top_k: 8}", "hidden", "attention", "{kind: on-policy, sampling: {max_tokens: 4}}"]
ConfigOf = Callable[..., DistillationConfig]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"Say {n}.", "completion": f"{n}!"}) + "\n" for n in range(9)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def student(world_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("student")
    shape = ModelShape(family="qwen2", hidden=16, layers=1, heads=2, kv_heads=1, intermediate=32, max_positions=256)
    save_model(new_model(shape, world_tokenizer, 3), world_tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def config_of(student: Path, taught_base: str, rows: Path) -> ConfigOf:
    fixed = [f"model={student}", f"teacher={taught_base}", f"data={rows}", f"validation={rows}", "batch_size=4", "epochs=1"]
    often = ["device=cpu", "threads=1", "save_every=1", "sample_every=1000", "sampling.max_tokens=4"]
    return lambda *more: load_config(DistillationConfig, None, [*fixed, *often, *more])


@pytest.mark.parametrize("method", METHODS)
def test_a_run_of_each_way(config_of: ConfigOf, taught_base: str, tmp_path: Path, method: str) -> None:
    run = run_distillation(config_of(f"method={method}"), tmp_path / "run")
    metrics, manifest = read_metrics(run), read_manifest(run)
    terms = {"hidden", "attention", "divergence"} & metrics[-1].keys()
    assert len(terms) == 1
    assert {"cross_entropy", f"eval_{terms.pop()}"} <= metrics[-1].keys()
    assert manifest["kind"] == "distillation"
    assert manifest["inputs"]["teacher"] == content_hash(Path(taught_base))
    assert (run / "report.html").is_file()
    load_model(str(run / "checkpoints" / "step-000003"))


def test_a_stored_teacher_runs_once(config_of: ConfigOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(f"method={{kind: logits, top_k: 8, stored: {tmp_path / 'stored'}}}")
    first = run_distillation(config, tmp_path / "first")
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "stored").rglob("*.safetensors")}
    assert len(kept) == 1  # the validation rows are the same
    loaded: list[str] = []
    monkeypatch.setattr("dunwu.jobs.distillation.load_model", lambda name, device: loaded.append(name))
    second = run_distillation(config, tmp_path / "second")
    assert not loaded
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "stored").rglob("*.safetensors")} == kept
    final = "checkpoints/step-000003/model.safetensors"
    assert (first / final).read_bytes() == (second / final).read_bytes()


def test_a_folder_that_cannot_be_made_is_one_line(config_of: ConfigOf, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        run_distillation(config_of(f"method={{kind: logits, top_k: 8, stored: {rows}}}"), tmp_path / "run")
    assert "method.stored" in str(caught.value)
    assert "\n" not in str(caught.value)


CHILD = """
import os, signal, sys
from pathlib import Path
from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.load import load_config
from dunwu.jobs.distillation import run_distillation
from dunwu.trainers.distill import DistillTrainer
step = DistillTrainer.step
def killed(self, number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number)
DistillTrainer.step = killed
run_distillation(load_config(DistillationConfig, None, sys.argv[2:]), Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["{kind: hidden, layers: learned}", "{kind: on-policy, student_share: 0.5, sampling: {max_tokens: 4}}"])
def test_a_killed_run_resumes_to_the_same_bytes(config_of: ConfigOf, tmp_path: Path, method: str) -> None:
    config = config_of(f"method={method}")
    whole = run_distillation(config, tmp_path / "whole")
    given = [f"{key}={json.dumps(value)}" for key, value in config.as_set().items() if key in config.model_fields_set]
    killed = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path / "run"), *given], capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run = run_distillation(config, tmp_path / "run", resume=True)
    for name in ("model.safetensors", "trainer/state.safetensors"):
        assert (run / "checkpoints/step-000003" / name).read_bytes() == (whole / "checkpoints/step-000003" / name).read_bytes()


def other_model(tokenizer: Any, folder: Path, **shape: Any) -> str:
    sizes = {"hidden": 16, "layers": 1, "heads": 2, "kv_heads": 1, "intermediate": 32, "max_positions": 256, **shape}
    save_model(new_model(ModelShape(**sizes), tokenizer, 0), tokenizer, folder)
    return str(folder)


def shorter(model: str, tokenizer: Any, folder: Path) -> str:
    """The model without the embeddings of its last ten tokens."""
    found: Any = load_model(model)[0]
    found.resize_token_embeddings(len(tokenizer) - 10)
    save_model(found, tokenizer, folder)
    return str(folder)


@pytest.mark.parametrize("mistake", ["tokenizer", "larger", "positions", "layers", "embedding"])
def test_a_teacher_that_does_not_fit_is_refused_before_anything_is_written(
    config_of: ConfigOf, taught_base: str, world_tokenizer: Any, tmp_path: Path, mistake: str
) -> None:
    overrides = {
        "tokenizer": lambda: ["teacher=tiny"],
        "larger": lambda: [f"model={other_model(world_tokenizer, tmp_path / 'm', hidden=64)}"],
        "positions": lambda: [f"model={other_model(world_tokenizer, tmp_path / 'm', max_positions=512)}"],
        "layers": lambda: ["method={kind: hidden, layers: last, last: 2}"],
        "embedding": lambda: [f"teacher={shorter(taught_base, world_tokenizer, tmp_path / 'm')}"],
    }[mistake]()
    with pytest.raises(ConfigError) as caught:
        run_distillation(config_of(*overrides), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_teacher_may_be_another_stage(student: Path, taught_base: str, rows: Path) -> None:
    file = {"work": "file", "path": taught_base, "holds": "model"}
    stage = {"work": "distillation", "inputs": {"teacher": "teacher"}, "model": str(student), "data": str(rows), "method": "hidden"}
    pipeline = make_pipeline({"name": "x", "stages": {"teacher": file, "student": stage}})
    assert pipeline["student"].inputs == {"teacher": "teacher"}


def test_the_command_builds_the_stage(student: Path, taught_base: str) -> None:
    given = ["teacher.kind=local", f"teacher.model={taught_base}", f"model={student}", "tasks=countdown", "evaluations=[]"]
    config, _ = read_distill(None, [*given, "method={kind: logits, weight: 0.9}"], fetch=False)
    work = distill_pipeline(config)["student"].work
    assert isinstance(work, DistillationConfig)
    assert (work.teacher, work.method.kind, work.method.weight) == (taught_base, "logits", 0.9)  # type: ignore[union-attr]
    assert not isinstance(distill_pipeline(read_distill(None, given, fetch=False)[0])["student"].work, DistillationConfig)


@pytest.mark.parametrize("method", ["logits", "hidden", "attention", "on-policy"])
@pytest.mark.parametrize(
    "teacher", [{"kind": "endpoint", "url": "http://localhost:1/v1", "model": "m"}, {"kind": "rows", "data": "x.jsonl"}]
)
def test_a_teacher_of_text_alone_is_refused(method: str, teacher: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"teacher\.kind"):
        validate(DistillConfig, {"teacher": teacher, "method": method})


def ends_otherwise(model: str, folder: Path) -> str:
    """The model with another end of sequence."""
    found, tokenizer = load_model(model)
    tokenizer.eos_token = "</answer>"
    save_model(found, tokenizer, folder)
    return str(folder)


def test_the_command_refuses_a_pair_before_it_runs(
    student: Path, taught_base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ["distill", "--task", "countdown", "--out", str(tmp_path / "run")]
    for more in (
        ["--teacher", "tiny", "--model", taught_base, "method=logits"],
        ["--teacher", ends_otherwise(taught_base, tmp_path / "ends"), "--model", str(student), "method=logits"],
        ["--teacher", str(student), "--model", taught_base, "method=hidden"],
        ["--teacher", taught_base, "--model", str(student), "method={kind: attention, last: 2}"],
        ["--teacher", taught_base, "--model", str(student), "student={hidden: 256, heads: 2}", "method=logits"],
    ):
        assert main([*other, *more]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert not (tmp_path / "run").exists()


INSIDE = ("logits", "hidden", "attention", "on-policy")


def test_the_recipe_of_all_ways() -> None:
    pipeline = read_pipeline(recipe_of("tiny/distill-inside", "run"))
    for way in INSIDE:
        stage = pipeline[way]
        assert isinstance(stage.work, DistillationConfig)
        assert (stage.work.method.kind, stage.inputs["teacher"]) == (way, "teacher")
    assert pipeline["on-policy"].inputs["model"] == "text"
    assert pipeline["table"].inputs.keys() == {f"rows.{place}.path" for place in range(2 + len(INSIDE))}


@pytest.mark.slow
def test_the_recipe_of_all_ways_on_small_models(taught_base: str, say_data: Path, student: Path, tmp_path: Path) -> None:
    task = f"{{task: {{kind: dataset, path: {say_data}}}}}"
    rows = [f"tasks=[{task}]", "prompts=4", "samples=8", "keep=4", "near_duplicates=1", "filters={}", "decontaminate=[]"]
    sets = f"{{say: {{task: {{kind: dataset, path: {say_data}}}, problems: 2, samples: 1, sampling: {{max_tokens: 8}}}}}}"
    models = {"teacher": taught_base, "base": str(student)}
    small = {
        "teacher-data": [f".{each}" for each in (*rows, "sampling.max_tokens=12", "reward_workers=0")],
        **{way: [".batch_size=4", ".epochs=1"] for way in ("text", *INSIDE)},
        **{f"measured-{name}": [f".reasoning={sets}", ".reward_workers=0"] for name in ("teacher", "text", *INSIDE)},
    }
    given = [f"{stage}{key}" for stage, keys in small.items() for key in keys]
    recipe = yaml.safe_load(recipe_of("tiny/distill-inside", "run").read_text(encoding="utf-8"))
    recipe["stages"] |= {name: {"work": "file", "path": path, "holds": "model"} for name, path in models.items()}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    assert (
        main(["run", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "run"), *given, "on-policy.method.sampling.max_tokens=8"]) == 0
    )
    for way in INSIDE:
        [metrics] = (tmp_path / "run").glob(f"stages/{way}/*/run/metrics.jsonl")
        assert {"teacher_tokens"} <= json.loads(metrics.read_text(encoding="utf-8").splitlines()[-1]).keys()
