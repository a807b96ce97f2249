"""How a model was made, from folders made by hand: the steps, the base, the data, and no place of this machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dunwu.analysis.model_history import Figure, Source, Step
from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.models.bundled import bundled_path
from dunwu.pipeline.history import history_of
from dunwu.pipeline.step_facts import is_hub_id, placeless, shown_settings, sources, teachers
from dunwu.run.checkpoint import save_checkpoint
from dunwu.run.directory import config_hash

LOCAL = {"kind": "local", "model": None}


def make_run(folder: Path, kind: str, config: dict[str, Any], **more: Any) -> Path:
    """A run directory with one checkpoint, which is returned."""
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    environment = {"cpu_count": 2, "torch": "2.13", "host": "secret-host"}
    manifest = {"kind": kind, "cost_seconds": 12.5, "environment": environment, **more}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "summary.json").write_text(
        json.dumps({"device": "cpu", "validation": {"before": {"eval_loss": 2.0}, "after": {"eval_loss": 1.0}}})
    )
    return save_checkpoint(folder / "checkpoints", 9, lambda place: (place / "config.json").write_text("{}") and None, keep=1)


def make_base(folder: Path, head: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "README.md").write_text(head, encoding="utf-8")
    return folder


def test_two_runs_on_a_base_of_this_machine(tmp_path: Path) -> None:
    base = make_base(tmp_path / "qwen", "---\nlicense: apache-2.0\nbase_model: Qwen/Qwen2.5-0.5B\nlanguage: [en, zh]\n---\n# Card\n---\n")
    rows = {"data": {"data": {"conversations": 321}}}
    sft = make_run(
        tmp_path / "sft", "sft", {"model": str(base), "data": str(tmp_path / "own" / "rows.jsonl"), "epochs": 3, "seed": 1}, **rows
    )
    tasks = [{"task": {"kind": "dataset", "path": "gsm8k", "language": "en"}, "weight": 1.0}]
    zero = make_run(
        tmp_path / "rl", "zero", {"model": str(sft), "tasks": tasks, "template": "auto", "grpo": {"steps": 9}}, algorithm="grpo: x"
    )
    found = history_of(str(zero))
    assert found.base is not None
    assert (found.base.name, found.base.hub, found.base.licence) == ("qwen", "Qwen/Qwen2.5-0.5B", "apache-2.0")
    assert [(step.kind, step.name) for step in found.steps] == [("sft", "sft"), ("zero", "rl")]
    assert found.steps[0].sources == (Source("rows.jsonl", rows=321),)
    assert found.steps[1].sources == (Source("gsm8k", "mit", hub="openai/gsm8k"),)
    assert dict(found.steps[0].settings).items() >= {"epochs": 3, "seed": 1}.items()
    assert dict(found.steps[1].settings)["the algorithm's values"] == "grpo: x"
    assert (found.steps[0].figures[0].before, found.steps[0].figures[0].after) == ("2.0000", "1.0000")
    assert found.steps[0].cost["seconds"] == 12.5
    assert (found.languages, found.asked["template"]) == (("en", "zh"), "auto")
    assert str(tmp_path) not in repr(found.steps)
    assert "secret-host" not in repr(found)


def test_the_bundled_base_a_hub_id_and_random_weights(tmp_path: Path) -> None:
    tiny = history_of(str(make_run(tmp_path / "a", "zero", {"model": "tiny"}))).base
    assert tiny is not None
    assert (tiny.name, tiny.licence) == ("dunwu-tiny-base", "mit")
    hub = history_of(str(make_run(tmp_path / "b", "zero", {"model": "nobody/knows-it"}))).base
    assert hub is not None
    assert (hub.hub, hub.licence) == ("nobody/knows-it", "unknown")
    gone = history_of(str(make_run(tmp_path / "d", "sft", {"model": "runs/sft"}, inputs={"model": "abc"}))).base
    assert gone is not None
    assert (gone.name, gone.hub) == ("sft", "")
    assert history_of(str(make_run(tmp_path / "c", "pretrain", {"tokens": 5}))).base is None


def test_a_folder_without_a_run_is_its_own_base(tmp_path: Path) -> None:
    found = history_of(str(make_base(tmp_path / "plain", "---\nlicense: not-a-licence\n---\n")))
    assert found.base is not None
    assert (found.base.name, found.base.licence, found.steps, found.asked) == ("plain", "unknown", (), {})


@pytest.mark.parametrize(
    "head", ["", "---\n", "---\n[\n---\n", "no front\n---\nlicense: mit\n---\n", "---\n- a\n---\n", "---\nlicense: [mit]\n---\n"]
)
def test_a_card_that_cannot_be_read_says_nothing(head: str, tmp_path: Path) -> None:
    found = history_of(str(make_base(tmp_path / "plain", head)))
    assert found.base is not None
    assert found.base.licence == "unknown"


def test_a_torn_lineage_is_a_warning(tmp_path: Path, recorder: Any) -> None:
    checkpoint = make_run(tmp_path / "a", "zero", {"model": str(make_run(tmp_path / "b", "zero", {"model": "tiny"}))})
    (tmp_path / "b" / "manifest.json").write_text("{", encoding="utf-8")
    assert history_of(str(checkpoint), recorder).steps == ()
    assert recorder.names() == ["warn"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/srv/own/rows.jsonl", "rows.jsonl"),
        ("~/rewards.py:right", "rewards.py:right"),
        ("runs/sft/checkpoints/step-000010", "step-000010"),
        ("rows.jsonl", "rows.jsonl"),
        ("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B"),
        ("a text: 1/2 or <think>x</think>", "a text: 1/2 or <think>x</think>"),
        ({"url": "http://internal:8000/v1", "model": "/data/big"}, {"model": "big"}),
        ([1, None, "./x/y"], [1, None, "y"]),
    ],
)
def test_values_without_places(value: Any, expected: Any) -> None:
    assert placeless(value) == expected


def test_a_path_that_looks_like_a_hub_id_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "sft").mkdir(parents=True)
    assert is_hub_id("runs/sft")
    monkeypatch.chdir(tmp_path)
    assert not is_hub_id("runs/sft")
    assert not is_hub_id("data/rows.jsonl")


def test_sources_of_every_kind(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n", encoding="utf-8")
    tasks = [
        {"task": {"kind": "countdown", "languages": ["en"]}},
        {"task": {"kind": "reasoning_gym", "name": "chain_sum"}},
        {"task": {"kind": "code", "dataset": "mbpp"}},
        {"task": {"kind": "code", "dataset": "gcj"}},
        {"task": {"kind": "chat", "path": str(own)}},
        {"task": {"kind": "dataset", "path": "someone/problems:main"}},
        {"task": {"kind": "dataset", "path": None}},
    ]
    origins = {"tasks.6.task.path": {"stage": "made", "identity": "x"}, "data": {"path": str(own / "rows.jsonl")}}
    config = {"tasks": tasks, "data": None, "evaluations": [{"task": {"kind": "game24"}}], "decontaminate": [{"task": {"kind": "game24"}}]}
    assert list(sources(config, origins, 7)) == [
        Source("countdown of Dunwu", "mit", made="generated"),
        Source("reasoning-gym: chain_sum", "apache-2.0", made="generated"),
        Source("mbpp", "cc-by-4.0", hub="google-research-datasets/mbpp"),
        Source("gcj"),
        Source("own", "cc-by-4.0"),
        Source("someone/problems:main", hub="someone/problems"),
        Source("rows of the stage made", made="see that stage"),
        Source("rows.jsonl", "cc-by-4.0"),
    ]


def test_teachers_write_and_judges_do_not() -> None:
    config = {
        "generator": {"kind": "endpoint", "url": "http://host/v1", "model": "deepseek-reasoner"},
        "judge": {"generator": {"kind": "local", "model": "judge"}},
        "sources": {"a": {"generator": {"kind": "local", "model": None}}, "b": {"generator": {"kind": "own", "function": "/x/y.py:write"}}},
        "teacher": "Qwen/Qwen3-8B",
    }
    origins = {"sources.a.generator.model": {"stage": "zero", "identity": "x"}}
    expected = [
        Source("deepseek-reasoner, at an endpoint"),
        Source("the model of the stage zero", made="see that stage"),
        Source("y.py:write"),
        Source("Qwen/Qwen3-8B"),
    ]
    assert list(teachers(config, origins, lambda folder: Source(folder.name))) == expected


@pytest.mark.parametrize("of", ["run", "stage"])
def test_a_teacher_made_here_has_its_runs_name_and_its_bases_licence(of: str, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "---\nlicense: apache-2.0\n---\n")
    if of == "run":
        teacher = make_run(tmp_path / "reasoner", "zero", {"model": str(base)})
    else:
        made = make_artefact(tmp_path / "r1", "final", "zero", "model", {"model": None}, model={"path": str(base)})
        teacher = tmp_path / "r1" / "stages" / "final" / made["identity"][:16] / "output"
    student = make_run(tmp_path / "student", "distillation", {"model": str(base), "teacher": str(teacher), "data": "x.jsonl"})
    [found] = history_of(str(student)).steps
    assert found.teachers == (Source("reasoner" if of == "run" else "r1, stage final", "apache-2.0"),)


@pytest.mark.parametrize("from_stage", [False, True])
def test_the_teacher_of_a_distillation(from_stage: bool, tmp_path: Path) -> None:
    base, run = make_base(tmp_path / "base", "---\nlicense: apache-2.0\n---\n"), tmp_path / "run"
    above = {"path": str(base)}
    teacher = make_artefact(run, "teacher", "zero", "model", {"model": None}, model=above) if from_stage else above
    config = {"data": None, "teacher": None, "method": {"kind": "logits", "weight": 0.5, "divergence": "reverse-kl"}}
    student = make_artefact(run, "student", "distillation", "model", config, model=above, teacher=teacher)
    how = {"reasoning": {"x": {"sampling": {"max_tokens": 12}}}}
    for name, value, model in (("before", 0.25, above), ("after", 0.5, student)):
        suite = make_artefact(run, name, "suite", "evaluation", {**how, "template": name}, model=model)
        metrics = {"reasoning.pass_at_1": {"value": value, "low": value, "high": value, "count": 8}}
        place = run / "stages" / name / suite["identity"][:16] / "output" / "suite.json"
        place.write_text(json.dumps({"metrics": metrics}), encoding="utf-8")
    found = history_of(str(run / "stages" / "student" / student["identity"][:16] / "output")).steps[-1]
    named = Source("the model of the stage teacher", made="see that stage") if from_stage else Source("base", "apache-2.0")
    assert found.teachers == (named,)
    assert dict(found.settings).items() >= {"method.kind": "logits", "method.weight": 0.5, "method.divergence": "reverse-kl"}.items()
    assert found.figures == (Figure("reasoning.pass_at_1, 8 problems", "0.5 (0.5 to 0.5)", "0.25 (0.25 to 0.25)"),)


def test_settings_that_matter() -> None:
    config = load_config(ZeroConfig, None, ["model=/srv/own/base", "grpo.beta=0.01", "threads=1", "lora={rank: 4}", "reward_workers=0"])
    found = dict(shown_settings("zero", config.model_dump(mode="json")))
    assert found.items() >= {"grpo.beta": 0.01, "grpo.steps": 150, "grpo.algorithm": "grpo-r1", "reward": "1 accuracy + 1 format"}.items()
    assert found["lora"]["rank"] == 4
    assert not {"model", "threads", "reward_workers", "tasks", "evaluations", "template", "engine", "device"} & found.keys()
    assert isinstance(Step("zero", "x").cost, dict)


def make_artefact(run: Path, stage: str, kind: str, makes: str, config: dict[str, Any], **sources: Any) -> dict[str, str]:
    """A finished stage of the pipeline's run in ``run``; returns how another one refers to it."""
    identity = hashlib.sha256(stage.encode()).hexdigest()
    folder = run / "stages" / stage / identity[:16]
    (folder / "output").mkdir(parents=True)
    (folder / "output" / "config.json").write_text("{}", encoding="utf-8")
    named = {key.replace("_in_", "."): source for key, source in sources.items()}
    cost = {"seconds": 5.0, "parameters": 10, "trained_tokens": 3, "generated_tokens": 0, "flops": 180}
    manifest = {"stage": stage, "kind": kind, "makes": makes, "payload": "output", "identity": identity, "config": config, "sources": named}
    manifest |= {"cost": cost, "output": {"hash": "", "files": {}}, "inputs": {}}
    (folder / "artefact.json").write_text(json.dumps({"sha256": config_hash(manifest), **manifest}), encoding="utf-8")
    (run / "progress.json").touch()
    journal = json.loads((run / "progress.json").read_text(encoding="utf-8") or "{}")
    (run / "progress.json").write_text(json.dumps({**journal, stage: {"state": "done", "identity": identity}}), encoding="utf-8")
    return {"stage": stage, "identity": identity}


