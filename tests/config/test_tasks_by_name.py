"""A task by its name in every configuration, and eval sets that follow the tasks."""

import json
from pathlib import Path

import pytest

from dunwu.config.data_replies import RejectionConfig
from dunwu.config.load import dump_config, load_config, validate
from dunwu.config.suite import SuiteConfig
from dunwu.config.tasks import CountdownTask, DatasetTask, Game24Task, ReasoningGymTask, task_title
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from tests.config.named_task import parse_task


def zero(*overrides: str) -> ZeroConfig:
    return load_config(ZeroConfig, None, overrides)


def tasks(*overrides: str) -> list[tuple[object, float]]:
    return [(each.task, each.weight) for each in zero(*overrides).tasks]


def test_names_alone_in_a_list_and_beside_weighted_ones() -> None:
    gsm8k, legs = DatasetTask(path="gsm8k"), ReasoningGymTask(name="leg_counting")
    assert tasks("tasks=gsm8k") == [(gsm8k, 1.0)]
    assert tasks("tasks=[gsm8k, reasoning-gym:leg_counting]") == [(gsm8k, 1.0), (legs, 1.0)]
    assert tasks("tasks=[{task: gsm8k, weight: 2}, {kind: countdown, levels: [4]}]") == [(gsm8k, 2.0), (CountdownTask(levels=(4,)), 1.0)]
    assert tasks("tasks={kind: game24}") == [(Game24Task(), 1.0)]
    assert validate(RejectionConfig, {"tasks": "game24"}).tasks[0].task == Game24Task()


def test_keys_of_a_task_by_name() -> None:
    assert tasks("tasks=gsm8k", "tasks.0.task.problem_column=q") == [(DatasetTask(path="gsm8k", problem_column="q"), 1.0)]
    assert tasks("tasks=[gsm8k, game24]", "tasks.1.weight=2", "tasks.1.task.wording=full") == [
        (DatasetTask(path="gsm8k"), 1.0),
        (Game24Task(wording="full"), 2.0),
    ]
    assert zero("evaluations=game24", "evaluations.0.problems=5").evaluations[0].problems == 5
    assert zero("reward=[{kind: language, tasks: [gsm8k]}]", "reward.0.tasks.0=game24").reward[0].tasks == ("game24",)
    suite = load_config(SuiteConfig, None, ["general.tasks.samples=2"], {"general": {"tasks": {"task": "game24"}}})  # a set of that name
    assert suite.general["tasks"].samples == 2


def test_an_override_reaches_into_a_task_that_is_named() -> None:
    assert tasks("tasks=countdown", "tasks.0.task.levels=[4]", "tasks.0.weight=2") == [(CountdownTask(levels=(4,)), 2.0)]
    assert tasks("tasks=[gsm8k, {task: math}]", "tasks.1.task.language=zh")[1][0] == DatasetTask(path="math", language="zh")
    assert zero("tasks=gsm8k", "tasks.0.task.language=zh").evaluations[0].task == DatasetTask(path="gsm8k", language="zh")


def test_a_file_is_a_task(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text("{}\n", encoding="utf-8")
    config = zero(f"tasks={own}", f"evaluations={own}")
    assert config.tasks[0].task == config.evaluations[0].task == DatasetTask(path=str(own))
    assert task_title(config.tasks[0].task) == "own"


def test_sets_follow_the_tasks_unless_they_are_given() -> None:
    follow = zero("tasks=[gsm8k, {task: gsm8k, weight: 2}, game24, {kind: chat, path: rows.jsonl}]", "sampling.max_tokens=99")
    assert [(each.task, each.split, each.sampling.max_tokens) for each in follow.evaluations] == [
        (DatasetTask(path="gsm8k"), "test", 99),
        (Game24Task(), "test", 99),
    ]
    assert zero("tasks=gsm8k", "evaluations=[]").evaluations == ()
    own = zero("tasks=gsm8k", "sampling.max_tokens=99", "evaluations=[game24, {task: math, problems: 3}]").evaluations
    assert [(each.task, each.problems, each.sampling.max_tokens) for each in own] == [
        (Game24Task(), 200, 99),
        (DatasetTask(path="math"), 3, 400),
    ]
    assert zero("tasks=gsm8k", "evaluations.0.problems=3").evaluations[0].task == DatasetTask(path="gsm8k")
    assert zero().evaluations == zero("evaluations=[{}]").evaluations


def test_wording_is_the_contexts_unless_it_is_given() -> None:
    data = {"tasks": ["game24", {"kind": "countdown", "wording": "short"}], "evaluations": "arithmetic"}
    for wording in ("short", "full"):
        config = validate(ZeroConfig, json.loads(json.dumps(data)), context={"wording": wording})
        found = [each.task.model_dump()["wording"] for each in (*config.tasks, *config.evaluations)]
        assert found == [wording, "short", wording]
        assert load_config(ZeroConfig, None, [], base=config.model_dump(mode="json")) == config
    assert parse_task("game24", "full") == Game24Task(wording="full")


def test_a_written_configuration_reads_back(tmp_path: Path) -> None:
    config = zero("tasks=[gsm8k, game24]", "sampling.max_tokens=50")
    file = tmp_path / "config.yaml"
    file.write_text(dump_config(config), encoding="utf-8")
    assert load_config(ZeroConfig, file, []) == config


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("tasks=gsm8kk", "did you mean gsm8k?"),
        ("evaluations=[{task: gmae24}]", "did you mean game24?"),
        ("tasks=nowhere.jsonl", "task 'nowhere.jsonl': the file does not exist"),
        ("tasks=[]", "name a task, such as countdown"),
        ("tasks=7", "tasks = 7"),
        ("tasks.0.task=gsm8kk", "did you mean gsm8k?"),
    ],
)
def test_a_wrong_name_gives_the_nearest(override: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        zero(override)
    assert part in str(caught.value)
