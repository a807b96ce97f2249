"""Which answers are fit to be learned from: each filter on a text that just passes and one that just does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dunwu.config.data import FiltersConfig
from dunwu.data.builders.drafts import Draft, readable, split_reply, tidy_code
from dunwu.data.builders.funnel import Funnel
from dunwu.data.io.conversations import conversation
from dunwu.tasks.rows import Row


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def draft(reasoning: str = "", reply: str = "It is four.", language: str = "en") -> Draft:
    return Draft("How many?", reasoning, reply, "s", language)


def removed_by(item: Draft, **filters: object) -> str:
    funnel = Funnel()
    readable([item], FiltersConfig.model_validate(filters), funnel, words)
    return next((step.name for step in funnel.steps if step.removed), "")


@pytest.mark.parametrize(
    ("item", "filters", "name"),
    [
        (draft("First I count the legs of the cat."), {}, ""),
        (draft("First 我数一数猫的腿 then I am done."), {}, "mixed language"),
        (draft("First 我数一数猫的腿 then I am done."), {"min_language": 0}, ""),
        (draft("I count.", "一共有四条腿。"), {}, "mixed language"),
        (draft("I count.", "一共有四条腿。"), {"language_of": "reasoning"}, ""),
        (draft("2+2=4."), {}, ""),
        (draft("a b c d\n\nd e f g"), {"max_paragraph_words": 4}, ""),
        (draft("a b c d\nd e f g"), {"max_paragraph_words": 4}, "long paragraph"),
        (draft("a b c d\nd e f g"), {"max_paragraph_words": 0}, ""),
        (draft("```python\nprint(1)\n"), {}, "code blocks"),
        (draft("```python\nprint(1)\n```\n"), {}, ""),
        (draft("```python\nprint(1)\n```\n"), {"code": "none"}, "code blocks"),
        (draft("wait and see. " * 20), {}, "repetition"),
        (draft("wait and see. " * 20), {"max_repetition": 1.0}, ""),
        (draft("one two", "three"), {"min_tokens": 4}, "length"),
        (draft("one two", "three"), {"max_tokens": 5}, ""),
        (draft("one two", "three"), {"max_tokens": 4}, "length"),
    ],
)
def test_filters(item: Draft, filters: dict[str, object], name: str) -> None:
    assert removed_by(item, **filters) == name


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("no code", True),
        ("````\n```\n````", True),
        ("~~~\n```\n~~~", True),
        ("```\na\n```\n```\nb", False),
        ("an inline `x` and ``` in a line", True),
    ],
)
def test_fences_are_closed_by_their_own_kind(text: str, tidy: bool) -> None:
    assert tidy_code(text, "balanced") is tidy
    assert tidy_code(text, "any")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<think> a </think> <answer>4</answer>", ("a", "<answer>4</answer>")),
        ("a</think>4", ("a", "4")),
        ("just 4", ("", "just 4")),
        ("<think>never ends", None),
        ("<think>a</think>", None),
        ("<think>a</think><think>b</think>4", None),
        ("<think>a<think>b</think>4", None),
        ("<think>a <answer>3</answer></think>4", None),
        (" ", None),
    ],
)
def test_an_answer_is_split_behind_its_reasoning(text: str, parts: tuple[str, str] | None) -> None:
    assert split_reply(text) == parts


def test_rows_in_both_forms() -> None:
    item = Draft("q", "think", "say", "s", "en", {"problem_id": "p"})
    row = item.row()
    assert (row["source"], row["language"], row["problem_id"]) == ("s", "en", "p")
    turns = conversation(Row(row, "f", 1, "train"))
    assert (turns[1].reasoning, turns[1].content) == ("think", "say")
    special = conversation(Row(item.row("special", "special_token"), "f", 1, "train"))
    assert special[1].content == "|special_token|think|special_token|say"
    assert special[1].reasoning == ""
