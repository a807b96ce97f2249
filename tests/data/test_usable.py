"""Rows that cannot be used: found before any is drawn, named or dropped; generated problems give way to others."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.tasks import ChatTask, CodeTask, CountdownTask, DatasetTask, EnvironmentTask
from dunwu.config.zero import EvalConfig
from dunwu.data.prompts import PromptLimit, fitting
from dunwu.data.usable import BAD_GOLD, HALF, TOO_LONG, UNREADABLE, held_out_problems, matched_as_text, sift, unusable
from dunwu.errors import DataError
from dunwu.tasks.make import make_task
from dunwu.types import Problem

BROKEN = "proof"


@pytest.fixture
def limit(world_tokenizer: Any) -> PromptLimit:
    return PromptLimit("tiny", world_tokenizer, 40)


def write(path: Path, rows: list[tuple[str, str]], name: str = "train.jsonl") -> Path:
    path.mkdir(exist_ok=True)
    lines = [json.dumps({"problem": problem, "answer": answer}) for problem, answer in rows]
    (path / name).write_text("\n".join(lines), encoding="utf-8")
    return path


def of(path: Path, **more: Any) -> DatasetTask:
    return DatasetTask(path=str(path), verifier="math", **more)


ROWS = [("Say 1.", "1"), ("Say 2.", BROKEN), ("Say " + "3 " * 50, "3"), ("Say \ud800.", "4"), ("Say 5.", "5")]


def test_each_kind_of_bad_row_is_found(limit: PromptLimit) -> None:
    problems = [Problem(f"p{n}", "t", text, "math", answer=answer) for n, (text, answer) in enumerate(ROWS)]
    assert [(each.problem.id, each.kind) for each in unusable(problems, limit)] == [("p1", BAD_GOLD), ("p2", TOO_LONG), ("p3", HALF)]
    assert [each.problem.id for each in unusable(problems, None)] == ["p1", "p3"]


def test_the_first_bad_row_is_named_with_its_file_and_the_option(tmp_path: Path, limit: PromptLimit) -> None:
    data = write(tmp_path / "data", [*[(f"Count {n}.", "1") for n in range(100)], ROWS[1], ROWS[2]])
    for split in ("test", "validation"):
        write(data, [("Say hi.", "1")], f"{split}.jsonl")
    with pytest.raises(DataError, match=r"row 101 of train\.jsonl.*1 more.*unusable: drop"):
        sift(make_task(of(data)), of(data), "train", limit)


def test_bad_rows_are_dropped_and_counted_in_every_order(tmp_path: Path, limit: PromptLimit) -> None:
    data = write(tmp_path / "data", ROWS)
    config = of(data, unusable="drop")
    for split in ("test", "validation"):
        write(data, ROWS[1:], f"{split}.jsonl")
    write(data, [(f"{text} now" if n else text, answer) for n, (text, answer) in enumerate(ROWS)])
    task = make_task(config)
    assert sift(task, config, "train", limit) == {BAD_GOLD: 1, TOO_LONG: 1, HALF: 1}
    drawn = {task.train(index, seed).text for index in range(20) for seed in range(20)}
    assert drawn == {"Say 1.", "Say 5. now"}
    found = held_out_problems(EvalConfig(task=config), limit)
    assert [problem.text for problem in found.problems] == ["Say 5."]
    assert found.dropped == {BAD_GOLD: 1, TOO_LONG: 1, HALF: 1}


def test_a_data_set_of_bad_rows_alone_is_refused(tmp_path: Path, limit: PromptLimit) -> None:
    data = write(tmp_path / "data", [ROWS[1], ROWS[2]])
    for split in ("test", "validation"):
        write(data, [("Say hi.", "1")], f"{split}.jsonl")
    with pytest.raises(DataError):
        sift(make_task(of(data)), of(data, unusable="drop"), "train", limit)


def test_many_golds_are_checked_fast() -> None:
    problems = [Problem(f"p{n}", "t", "?", "math", answer=rf"\frac{{{n % 3000}}}{{7}}") for n in range(100_000)]
    began = time.monotonic()
    assert unusable(problems, None) == []
    assert time.monotonic() - began < 20


def test_a_generated_problem_whose_prompt_is_too_long_gives_way_to_the_same_other_one(world_tokenizer: Any) -> None:
    task = make_task(CountdownTask())
    lengths = {n: len(PromptLimit("tiny", world_tokenizer, 999).prompts([task.train(n, 0)])[0].token_ids) for n in range(60)}
    middle = sorted(lengths.values())[30]
    limit = PromptLimit("tiny", world_tokenizer, middle)
    found = [fitting(lambda stream, n=n: task.train(n, stream), 0, limit) for n in range(60)]
    assert found == [fitting(lambda stream, n=n: task.train(n, stream), 0, limit) for n in range(60)]
    assert all(len(prompt.token_ids) <= middle for prompt, _ in found)
    assert [tries == 0 for _, tries in found] == [length <= middle for length in lengths.values()]
    assert any(tries for _, tries in found)


def test_golds_outside_the_grammar_are_counted():
    golds = ["5", r"A \sim x2", "6:00 PM", r"\sum_{k=1}^n k"]
    problems = [Problem(id=gold, task="t", text="?", verifier="math", answer=gold) for gold in golds]
    assert [problem.answer for problem in matched_as_text(problems)] == [golds[1], golds[3]]


def test_the_rows_of_the_file_are_counted_and_the_setting_is_not_advised_where_it_is_set(tmp_path: Path, limit: PromptLimit) -> None:
    data = write(tmp_path / "data", [*[ROWS[1]] * 8, ROWS[0]])
    for split in ("test", "validation"):
        write(data, [("Say hi.", "1")], f"{split}.jsonl")
    config = of(data, unusable="drop")
    assert sift(make_task(config), config, "train", limit) == {BAD_GOLD: 8}
    write(data, [ROWS[1]] * 8)
    with pytest.raises(DataError, match="all 8 train rows") as caught:
        sift(make_task(config), config, "train", limit)
    assert "unusable" not in str(caught.value)


def test_a_data_set_without_any_answer_is_refused_though_such_rows_are_dropped(tmp_path: Path) -> None:
    data = write(tmp_path / "data", [("Say 1.", "")] * 3)
    with pytest.raises(DataError, match="all 3 rows") as caught:
        make_task(of(data, unusable="drop"))
    assert "unusable" not in str(caught.value)


CODE = {"statement": "Add.", "tests": [{"input": "1 2", "output": "3"}]}
ENVIRONMENT = """
class E:
    dataset = [{"question": f"Say {n}.", "answer": "1"} for n in range(9)] + [{"answer": "2"}, {"question": " "}]
