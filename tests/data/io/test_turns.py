"""What a turn of a data set says: its reasoning under any known key, its mask, and nothing that is dropped without a word."""

from __future__ import annotations

from typing import Any

import pytest

from dunwu.data.io.conversations import conversation
from dunwu.data.io.preferences import answer_of, conversation_of
from dunwu.data.io.turns import HARMLESS, MASK_KEYS, REASONING_KEYS, read_turn
from dunwu.errors import DataError
from dunwu.models.chat import Message
from dunwu.tasks.rows import Row

ASK, SAY = {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}
THOUGHT = Message("assistant", "2", "One more.")


def row(**columns: Any) -> Row:
    return Row(columns, "rows.jsonl", 3, "unnamed")


def learned(**columns: Any) -> list[bool]:
    return [turn.learned for turn in conversation(row(**columns)) if turn.role == "assistant"]


@pytest.mark.parametrize("key", REASONING_KEYS)
def test_reasoning_is_read_under_every_known_key(key: str) -> None:
    turn = {**SAY, **dict.fromkeys(REASONING_KEYS), key: "One more."}
    assert read_turn(turn, "here") == THOUGHT
    assert read_turn({**turn, "reasoning_content": "One more."}, "here") == THOUGHT
    assert conversation(row(prompt="1+1?", completion="2", **{key: "One more."}))[-1] == THOUGHT
    assert answer_of(row(chosen=[turn]), "chosen") == "<think>One more.</think>2"


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "thinking", "thinking": "One more.", "signature": "c2ln"}, {"type": "text", "text": "2"}],
        [{"type": "reasoning", "text": "One more."}, {"type": "output_text", "text": "2", "annotations": []}],
        [{"type": "thinking", "thinking": "One more.", "text": None}, {"type": "text", "thinking": None, "text": "2"}],
    ],
)
def test_reasoning_is_read_out_of_lists_of_parts(content: Any) -> None:
    assert read_turn({"role": "assistant", "content": content}, "here") == THOUGHT


def test_parts_of_text_are_one_text() -> None:
    parts = [{"type": "text", "text": "1+"}, {"type": "text", "text": "1?"}]
    assert read_turn({"role": "user", "content": parts}, "here") == Message("user", "1+1?")


@pytest.mark.parametrize("key", MASK_KEYS)
@pytest.mark.parametrize(("off", "on"), [(False, True), (0, 1), (0.0, 1.0)])
def test_a_masked_turn_is_not_learned(key: str, off: Any, on: Any) -> None:
    assert learned(messages=[ASK, {**SAY, key: off}, {**ASK, key: off}, {**SAY, key: on}]) == [False, True]
    assert learned(messages=[{**ASK, key: None}, {**SAY, key: None}]) == [True]
    assert learned(prompt=[ASK], completion=[{**SAY, key: on}]) == [True]


@pytest.mark.parametrize("key", sorted(HARMLESS))
def test_what_describes_a_turn_is_passed_over(key: str) -> None:
    assert read_turn({**SAY, key: "something"}, "here") == Message("assistant", "2")


@pytest.mark.parametrize(
    ("turn", "part"),
    [
        ({"tool_calls": [{"function": {"name": "add"}}]}, "'tool_calls'"),
        ({"function_call": {"name": "add"}}, "'function_call'"),
        ({"reasoning_details": [{"text": "a"}]}, "'reasoning_details'"),
        ({"prefix": True}, "'prefix'"),
        ({"images": ["a.png"]}, "'images'"),
        ({"mask": True}, "'mask'"),
        ({"weight": 0.5}, "weight is 0.5"),
        ({"train": "false"}, "train is 'false'"),
        ({"weight": 1, "train": False}, "weight and train contradict"),
        ({"thinking": "a", "reasoning": "b"}, "reasoning and thinking"),
        ({"thinking": {"text": "a"}}, "thinking is {'text': 'a'}"),
        ({"thinking": "a", "content": "<think>b</think>2"}, "think tags"),
        ({"content": [{"type": "tool_use", "name": "add"}]}, "content[0] is {'type': 'tool_use'"),
        ({"content": [{"type": "redacted_thinking", "data": "x"}]}, "redacted_thinking"),
        ({"content": [{"type": "text", "text": "2"}, {"type": "thinking", "thinking": "a"}]}, "reasoning after the answer"),
        ({"content": [{"type": "text", "text": "2", "audio": "x"}]}, "'audio'"),
        ({"content": ["2"]}, "content[0] is '2'"),
        ({"content": []}, "must be text"),
    ],
)
def test_what_would_be_lost_is_refused_by_its_name(turn: dict[str, Any], part: str) -> None:
    with pytest.raises(DataError) as caught:
        conversation(row(messages=[ASK, {**SAY, **turn}]))
    assert str(caught.value).startswith("rows.jsonl, row 3: messages[1]")
    assert part in str(caught.value)


@pytest.mark.parametrize("turn", [{"thinking": "a"}, {"weight": 1}, {"tool_calls": [1]}])
def test_nor_is_it_lost_of_the_users_turn(turn: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"messages\[0\]"):
        conversation(row(messages=[{**ASK, **turn}, SAY]))
    with pytest.raises(DataError, match=r"prompt\[0\]"):
        conversation_of(row(prompt=[{**ASK, **turn}]))


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"system": "Be brief."}, "the column system"),
        ({"thinking": "One more."}, "the column thinking"),
        ({"tools": [{"name": "add"}]}, "the column tools"),
        ({"train": False}, "train is False"),
        ({"weight": 0}, "weight is 0"),
        ({"weight": 0.5}, "weight is 0.5"),
    ],
)
def test_columns_that_belong_into_the_conversation_are_refused(columns: dict[str, Any], part: str) -> None:
    with pytest.raises(DataError, match=part):
        conversation(row(messages=[ASK, SAY], **columns))


def test_columns_that_say_nothing_new_are_no_mistake() -> None:
    columns = {"tools": [], "functions": "[]", "system": "Be brief.", "reasoning": "One more.", "weight": 1, "train": True, "loss": 0.3}
    turns = [{"role": "system", "content": "Be brief."}, ASK, {**SAY, "thinking": "One more."}]
    assert conversation(row(messages=turns, **columns))[-1] == THOUGHT
    assert conversation(row(prompt="1+1?", completion="<think>One more.</think>2", reasoning="One more."))[-1].reasoning == ""


def test_with_every_turn_masked_nothing_is_left() -> None:
    with pytest.raises(DataError, match="no assistant turn to learn"):
        conversation(row(messages=[ASK, {**SAY, "weight": 0}]))