@pytest.mark.parametrize("teacher_from", ["tiny", "another"])
def test_a_pipeline_with_a_teacher_and_a_suite(teacher_from: str, tmp_path: Path) -> None:
    base, run = make_base(tmp_path / "another", ""), tmp_path / "run"
    above = {"path": str(bundled_path() if teacher_from == "tiny" else base)}
    teacher = make_artefact(run, "teacher", "zero", "model", {"model": None}, model=above)
    rows = make_artefact(run, "rows", "rejection_sampling", "data", {"generator": LOCAL}, generator_in_model=teacher)
    card = {"tokens": {"rows": 7}, "sources": {"gsm8k": 7}}
    (run / "stages" / "rows" / rows["identity"][:16] / "output" / "card.json").write_text(json.dumps(card), encoding="utf-8")
    student = make_artefact(run, "student", "sft", "model", {"data": None}, model={"path": str(bundled_path())}, data=rows)
    suite = make_artefact(run, "measured", "suite", "evaluation", {}, model=student)
    metrics = {name: {"value": 0.5, "low": 0.25, "high": 0.75, "count": 8} for name in ("reasoning.pass_at_1", "reasoning.x.tokens")}
    place = run / "stages" / "measured" / suite["identity"][:16] / "output" / "suite.json"
    place.write_text(json.dumps({"metrics": metrics}), encoding="utf-8")
    found = history_of(str(run / "stages" / "student" / student["identity"][:16] / "output"))
    assert [step.name for step in found.steps] == ["teacher", "rows", "student"]
    assert [each.name for each in found.steps[1].teachers] == ["the model of the stage teacher"]
    assert dict(found.steps[1].settings)["rows made"] == 7
    assert found.steps[2].sources == (Source("rows of the stage rows", made="see that stage"),)
    assert found.steps[2].figures == (Figure("reasoning.pass_at_1, 8 problems", "0.5 (0.25 to 0.75)"),)
    assert found.steps[2].cost["flops"] == 180
    assert found.distilled == (teacher_from == "another")
