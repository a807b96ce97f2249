"""Rows as conversations: every accepted shape, and a line with the remedy for every other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dunwu.data.io.conversations import conversation
from dunwu.errors import DataError
from dunwu.models.chat import Message
from dunwu.tasks.rows import Row

ASK, SAY = {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}


def read(**columns: Any) -> tuple[Message, ...]:
    return conversation(Row(columns, "rows.jsonl", 3, "unnamed"))


def test_messages_of_several_turns() -> None:
    rows = [{"role": "system", "content": "Be brief."}, ASK, {**SAY, "reasoning_content": "One more."}, ASK, SAY]
    assert read(messages=rows, source="made") == (
        Message("system", "Be brief."),
        Message("user", "1+1?"),
        Message("assistant", "2", "One more."),
        Message("user", "1+1?"),
        Message("assistant", "2"),
    )


@pytest.mark.parametrize("prompt", ["1+1?", [ASK]])
@pytest.mark.parametrize("completion", ["2", [SAY]])
def test_prompt_and_completion(prompt: Any, completion: Any) -> None:
    assert read(prompt=prompt, completion=completion, messages=None) == (Message("user", "1+1?", learned=False), Message("assistant", "2"))


def test_messages_as_a_text_of_json() -> None:
    assert read(messages=json.dumps([ASK, SAY])) == read(messages=[ASK, SAY])


@pytest.mark.parametrize("prompt", ["1+1?", [ASK], None, ""])
def test_a_prompt_that_is_a_turn_of_the_messages_is_no_second_conversation(prompt: Any) -> None:
    assert read(messages=[ASK, SAY], prompt=prompt, completion="2") == read(messages=[ASK, SAY])


def test_what_the_assistant_says_in_a_prompt_is_not_learned() -> None:
    found = read(prompt=[ASK, SAY, ASK], completion=[SAY])
    assert [message.learned for message in found if message.role == "assistant"] == [False, True]


def test_columns_that_parquet_fills_with_nothing() -> None:
    """A struct column has all keys in all rows."""
    assert read(messages=[{**ASK, "reasoning_content": None}, {**SAY, "reasoning_content": None}])[1] == Message("assistant", "2")


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"sentence": "1+1?"}, "of no known form (columns: sentence): give messages; or prompt, completion; or conversations"),
        ({"prompt": "1+1?"}, "the nearest, prompt and completion, needs a value in completion"),
        ({"messages": "1+1?"}, "not a JSON list"),
        ({"messages": '{"role": "user"}'}, "not a JSON list"),
        ({"messages": "[" * 100_000}, "not a JSON list"),
        ({"messages": "[]"}, "messages is []; give a list"),
        ({"messages": [ASK, SAY], "prompt": "hi", "completion": "2"}, "also prompt"),
        ({"messages": [ASK, SAY], "prompt": "1+1?", "completion": "3"}, "also completion"),
        ({"messages": [ASK, SAY], "completion": [SAY, {"role": "user", "content": "3"}]}, "also completion"),
        ({"messages": [ASK, SAY], "prompt": {"text": "x"}}, "also prompt"),
        ({"messages": []}, "messages is []; give a list"),
        ({"messages": {"role": "user"}}, "give a list of {role, content}"),
        ({"messages": ["1+1?"]}, "messages[0] is '1+1?'; give {role, content}"),
        ({"messages": [ASK, {"role": "tool", "content": "2"}]}, "messages[1] has the role 'tool'; the roles are system, user, assistant"),
        ({"messages": [ASK, {"from": "gpt", "value": "2"}]}, "messages[1] has the role None"),
        (
            {"messages": [ASK, {"role": "assistant", "content": 2}]},
            "messages[1]: content and reasoning_content must be text, and content is 2",
        ),
        ({"messages": [ASK, {"role": "assistant"}]}, "must be text"),
        ({"messages": [ASK, {**SAY, "reasoning_content": ["a"]}]}, "must be text"),
        ({"messages": [ASK, {"role": "assistant", "content": ""}]}, "messages[1] is empty"),
        ({"messages": [ASK, ASK, SAY]}, "turn 2 has the role user"),
        ({"messages": [ASK, SAY, SAY]}, "turn 3 has the role assistant"),
        ({"messages": [ASK, {**SAY, "reasoning_content": "\ud83d"}]}, "messages[1]: it has half a character ('\\ud83d')"),
        ({"messages": [SAY]}, "starts with an assistant turn"),
        ({"messages": [ASK, {"role": "system", "content": "x"}, SAY]}, "messages[1] is a system turn"),
        ({"messages": [ASK, {**SAY, "content": "<think>a</think>2", "reasoning_content": "a"}]}, "both reasoning_content and think tags"),
        ({"messages": [ASK, {**SAY, "reasoning_content": "a</think>b"}]}, "both reasoning_content and think tags"),
        ({"prompt": "1+1?", "completion": ""}, "completion[0] is empty"),
        ({"prompt": "1+1?", "completion": [ASK]}, "no assistant turn to learn"),
    ],
)
def test_a_mistake_names_the_row(columns: dict[str, Any], part: str) -> None:
    with pytest.raises(DataError) as caught:
        read(**columns)
    assert str(caught.value).startswith("rows.jsonl, row 3: ")
    assert part in str(caught.value)
