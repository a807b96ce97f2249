"""What a run refuses because its rewards could not be had."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.errors import DataError
from dunwu.jobs.checks import check_run, check_sandbox, problems_in, with_rows
from dunwu.tasks.code_tests import Case, CodeTests
from dunwu.tasks.make import make_mixture
from dunwu.types import Problem


def maths(gold: str) -> Problem:
    return Problem("p1", "mine", "?", "math", answer=gold, data={"source": "rows.jsonl", "row": 7})


def test_programs_need_a_sandbox_and_no_longer_reward_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool grants a program its own time besides the reward's."""
    tests = CodeTests(mode="stdio", cases=(Case(input="1", expected="1"),))
    problems = [maths("1"), Problem("p2", "mine", "?", "code", data=tests.to_data())]
    opened: list[str] = []
    monkeypatch.setattr("dunwu.jobs.checks.open_sandbox", lambda where, workers: opened.append(where) or io.StringIO())
    check_sandbox(problems[:1])
    assert opened == []
    check_sandbox(problems)
    assert len(opened) == 1


def test_a_prompt_that_fills_all_positions_leaves_nothing_to_set_max_tokens_to(
    new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path
) -> None:
    rows = [json.dumps({"problem": f"{n} {'word ' * 300}", "answer": "4"}) for n in range(3)]
    (tmp_path / "train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    task = f"{{kind: dataset, path: {tmp_path}}}"
    config = load_config(ZeroConfig, None, [f"tasks=[{{task: {task}}}]", "evaluations=[]", "grpo.steps=1"])
    with pytest.raises(DataError, match=r"the prompt of \S+ has \d+ tokens, and the model 256 positions: drop the problem"):
        check_run(config, make_mixture(config.tasks), new_policy(0), world_tokenizer)


def test_a_set_that_follows_rows_without_test_rows_is_not_measured(tmp_path: Path, say_data: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text(json.dumps({"problem": "1 + 1 = ?", "answer": "2"}) + "\n", encoding="utf-8")
    config = load_config(ZeroConfig, None, [f"tasks=[{few}, {say_data}]"])
    assert len(config.evaluations) == 2
    measured, lines = with_rows(config, make_mixture(config.tasks))
    assert [each.task.model_dump()["path"] for each in measured.evaluations] == [str(say_data)]
    assert [line.partition(" has")[0] for line in lines] == ["few"]
    named = load_config(ZeroConfig, None, [f"tasks={few}", f"evaluations={few}"])
    assert with_rows(named, make_mixture(named.tasks)) == (named, [])


def test_an_evaluation_measures_no_more_problems_than_there_are(tmp_path: Path) -> None:
    rows = [json.dumps({"problem": f"{n} + 1 = ?", "answer": str(n + 1)}) for n in range(4)]
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    config = load_config(ZeroConfig, None, [f"tasks=[{tmp_path}, countdown]", f"evaluations=[{tmp_path}, countdown]"])
    assert [problems_in(each) for each in config.evaluations] == [4, config.evaluations[1].problems]
