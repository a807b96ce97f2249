"""The forms of public data sets: what each row becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dunwu.data.io.conversations import conversation, is_document
from dunwu.data.io.preferences import LabelledAnswer, Pair, labelled_of, pair_of
from dunwu.errors import DataError
from dunwu.models.chat import Message
from dunwu.tasks.forms import CONVERSATIONS, LABELLED, PAIRS, form_of, renamed
from dunwu.tasks.rows import Row

ASK, SAY, NO = ({"role": role, "content": text} for role, text in (("user", "1+1?"), ("assistant", "2"), ("assistant", "3")))
SYSTEM = {"role": "system", "content": "Be brief."}


def row(columns: dict[str, Any]) -> Row:
    return Row(columns, "rows.jsonl", 3, "unnamed")


def talk(columns: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(turn.role, turn.content, turn.role == "assistant" and turn.learned) for turn in conversation(row(columns))]


PLAIN = [("user", "1+1?", False), ("assistant", "2", True)]
BRIEF = [("system", "Be brief.", False), *PLAIN]
GPT = [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}]


@pytest.mark.parametrize(
    ("columns", "form", "turns"),
    [
        ({"messages": [ASK, SAY]}, "messages", PLAIN),
        ({"prompt": [SYSTEM, ASK], "completion": [SAY]}, "prompt and completion", BRIEF),
        ({"conversations": GPT}, "ShareGPT", PLAIN),
        ({"conversations": json.dumps(GPT)}, "ShareGPT", PLAIN),
        ({"conversation": [{"from": "system", "value": "Be brief."}, *GPT]}, "ShareGPT", BRIEF),
        ({"conversations": GPT, "system": "Be brief."}, "ShareGPT", BRIEF),
        ({"conversations": [ASK, SAY]}, "ShareGPT", PLAIN),
        ({"instruction": "1+1?", "input": "", "output": "2"}, "Alpaca", PLAIN),
        ({"instruction": "1+1?", "output": "2", "system": "Be brief."}, "Alpaca", BRIEF),
        ({"instruction": "Add.", "input": "1, 1", "output": "2"}, "Alpaca", [("user", "Add.\n\n1, 1", False), ("assistant", "2", True)]),
        (
            {"instruction": "1+1?", "input": None, "output": "2", "history": [["hi", "ho"]]},
            "Alpaca",
            [("user", "hi", False), ("assistant", "ho", True), *PLAIN],
        ),
        (
            {"instruction": "1+1?", "output": "2", "history": '[["hi", "ho"]]'},
            "Alpaca",
            [("user", "hi", False), ("assistant", "ho", True), *PLAIN],
        ),
        ({"chosen": [ASK, SAY], "rejected": [ASK, NO]}, "preferences", PLAIN),
        ({"prompt": "1+1?", "chosen": "2", "rejected": "3"}, "preferences", PLAIN),
        ({"question": "1+1?", "answer": "2"}, "problem and answer", PLAIN),
        ({"problem": "1+1?", "solution": "2", "level": 3}, "problem and answer", PLAIN),
        ({"query": "1+1?", "response": "2"}, "problem and answer", PLAIN),
        ({"system_prompt": "Be brief.", "question": "1+1?", "response": "2"}, "problem and answer", BRIEF),
        ({"prompt": [ASK], "reward_model": {}, "extra_info": {"question": "1+1?", "answer": "2"}}, "verl", PLAIN),
        ({"problem": "1+1?", "answer": "9", "solution": "2"}, "problem and answer", PLAIN),
        ({"text": "1+1=2", "id": 5}, "text", [("assistant", "1+1=2", True)]),
    ],
)
def test_conversations(columns: dict[str, Any], form: str, turns: list[tuple[str, str, bool]]) -> None:
    found = form_of(columns, CONVERSATIONS)
    assert found is not None
    assert found.name == form
    assert talk(columns) == turns
    assert is_document(conversation(row(columns))) == (form == "text")


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        (
            {"conversations": [*GPT, {"from": "observation", "value": "x"}]},
            "has the role 'observation'; the roles are system, user, assistant",
        ),
        ({"conversations": GPT[::-1]}, "starts with an assistant turn"),
        ({"conversations": GPT, "tools": "[{}]"}, "the column tools is not read"),
        ({"conversations": "hi"}, "messages is the text 'hi', not a JSON list"),
        ({"instruction": 5, "output": "2"}, "content is 5; write it as text"),
        ({"instruction": "1+1?", "output": "2", "history": "abc"}, "history is 'abc': give a list of [question, answer] pairs"),
        ({"instruction": "1+1?", "output": "2", "history": 5}, "history is 5"),
        ({"instruction": "1+1?", "output": "2", "history": [None]}, "history is [None]"),
        ({"instruction": "1+1?", "output": "2", "history": [["hi"]]}, "history is [['hi']]"),
        ({"text": "  "}, "text is '  '; fill it or drop the row"),
        ({"prompt": "1+1?", "completion": "3", "label": False}, "the answer is a bad one"),
        ({"prompt": "1+1?", "completion": "3", "label": "unsafe"}, "the answer is a bad one"),
        ({"prompt": [ASK], "reward_model": {"ground_truth": "2"}}, "the nearest, prompt and completion, needs a value in completion"),
        ({"text": "good film", "label": 1}, "of no known form"),
        ({"text": "Sort a list.", "code": "sorted(x)"}, "of no known form"),
        ({}, "(columns: none)"),
    ],
)
def test_rows_that_are_no_conversation(columns: dict[str, Any], part: str) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl, row 3") as caught:
        talk(columns)
    assert part in str(caught.value)


HUMAN = "\n\nHuman: 1+1?\n\nAssistant:"
PAIR = Pair((Message("user", "1+1?"),), "2", "3")


@pytest.mark.parametrize(
    ("columns", "pair"),
    [
        ({"prompt": "1+1?", "chosen": "2", "rejected": "3"}, PAIR),
        ({"prompt": [ASK], "chosen": [SAY], "rejected": [NO]}, PAIR),
        ({"chosen": [ASK, SAY], "rejected": [ASK, NO]}, PAIR),
        ({"prompt": "1+1?", "chosen": [ASK, SAY], "rejected": [ASK, NO], "score": 1}, PAIR),
        ({"chosen": GPT, "rejected": [GPT[0], {"from": "gpt", "value": "3"}]}, PAIR),
        ({"chosen": f"{HUMAN} 2", "rejected": f"{HUMAN} 3"}, PAIR),
        ({"question": "1+1?", "chosen": "2", "rejected": "3", "margin": "2.5"}, Pair(PAIR.prompt, "2", "3", 2.5)),
        ({"instruction": "1+1?", "input": "", "chosen": "2", "rejected": "3", "margin": ""}, PAIR),
        (
            {"system": "Be brief.", "question": "1+1?", "chosen": "2", "rejected": "3"},
            Pair((Message("system", "Be brief."), *PAIR.prompt), "2", "3"),
        ),
        (
            {"chosen": [ASK, SAY, ASK, SAY], "rejected": [ASK, SAY, ASK, NO]},
            Pair((Message("user", "1+1?"), Message("assistant", "2"), Message("user", "1+1?")), "2", "3"),
        ),
        (
            {"prompt": "Hi", "chosen": [SAY, ASK, SAY], "rejected": [SAY, ASK, NO]},
            Pair((Message("user", "Hi"), Message("assistant", "2"), Message("user", "1+1?")), "2", "3"),
        ),
    ],
)
def test_pairs(columns: dict[str, Any], pair: Pair) -> None:
    assert form_of(columns, PAIRS)
    assert pair_of(row(columns)) == pair


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"chosen": [ASK, SAY, ASK, SAY], "rejected": [ASK, NO, ASK, NO]}, "chosen has turns before its answer that are not in the prompt"),
        ({"prompt": "other", "chosen": [SAY], "rejected": [ASK, NO]}, "rejected has turns before its answer"),
        ({"chosen": [ASK, SAY], "rejected": [NO, SAY]}, "prompt is neither text nor a list"),
        ({"chosen": "2", "rejected": "3"}, "needs a value in prompt or question"),
        ({"prompt": "p", "completion": "c", "label": True}, "not a pair: set criterion to safety"),
    ],
)
def test_rows_that_are_no_pair(columns: dict[str, Any], part: str) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl, row 3") as caught:
        pair_of(row(columns))
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("label", "safe"), [("safe", True), (True, True), ("true", True), ("False", False), (False, False), ("unsafe", False)]
)
def test_labelled_answers(label: Any, safe: bool) -> None:
    columns = {"prompt": [ASK], "completion": [SAY], "label": label}
    assert form_of(columns, LABELLED)
    assert labelled_of(row(columns)) == LabelledAnswer(PAIR.prompt, "2", safe)
    with pytest.raises(DataError, match="set criterion to helpfulness"):
        labelled_of(row({"prompt": "p", "chosen": "a", "rejected": "b"}))


def test_columns_by_our_names() -> None:
    columns = {"deep": {"ask": "1+1?"}, "reply": "2"}
    assert talk(renamed(row(columns), {"prompt": "deep.ask", "completion": "reply"}).columns) == PLAIN
    with pytest.raises(DataError, match=r"no column ask \(columns: deep, reply\): did you mean deep\.ask\?"):
        renamed(row(columns), {"prompt": "ask"})
