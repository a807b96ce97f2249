"""Cleaning rows of every form, each kept with all its columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dunwu.config.data_rows import CleaningConfig
from dunwu.config.load import validate
from dunwu.data.builders.cleaning import clean_rows
from dunwu.data.io.data_set import DataSet
from dunwu.data.io.row_text import normalised


def chat(question: str, answer: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **more}


def cleaned(path: str, count: Any, **more: Any) -> DataSet:
    return clean_rows(validate(CleaningConfig, {"data": path, **more}), count)


def test_what_goes_and_why(write_rows: Any, count: Callable[..., Any]) -> None:
    long = "The tall old tree by the river has lost all of its leaves in the cold wind of the last long winter night"
    rows = [
        chat("Tell me.", long, extra=1),
        chat("Tell  me.".replace("  ", " "), f" {long}\r\n"),
        chat("Tell me.", long + " again"),
        chat("Count.", "so and so " * 40),
        chat("Draw.", "```\nx"),
        {"prompt": "Say it.", "completion": "It is said."},
        {"problem": "What is 1+1?", "answer": 2},
    ]
    made = cleaned(write_rows("rows.jsonl", rows), count)
    assert {step.name: step.removed for step in made.funnel.steps if step.removed} == {
        "exact duplicate": 1,
        "near-duplicate": 1,
        "repetition": 1,
        "code blocks": 1,
    }
    assert [row.get("extra") for row in made.rows] == [1, None, None]
    assert made.rows[1] == {"prompt": "Say it.", "completion": "It is said."}
    assert made.rows[2] == {"problem": "What is 1+1?", "answer": 2}


def test_a_translation_passes_and_a_mixed_thought_does_not(write_rows: Any, count: Callable[..., Any]) -> None:
    rows = [chat("Translate: a small cat", "小猫"), chat("How many legs?", "<think>我数一数。</think>Four.")]
    rows[1]["messages"][1] = {"role": "assistant", "content": "Four.", "reasoning_content": "我数一数 legs。"}
    made = cleaned(write_rows("rows.jsonl", rows), count)
    assert [row["messages"][1]["content"] for row in made.rows] == ["小猫"]


def test_normalisation() -> None:
    assert normalised({"a": [" e\u0301\r\nx\ty\x00\x1b ", 3, None]}) == {"a": ["\xe9\nx\ty", 3, None]}


def test_several_turns_stay_whole(write_rows: Any, count: Callable[..., Any]) -> None:
    turns = [{"role": role, "content": text} for role, text in [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]]
    made = cleaned(write_rows("rows.jsonl", [{"messages": turns}]), count)
    assert made.rows == [{"messages": turns}]


def test_decontaminated_with_a_certificate(write_rows: Any, count: Callable[..., Any]) -> None:
    question = "How many of the nine green bottles on the wall are left when four of them fall?"
    held = write_rows("held/test.jsonl", [{"problem": question, "answer": "5"}])
    rows = [chat(f"Please: {question}", "Five."), chat("Hello there.", "Hello."), chat("Recall it.", f"It was: {question}")]
    sets = [{"name": "bottles", "task": {"kind": "dataset", "path": held}}]
    made = cleaned(write_rows("rows.jsonl", rows), count, decontaminate=sets, near_duplicates=1.0)
    assert [row["messages"][0]["content"] for row in made.rows] == ["Hello there."]
    (certificate,) = made.certificates
    assert (certificate.name, certificate.problems, certificate.compared, certificate.removed) == ("bottles", 1, 3, 2)
    assert certificate.hits[0]["shares"] == "bottles on the wall are left when four of them"


def test_filters_read_the_answer_that_is_learned(write_rows: Any, count: Callable[..., Any]) -> None:
    rows = [{"problem": "Count.", "answer": "4", "solution": "so and so " * 40}, {"problem": "What is 2+2?", "answer": "4"}]
    made = cleaned(write_rows("rows.jsonl", rows), count)
    assert made.rows == rows[1:]
    assert {step.name: step.removed for step in made.funnel.steps if step.removed} == {"repetition": 1}


def test_answers_that_are_labelled_as_bad_go(write_rows: Any, count: Callable[..., Any]) -> None:
    rows = [{"problem": f"What is {n}+1?", "answer": n + (1 if right else 2), "label": right} for n, right in ((1, False), (2, True))]
    made = cleaned(write_rows("rows.jsonl", rows), count)
    assert [row["problem"] for row in made.rows] == ["What is 2+1?"]
    assert {step.name: step.removed for step in made.funnel.steps if step.removed} == {"labelled as bad": 1}
    assert made.facts["rows read"] == 2


def test_columns_of_other_names(write_rows: Any, count: Callable[..., Any]) -> None:
    """Rows that are trained on afterwards have our names too."""
    rows = [{"question": "What is 1+1?", "trace": {"final": "It is 2."}, "answer": "unused"}]
    made = cleaned(write_rows("rows.jsonl", rows), count, columns={"problem": "question", "answer": "trace.final"})
    assert made.rows == [{**rows[0], "problem": "What is 1+1?", "answer": "It is 2."}]
