"""What a run directory stands for in `dunwu eval`, `report`, `explain`, `status` and `verify rollout`, and the JSON of three commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import dunwu
from dunwu.cli.main import main
from dunwu.config.load import load_config
from dunwu.config.references import references
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError, DataError, RunError
from dunwu.pipeline.run_models import model_of, own_evaluation, with_final_models
from dunwu.run.reporter import Reporter

KEYS = [
    *("grpo.steps=2", "grpo.prompts_per_step=2", "grpo.group_size=2", "sampling.max_tokens=12", "save_every=1", "threads=1"),
    *("reward_workers=0", "dump_rollouts_every=1", "template=plain"),
    "evaluations=[{task: {kind: game24}, problems: 3, samples: 2, sampling: {max_tokens: 9, temperature: 0.5}}]",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "zero"
    assert main(["zero", "--out", str(path), *KEYS]) == 0
    return path


class Warnings(Reporter):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        self.texts.append(text)


def test_a_run_is_its_newest_valid_checkpoint(run: Path, tmp_path: Path) -> None:
    steps = run / "checkpoints"
    assert model_of(str(run)) == str(steps / "step-000002")
    assert model_of(str(steps / "step-000001")) == str(steps / "step-000001")
    assert model_of("tiny") == "tiny"
    assert model_of("owner/name") == "owner/name"
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "checkpoints" / "step-000002" / "model.safetensors").write_bytes(b"torn")
    heard = Warnings()
    assert model_of(str(copy), heard) == str(copy / "checkpoints" / "step-000001")
    assert ["step-000002" in text for text in heard.texts] == [True]
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(RunError):
        model_of(str(copy))


def test_eval_of_a_run_measures_as_the_run_did_and_prints_one_json_object(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert own_evaluation(str(run / "checkpoints" / "step-000001"))["problems"] == 3
    assert main(["eval", str(run), "--samples", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert set(found) == {"model", "template", "set", "config", "summary"}
    assert (found["model"], found["template"], found["set"]) == (str(run / "checkpoints" / "step-000002"), "plain", "game24")
    assert (found["config"]["problems"], found["config"]["samples"], found["config"]["sampling"]["max_tokens"]) == (3, 1, 9)
    assert (found["summary"]["problems"], found["summary"]["k"]) == (3, 1)
    assert "game24" in err


def test_the_form_of_answers_is_the_runs_whatever_the_task(tmp_path: Path) -> None:
    step = tmp_path / "run" / "checkpoints" / "step-000001"
    step.mkdir(parents=True)
    config = tmp_path / "run" / "config.yaml"
    config.write_text("answer_form: boxed\ntasks: [{task: {kind: game24}}]\nsampling: {max_tokens: 9}\n", encoding="utf-8")
    assert own_evaluation(str(step), "gsm8k") == {"task": "gsm8k", "answer_form": "boxed"}
    assert own_evaluation(str(step))["answer_form"] == "boxed"
    config.write_text("seed: 0\n", encoding="utf-8")
    assert own_evaluation(str(step), "gsm8k") == {"task": "gsm8k"}
    assert own_evaluation(str(step)) == {}


def test_a_named_task_replaces_that_of_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--task", "countdown", "--problems", "1", "--samples", "1", "--max-tokens", "4", "--json"]
    assert main(["eval", "--model", str(run), *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["set"], found["config"]["problems"], found["config"]["sampling"]["temperature"]) == ("countdown", 1, 1.0)


def test_python_evaluates_a_run_too(run: Path) -> None:
    result = dunwu.evaluate(run, samples=1, reporter=None)
    assert (result.name, result.summary()["problems"]) == ("game24", 3)


def test_a_pipeline_is_its_final_model_or_says_which_there_are(tmp_path: Path) -> None:
    keys = "grpo: {steps: 1, prompts_per_step: 2, group_size: 2}, sampling: {max_tokens: 8}, evaluations: [], threads: 1, reward_workers: 0"
    recipe = tmp_path / "recipe.yaml"
    stages = f"  a: {{work: zero, {keys}}}\n  b: {{work: zero, inputs: {{model: a}}, {keys}}}\n"
    recipe.write_text(f"name: p\nstages:\n{stages}", encoding="utf-8")
    out = str(tmp_path / "out")
    assert main(["run", str(recipe), "--out", out, "--until", "a"]) == 0
    with pytest.raises(RunError, match=r"stage b.*a: "):
        model_of(out)
    assert main(["run", str(recipe), "--out", out]) == 0
    final = Path(model_of(out))
    assert (final.name, "stages/b/" in str(final)) == ("step-000001", True)
    found = with_final_models(load_config(ZeroConfig, None, [f"model={out}", f"reward=[accuracy, {{kind: teacher, teacher: {out}}}]"]))
    assert [name for _, name, kind in references(found) if kind == "model"] == [str(final)] * 2


@pytest.mark.parametrize("arguments", [["eval"], ["report"], ["explain"], ["status"], ["verify", "rollout"]], ids=" ".join)
def test_a_folder_that_is_no_run_is_refused(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    code = main([*arguments, str(tmp_path)])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_report_takes_a_checkpoint_and_verify_rollout_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run / "checkpoints" / "step-000002")]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert main(["verify", "rollout", str(run), "--json"]) == 0
    assert "recorded" in json.loads(capsys.readouterr().out)
    assert main(["status", str(run)]) == 2


def test_explain_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    top, base = found["lineage"]
    assert found["model"] == str(run)
    assert (top["depth"], top["valid"], top["config"]["model"], top["last_metrics"]["step"]) == (0, True, "tiny", 2)
    assert (base["depth"], base["model"]) == (1, "tiny")
    assert "sha256" in base["card"]


def test_doctor_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] == (code == 0)
    assert {"python", "torch", "memory"} <= {finding["name"] for finding in found["findings"]}
    assert all(set(finding) == {"name", "status", "text"} for finding in found["findings"])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda out: dunwu.evaluate("tiny", out=out / "file", problems=1), RunError),
        (lambda out: dunwu.evaluate("tiny", device=None, problems=1), ConfigError),
        (lambda out: dunwu.evaluate("tiny", problems=1, reporter=print), ConfigError),
        (lambda out: dunwu.train_grpo(out=out / "run", reporter=print), ConfigError),
        (lambda out: dunwu.train_sft(out=out / "run", data="x.jsonl", device=None), ConfigError),
        (lambda out: dunwu.Engine().generate("x", seed=-1), ConfigError),
        (lambda out: dunwu.Engine().generate([{"role": "user", "content": "hi"}]), DataError),
        (lambda out: dunwu.problems(seed=-1), ConfigError),
    ],
)
def test_a_wrong_type_in_python_is_one_line(call: Any, error: type[Exception], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(error) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