def load_environment():
    return E()
"""


@pytest.mark.parametrize("kind", ["chat", "code", "environment"])
def test_rows_that_cannot_be_read_are_dropped_and_counted_in_every_kind_of_task(tmp_path: Path, kind: str) -> None:
    rows = {
        "chat": [*({"prompt": f"Say {n}."} for n in range(9)), {"prompt": [{"role": "tool", "content": "x"}]}, {"prompt": 7}],
        "code": [*({**CODE, "statement": f"Add {n}."} for n in range(9)), {**CODE, "tests": 7}, {"prompt": "x"}],
        "environment": [],
    }[kind]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "e.py").write_text(ENVIRONMENT, encoding="utf-8")
    path = str(tmp_path / "train.jsonl")
    make = {
        "chat": lambda **more: ChatTask(path=path, **more),
        "code": lambda **more: CodeTask(path=path, **more),
        "environment": lambda **more: EnvironmentTask(function=f"{tmp_path / 'e.py'}:load_environment", **more),
    }[kind]
    with pytest.raises(DataError, match="unusable: drop"):
        make_task(make())
    config = make(unusable="drop")
    task = make_task(config)
    assert sum(len(task.rows(split)) for split in ("train", "validation", "test")) == 9
    assert sift(task, config, "train", None) == {UNREADABLE: 2}


def numbered(path: Path, rows: int) -> EvalConfig:
    lines = [json.dumps({"problem": f"root {n}?", "answer": n}) for n in range(rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return EvalConfig(task=DatasetTask(path=str(path)), problems=1000)


def test_a_set_too_small_for_held_out_rows_is_evaluated_on_all_rows(tmp_path: Path) -> None:
    small = numbered(tmp_path / "rows.jsonl", 1)
    with pytest.raises(DataError, match="has no test rows"):
        held_out_problems(small, None)
    found = held_out_problems(small, None, all_rows=True)
    assert [problem.answer for problem in found.problems] == ["0"]
    assert "1" in found.note


def test_held_out_rows_and_named_splits_are_kept(tmp_path: Path) -> None:
    large = numbered(tmp_path / "rows.jsonl", 200)
    found = held_out_problems(large, None, all_rows=True)
    assert (found.problems, found.note) == (held_out_problems(large, None).problems, "")
    assert 0 < len(found.problems) < 100
    with pytest.raises(DataError, match="has no test rows"):
        held_out_problems(numbered(tmp_path / "train.jsonl", 1), None, all_rows=True)
