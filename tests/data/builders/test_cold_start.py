"""The cold start from each of the paper's four ways, and from all of them together."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from dunwu.config.data_replies import ColdStartConfig
from dunwu.config.load import validate
from dunwu.data.builders.cold_start import REFLECT, build_cold_start
from dunwu.data.io.conversations import conversation
from dunwu.data.io.data_set import DataSet
from dunwu.errors import ConfigError, DataError
from dunwu.tasks.rows import Row
from tests.data.conftest import opener

OWN = {"kind": "own", "function": "m.py:model"}
asked: list[list[dict[str, str]]] = []


def model(messages: list[dict[str, str]], seed: int) -> str:
    asked.append(messages)
    number = int(re.findall(r"\d+", messages[-1]["content"])[0])
    return f"<think>I add them up, once more with {number} of each.</think>It is \\boxed{{{2 * number}}}."


def built(sources: dict[str, Any], count: Any, **more: Any) -> DataSet:
    asked.clear()
    config = validate(ColdStartConfig, {"sources": sources, "reward_workers": 0, **more})
    return build_cold_start(config, opener(model=model, writer=writer, liar=liar), count)


def writer(messages: list[dict[str, str]], seed: int) -> str:
    answer = re.findall(r"boxed\{(\d+)\}", messages[0]["content"])[-1]
    return f"[REASONING] I look at both heaps and add. [SUMMARY] Both heaps make \\boxed{{{answer}}}. [END]"


def liar(messages: list[dict[str, str]], seed: int) -> str:
    return "[REASONING] I look at both heaps and add. [SUMMARY] Both heaps make \\boxed{3}. [END]"


def tasks(path: str) -> list[dict[str, Any]]:
    return [{"task": {"kind": "dataset", "path": path}}]


def test_few_shot(sums: str, write_rows: Any, count: Callable[..., Any]) -> None:
    turns = [{"role": "user", "content": "One and one?"}, {"role": "assistant", "content": "2", "reasoning_content": "I count."}]
    shots = write_rows("shots.jsonl", [{"messages": turns}])
    made = built({"few": {"kind": "few_shot", "generator": OWN, "tasks": tasks(sums), "data": shots, "samples": 1}}, count)
    assert len(made.rows) == 8
    assert {row["source"] for row in made.rows} == {"few"}
    assert [turn["content"] for turn in asked[0][:2]] == ["One and one?", "<think>I count.</think>2"]
    assert asked[0][2]["role"] == "user"
    # the shots are no part of what is learned
    assert made.rows[0]["messages"][0]["content"].startswith("What do")


def test_prompted_to_reflect(sums: str, count: Callable[..., Any]) -> None:
    made = built({"asked": {"kind": "prompted", "generator": OWN, "tasks": tasks(sums), "samples": 1}}, count)
    assert asked[0][0]["content"].startswith(REFLECT["en"])
    assert made.rows[0]["messages"][0]["content"].startswith("What do")


def test_zero_outputs_are_rewritten_and_verified_again(sums: str, count: Callable[..., Any]) -> None:
    rewriter = {"kind": "model", "generator": {"kind": "own", "function": "m.py:writer"}}
    zero = {"kind": "zero", "generator": OWN, "tasks": tasks(sums), "samples": 2, "rewriter": rewriter}
    made = built({"zero": zero}, count, near_duplicates=1.0)
    assert len(made.rows) == 8
    assert {row["messages"][1]["reasoning_content"] for row in made.rows} == {"I look at both heaps and add."}
    rewriter["generator"] = {"kind": "own", "function": "m.py:liar"}
    with pytest.raises(DataError, match="'zero: "):
        built({"zero": zero}, count).write(None, count, 0)  # type: ignore[arg-type]
    steps = {step.name: step.removed for step in built({"zero": zero}, count).funnel.steps}
    assert steps["zero: no longer right"] == 8


def test_peoples_rows_and_the_papers_form(write_rows: Any, count: Callable[..., Any]) -> None:
    turns = [{"role": "user", "content": "用手算一加一。"}, {"role": "assistant", "content": "<think>我数手指。</think>是二。"}]
    people = {"kind": "annotated", "data": write_rows("people.jsonl", [{"messages": turns}])}
    made = built({"people": people}, count, form="special", special_token="mark")
    (row,) = made.rows
    assert row["messages"][1]["content"] == "|mark|我数手指。|mark|是二。"
    assert row["language"] == "zh"
    plain = built({"people": people}, count).rows[0]
    assert conversation(Row(plain, "f", 1, "train"))[1].reasoning == "我数手指。"


def test_several_sources_and_a_limit(sums: str, write_rows: Any, count: Callable[..., Any]) -> None:
    turns = [{"role": "user", "content": "One and one?"}, {"role": "assistant", "content": "2", "reasoning_content": "I count."}]
    sources = {
        "people": {"kind": "annotated", "data": write_rows("people.jsonl", [{"messages": turns}])},
        "zero": {"kind": "zero", "generator": OWN, "tasks": tasks(sums), "samples": 1, "rewriter": {"kind": "model", "generator": OWN}},
    }
    sources["zero"]["rewriter"] = {"kind": "model", "generator": {"kind": "own", "function": "m.py:writer"}}  # type: ignore[index]
    everything = built(sources, count, near_duplicates=1.0)
    assert [row["source"] for row in everything.rows] == ["people"] + ["zero"] * 8
    few = built(sources, count, near_duplicates=1.0, rows=4)
    assert len(few.rows) == 4
    assert [row for row in everything.rows if row in few.rows] == few.rows


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")], "one user turn"),
        ([("user", "a"), ("assistant", "<think>b")], "its reasoning is not closed"),
        ([("assistant", "a")], "starts with an assistant"),
    ],
)
def test_rows_of_the_wrong_shape(turns: list[tuple[str, str]], message: str, write_rows: Any, count: Callable[..., Any]) -> None:
    rows = [{"messages": [{"role": role, "content": content} for role, content in turns]}]
    with pytest.raises(DataError, match=f"people.jsonl, row 1: .*{message}"):
        built({"people": {"kind": "annotated", "data": write_rows("people.jsonl", rows)}}, count)


def test_no_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="sources is empty"):
        validate(ColdStartConfig, {"sources": {}})
