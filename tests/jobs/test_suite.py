"""Two checkpoints through the suite and into the table of stages, as a pipeline, with models of a few thousand weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.load import load_config
from dunwu.config.pipeline import FileConfig
from dunwu.config.suite import SafetySet, StageTableConfig, SuiteConfig, Threshold
from dunwu.config.tasks import ChatTask
from dunwu.errors import ConfigError, DataError, ModelError, RunError
from dunwu.evaluation.suite import read_rows
from dunwu.jobs import suite as suite_module
from dunwu.jobs.suite import held_out_sets, run_suite
from dunwu.models.heads import load_scorer, set_label
from dunwu.models.loading import save_model
from dunwu.pipeline.execute import run_pipeline
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.recipe_file import dump_pipeline, read_pipeline
from dunwu.pipeline.status import read_status
from dunwu.run.directory import read_manifest, read_metrics
from dunwu.tasks.chat import Chat
from tests.trainers.reward_model_data import write_rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, new_policy: Callable[..., Any], world_tokenizer: Any) -> Path:
    """A folder with a random model, two judges with random heads, and the rows of all sets."""
    root = tmp_path_factory.mktemp("suite")
    save_model(new_policy(1), world_tokenizer, root / "random")
    for criterion in ("helpfulness", "safety"):
        scorer, tokenizer = load_scorer(str(root / "random"), seed=3)
        set_label(scorer, criterion)
        save_model(scorer, tokenizer, root / criterion)
    general = [{"problem": f"Say {n}.", "answer": str(n), "category": "even" if n % 2 == 0 else "odd"} for n in range(4)]
    write_rows(root / "test.jsonl", general)
    prompts = [
        {"prompt": "Say 1.", "harmful": False, "category": "polite"},
        {"prompt": "Say 2.", "harmful": True, "category": "rude"},
        {"prompt": "请说 3。", "harmful": True, "category": "rude", "language": "zh"},
    ]
    write_rows(root / "prompts_test.jsonl", prompts)
    return root


@pytest.fixture(scope="module")
def config_of(world: Path, say_data: Path) -> Callable[..., SuiteConfig]:
    """``config_of("model=...")``: every kind of set, a few completions each."""
    sampling = "sampling: {max_tokens: 10}"
    prompts = f"task: {{kind: chat, path: {world / 'prompts_test.jsonl'}}}, {sampling}"
    general = f"{{task: {{kind: dataset, path: {world / 'test.jsonl'}, verifier: text}}, samples: 2, {sampling}}}"
    fixed = [
        f"reasoning={{say: {{task: {{kind: dataset, path: {say_data}}}, samples: 2, {sampling}}}}}",
        f"general={{tasks: {general}}}",
        f"helpfulness={{{prompts}, samples: 2, model: {world / 'helpfulness'}}}",
        f"safety={{{prompts}, model: {world / 'safety'}}}",
        "reward_workers=0",
        "device=cpu",
        "threads=1",
    ]
    return lambda *overrides: load_config(SuiteConfig, None, [*fixed, *overrides])


@pytest.fixture(scope="module")
def pipeline(world: Path, taught_base: str, config_of: Callable[..., SuiteConfig]) -> Pipeline:
    thresholds = (
        Threshold(metric="reasoning.say.pass_at_1", of="taught", at_least=0.0, above="random"),
        Threshold(metric="reasoning.pass_at_1", of="random", at_least=0.99),
    )
    rows = [{"name": "random", "path": "x"}, {"name": "taught", "path": "x"}]
    table = StageTableConfig.model_validate({"rows": rows, "baseline": "random", "thresholds": thresholds})
    return Pipeline(
        "two",
        (
            Stage("random", FileConfig(path=str(world / "random"), holds="model")),
            Stage("taught", FileConfig(path=taught_base, holds="model")),
            Stage("suite-random", config_of(), {"model": "random"}),
            Stage("suite-taught", config_of(), {"model": "taught"}),
            Stage("table", table, {"rows.0.path": "suite-random", "rows.1.path": "suite-taught"}),
        ),
    )


@pytest.fixture(scope="module")
def made(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run_pipeline(pipeline, tmp_path_factory.mktemp("run") / "run")


def test_every_set_is_measured_once_and_summed_up(made: Any) -> None:
    folder = made["suite-taught"].payload
    names = ["general-tasks", "harmful", "harmless", "helpfulness", "reasoning-say"]
    assert sorted(path.name for path in folder.iterdir()) == [*(f"{name}.parquet" for name in names), "suite.json"]
    summary = json.loads((folder / "suite.json").read_text(encoding="utf-8"))
    assert sorted(summary["sets"]) == names
    assert summary["judges"].keys() == {"helpfulness", "safety"}
    assert {"reasoning.say.pass_at_1", "general.tasks[even].accuracy", "helpfulness.score", "safety.safe"} <= summary["metrics"].keys()
    rows = read_rows(folder / "helpfulness.parquet")
    assert len(rows) == 6
    assert all(row.judged is not None and row.score is None for row in rows)
    assert {row.language for row in rows} == {"en", "zh"}
    harmful, harmless = (read_rows(folder / f"{name}.parquet") for name in ("harmful", "harmless"))
    assert [row.text for row in (*harmful, *harmless)] == ["Say 2.", "请说 3。", "Say 1."]
    assert [row.judged is None for row in (*harmful, *harmless)] == [False, False, True]
    assert made["suite-taught"].manifest["cost"]["generated_tokens"] == sum(facts["tokens"] for facts in summary["sets"].values()) > 0


def test_the_table_has_both_checkpoints_and_the_thresholds(made: Any) -> None:
    stages = json.loads((made["table"].payload / "stages.json").read_text(encoding="utf-8"))
    assert stages["rows"] == ["random", "taught"]
    scores = stages["metrics"]["reasoning.pass_at_1"]
    assert scores["taught"]["value"] > scores["random"]["value"] == 0
    assert list(stages["metrics"]["helpfulness.win_rate"]) == ["taught"]
    assert [each["outcome"] for each in stages["thresholds"]] == ["met", "not met"]
    text = (made["table"].payload / "stages.md").read_text(encoding="utf-8")
    assert "NOT MET: reasoning.pass_at_1 of random should be at least 0.99: it is 0" in text


def test_a_suite_taken_up_again_measures_only_what_is_not_on_disk_and_ends_the_same(
    made: Any, config_of: Callable[..., SuiteConfig], taught_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same_files: Any
) -> None:
    calls = []

    def killed(prompt: Any, *rest: Any) -> Any:
        calls.append(prompt.problem.task)
        if prompt.problem.task == "chat":
            raise KeyboardInterrupt
        return whole(prompt, *rest)

    whole = suite_module.suite_row
    config = config_of(f"model={taught_base}")
    with monkeypatch.context() as patched:
        patched.setattr(suite_module, "suite_row", killed)
        with pytest.raises(KeyboardInterrupt):
            run_suite(config, tmp_path / "suite", True)
        patched.setattr(suite_module, "suite_row", lambda prompt, *rest: (calls.append(prompt.problem.task), whole(prompt, *rest))[1])
        first = len(calls)
        run_suite(config, tmp_path / "suite", True)
    assert calls[first:] == ["chat"] * (6 + 2 + 1)
    same_files(tmp_path / "suite" / "suite", made["suite-taught"].payload)


def test_it_says_how_many_completions_are_drawn_and_how_many_are_there(made: Any) -> None:
    work = made["suite-taught"].folder / "run"
    drawn = sum(facts["completions"] for facts in json.loads((work / "suite" / "suite.json").read_text(encoding="utf-8"))["sets"].values())
    assert read_manifest(work)["steps"] == drawn
    rows = read_metrics(work)
    assert [row["set"] for row in rows if row["step"] == 0] == ["reasoning-say (1 of 5)"]
    assert [row["set"].rpartition(" (")[2] for row in rows] == [f"{place} of 5)" for place in range(1, 6)]
    stages = {stage.name: stage for stage in read_status(work.parents[3]).stages}
    assert (stages["suite-taught"].step, stages["suite-taught"].steps) == (drawn, drawn)


def test_rows_of_what_was_lost_are_taken_back(config_of: Callable[..., SuiteConfig], taught_base: str, tmp_path: Path) -> None:
    config = config_of(f"model={taught_base}", "helpfulness=null", "safety=null")
    run_suite(config, tmp_path / "run")
    before = [(row["step"], row["set"]) for row in read_metrics(tmp_path / "run")]
    (tmp_path / "run" / "suite" / "general-tasks.parquet").unlink()
    run_suite(config, tmp_path / "run", True)
    after = [(row["step"], row["set"]) for row in read_metrics(tmp_path / "run")]
    assert after == [*before, before[-1]], "the rows of the set that stayed, and the other set's first one again"


def test_a_finished_suite_loads_no_model_and_a_changed_one_is_refused(
    config_of: Callable[..., SuiteConfig], taught_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shutil.copytree(taught_base, tmp_path / "model")
    config = config_of(f"model={model}", "helpfulness=null", "safety=null", "general={}")
    run_suite(config, tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr(suite_module, "load_model", lambda *_: pytest.fail("the model was loaded"))
        run_suite(config, tmp_path / "run", True)
    (model / "card.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=r"inputs\.model"):
        run_suite(config, tmp_path / "run", True)


def test_the_recipe_comes_back_from_its_text(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(dump_pipeline(pipeline), encoding="utf-8")
    assert read_pipeline(tmp_path / "recipe.yaml") == pipeline


def test_prompts_are_held_out_of_what_was_asked_for_and_drawn_by_the_seed(tmp_path: Path) -> None:
    rows = [{"prompt": f"Tell me of {n}.", "harmful": n % 2 == 0, "category": str(n % 3)} for n in range(600)]
    task = ChatTask(path=str(write_rows(tmp_path / "rows.jsonl", rows)))

    def drawn(categories: tuple[str, ...] = (), **keys: Any) -> list[Any]:
        return held_out_sets(SuiteConfig(safety=SafetySet(task=task.model_copy(update={"categories": categories}), **keys)))

    harmful, harmless = drawn(problems=5)
    assert (harmful.kind, harmless.kind, len(harmful.problems)) == ("harmful", "harmless", 5)
    assert drawn(problems=5) == [harmful, harmless]
    assert drawn(problems=5, seed=1)[0].problems != harmful.problems
    everything = {problem.text for each in drawn() for problem in each.problems}
    assert everything == {problem.text for problem in Chat(task).held_out("test", 600)}
    assert 30 < len(everything) < 90
    assert {problem.data["category"] for each in drawn(categories=("0", "1")) for problem in each.problems} == {"0", "1"}
    with pytest.raises(DataError, match="no test rows of the categories x"):
        drawn(categories=("x",))


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["safety.task.path=nowhere.jsonl"], DataError, "nowhere.jsonl does not exist"),
        (["safety.split=validation"], DataError, "no validation rows"),
        (["helpfulness.task.categories=[x]"], DataError, "no test rows of the categories x"),
        (["helpfulness.model=./no such folder"], ModelError, "no such folder"),
        (["reasoning={}", "general={}", "helpfulness=null", "safety=null"], ConfigError, "the suite is empty"),
        (["reasoning={../x: {}}"], ConfigError, "reasoning"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_sampled(
    overrides: list[str], error: type[Exception], message: str, config_of: Callable[..., SuiteConfig], taught_base: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message) as raised:
        run_suite(config_of(f"model={taught_base}", *overrides), tmp_path / "run")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_judge_of_another_kind_is_refused(config_of: Callable[..., SuiteConfig], world: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="judges 'safety', not helpfulness"):
        run_suite(config_of(f"helpfulness.model={world / 'safety'}"), tmp_path / "run")


def test_a_prompt_that_is_too_long_is_told_before_anything_is_sampled(
    config_of: Callable[..., SuiteConfig], taught_base: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="max_prompt_tokens = 4"):
        run_suite(config_of(f"model={taught_base}", "max_prompt_tokens=4"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
