"""The graph of a comparison: what each way trains on and from, where it ends, and what its compute is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.config.compare import CompareConfig
from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.pretrain import ModelShape, PretrainConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from dunwu.models.loading import save_model
from dunwu.models.new import new_model
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import dump_pipeline, read_pipeline
from dunwu.pipeline.recipes.compare import WAYS, compare_pipeline, notes, read_compare

TEACHER = ["teacher.kind=local", "teacher.model=tiny"]


def config_of(*overrides: str) -> CompareConfig:
    return read_compare(None, [*TEACHER, *overrides], fetch=False)[0]


@pytest.fixture(scope="module")
def graph() -> Pipeline:
    return compare_pipeline(config_of("seeds=2", "seed=5", "student.family=llama"))


def test_every_way_and_seed(graph: Pipeline, tmp_path: Path) -> None:
    names = {f"{way.replace('+', '-')}-{seed}" for way in WAYS for seed in (5, 6)}
    shared = {"teacher-data", "student-base", "assistant-base", "assistant", "assistant-data", "measured-teacher", "measured-base"}
    made = {stage.name for stage in graph.stages}
    assert made == names | {f"measured-{name}" for name in names} | {"text-part-5", "text-part-6", "comparison"} | shared
    suites = [stage.work.model_copy(update={"model": ""}) for stage in graph.stages if stage.kind == "suite"]
    assert all(suite == suites[0] for suite in suites)
    (tmp_path / "graph.yaml").write_text(dump_pipeline(graph), encoding="utf-8")
    assert read_pipeline(tmp_path / "graph.yaml") == graph


def test_what_a_way_trains_on(graph: Pipeline) -> None:
    base, text, rl, after = (graph[name].work for name in ("student-base", "text-5", "rl-5", "text-rl-5"))
    assert isinstance(base, PretrainConfig)
    assert (base.shape.family, base.shape.hidden, base.tokens) == ("llama", 64, 12_000_000)
    assert isinstance(text, SftConfig)
    assert isinstance(rl, ZeroConfig)
    assert isinstance(after, ZeroConfig)
    assert (text.seed, text.epochs, rl.seed, rl.evaluations) == (5, 3, 5, ())
    assert dict(graph["rl-5"].inputs) == {"budget": "text-5", "model": "student-base"}
    assert dict(graph["rl-long-5"].inputs) == {**graph["rl-5"].inputs, "budget_with.teacher": "teacher-data"}
    dialogue = graph["dialogue-5"].work
    assert isinstance(dialogue, ZeroConfig)
    assert (dialogue.dialogue.turns, dialogue.dialogue.discount, dialogue.dialogue.teacher) == (2, 1.0, None)  # type: ignore[union-attr]
    assert dict(graph["dialogue-5"].inputs) == dict(graph["rl-5"].inputs)
    assert dialogue.reward[:-1] == rl.reward
    assert (dialogue.reward[-1].kind, dialogue.reward[-1].teacher.model) == ("teacher", "tiny")  # type: ignore[union-attr]
    assert dict(graph["text-rl-6"].inputs) == {"budget": "text-6", "model": "text-part-6"}
    assert graph["text-part-5"].work.epochs == 2  # type: ignore[attr-defined]
    assert (rl.budget_share, after.budget_share) == (1.0, pytest.approx(1 / 3))
    assert rl.grpo.steps == after.grpo.steps == 100_000
    assert dict(graph["progressive-5"].inputs) == {"data": "assistant-data", "model": "student-base", "budget": "text-5"}
    assistant = graph["assistant-base"].work
    assert isinstance(assistant, PretrainConfig)
    assert (assistant.shape.family, assistant.shape.hidden, assistant.tokens) == ("llama", 96, 12_000_000)


def test_equal_rows_and_epochs_beside_the_teacher(graph: Pipeline) -> None:
    text = graph["text-5"].work
    for way in ("logits", "hidden", "attention", "on-policy"):
        work = graph[f"{way}-5"].work
        assert isinstance(work, DistillationConfig)
        assert work.method.kind == way
        assert graph[f"{way}-5"].inputs["data"] == "teacher-data"
        own = {"teacher", "method", "budget", "budget_share", *({"epochs"} if way == "on-policy" else ())}
        assert work.model_dump(exclude=own) == text.model_dump(exclude=own)
        assert ("budget" in graph[f"{way}-5"].inputs) == (way == "on-policy")


def test_whose_compute_it_is(graph: Pipeline) -> None:
    taken = dict(graph["comparison"].inputs)
    assert taken["rows.0.runs.1.suite"] == "measured-rl-6"
    assert not [key for key in taken if key.startswith("rows.0.runs.0.teacher")]
    after = WAYS.index("text+rl")
    own = {value for key, value in taken.items() if key.startswith(f"rows.{after}.runs.0.student.")}
    assert own == {"text-part-5", "text-rl-5"}
    progressive = WAYS.index("progressive")
    taught = {value for key, value in taken.items() if key.startswith(f"rows.{progressive}.runs.0.teacher.")}
    assert taught == {"teacher-data", "assistant-base", "assistant", "assistant-data"}


def test_fewer_ways() -> None:
    graph = compare_pipeline(config_of("seeds=1", "ways=[rl]"))
    rows = graph["comparison"].work.rows  # type: ignore[attr-defined]
    assert [row.name for row in rows] == ["rl", "text"]
    assert "assistant" not in {stage.name for stage in graph.stages}


def test_a_student_that_exists(world_tokenizer: object, tmp_path: Path) -> None:
    shape = ModelShape(hidden=16, layers=1, heads=2, kv_heads=1, intermediate=32, max_positions=256)
    save_model(new_model(shape, world_tokenizer, 0), world_tokenizer, tmp_path / "small")  # type: ignore[arg-type]
    config = config_of(f"model={tmp_path / 'small'}", "rows.sampling.max_tokens=50")
    graph = compare_pipeline(config)
    rows = [row.name for row in graph["comparison"].work.rows]  # type: ignore[attr-defined]
    assert rows == ["rl", "rl-long", "text", "dialogue", "text+rl"]  # another tokenizer, and no assistant
    assert len(notes(config)) == 5
    assert graph["rl-0"].work.model == str(tmp_path / "small")  # type: ignore[attr-defined]
    with pytest.raises(ConfigError) as caught:
        config_of(f"model={tmp_path / 'small'}", "ways=[text, logits]")
    assert "logits" in str(caught.value)
    assert "progressive" in {
        row.name
        for row in compare_pipeline(config.model_copy(update={"assistant": config.assistant.model_copy(update={"model": "tiny"})}))[
            "comparison"
        ].work.rows
    }  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["ways=[rl, tekst]"], "tekst"),
        (["ways=[]"], "ways"),
        (["ways=[logits]", "student={hidden: 256, heads: 2}"], "logits"),
        (["training.epochs=1", "ways=[text+rl]"], "epochs"),
        (["evaluations=[]"], "evaluations"),
        (["rl.text_share=1.5"], "text_share"),
        (["seeds=0"], "seeds"),
    ],
)
def test_mistakes(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        config_of(*overrides)
    assert "\n" not in str(caught.value)


def test_a_teacher_of_text_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"teacher\.kind"):
        read_compare(None, ["teacher={kind: endpoint, url: 'http://localhost:1/v1', model: m}"], fetch=False)
