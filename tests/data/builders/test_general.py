"""General data: the tiny world's tasks, rows from files, thoughts added by a model, and the forms for rewards and measurement."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.data_rows import GeneralConfig, TinyGeneral
from dunwu.config.load import validate
from dunwu.config.tasks import ChatTask, DatasetTask
from dunwu.data.builders.general import build_general, drawn
from dunwu.data.io.conversations import conversation
from dunwu.data.io.data_set import DataSet
from dunwu.data.io.preferences import read_labelled, read_pairs
from dunwu.data.tiny_world.tasks import FIXED, KINDS, items, worse_replies
from dunwu.errors import ConfigError
from dunwu.models.thinking import parse_completion
from dunwu.tasks.make import make_task
from dunwu.tasks.rows import Row
from dunwu.text.language import language_share
from dunwu.verifiers.verify import verify
from tests.data.conftest import opener


def built(count: Any, **more: Any) -> DataSet:
    return build_general(validate(GeneralConfig, more), opener(think=think), count)


def think(messages: list[dict[str, str]], seed: int) -> str:
    return "" if "Hello" in messages[0]["content"] else "<think>hm</think>I recall what I have read."


@pytest.mark.parametrize("kind", KINDS)
def test_items_are_in_their_language_and_each_question_once(kind: str) -> None:
    found = items(kind)
    assert {item.language for item in found} == {"en", "zh"}
    assert len({item.question for item in found}) == len(found)
    for item in found:
        assert item.kind == kind
        assert item.worse not in ("", item.reply)
        assert item.answer in (None, item.reply)
        assert language_share(item.reasoning, item.language) in (None, 1.0)
        if kind not in ("translation", "repeat"):
            assert language_share(item.reply, item.language) in (None, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_worse_replies_are_not_good_ones(kind: str) -> None:
    for item in items(kind):
        worse = worse_replies(item)
        assert worse[0] == item.worse
        assert len(set(worse)) == 2
        assert item.reply not in worse


def test_harmful_requests_are_refused_and_their_look_alikes_answered() -> None:
    harmful, harmless = items("harmful"), items("harmless")
    assert len(harmful) == len(harmless)
    refusals = {item.reply for item in harmful}
    assert not any(item.safe for item in harmful)
    assert all(item.worse in refusals and item.reply not in refusals for item in harmless)


def test_nothing_that_is_made_of_parts_stands_in_two_splits() -> None:
    splits = {split: {item.question: item.kind for item in drawn(TinyGeneral(), split, 10_000, 0)} for split in ("train", "test")}
    assert {splits["train"][question] for question in splits["train"].keys() & splits["test"].keys()} == FIXED
    assert set(splits["test"].values()) == set(KINDS)


def test_weights_and_languages() -> None:
    source = TinyGeneral(weights={"count": 3.0, "greeting": 1.0, "facts": 0.0}, languages=("zh",))
    found = drawn(source, "train", 100, 0)
    assert {item.language for item in found} == {"zh"}
    assert {item.kind for item in found} == {"count", "greeting"}
    assert found == drawn(source, "train", 100, 0)
    assert found[:50] == drawn(source, "train", 50, 0)


def test_a_share_of_the_replies_is_worse(count: Callable[..., Any]) -> None:
    kinds = dict.fromkeys(("writing", "harmful", "harmless", "count"), 1.0)
    made = built(count, rows=2000, sources={"unchecked": {"kind": "tiny", "weights": kinds, "worse": 0.3}})
    known = {item.question: item for kind in kinds for item in items(kind)}
    for row in made.rows:
        asked, replied = row["messages"]
        item = known[asked["content"]]
        worse = row["reply"] == "worse"
        assert replied["content"] == f"<answer>{item.worse if worse else item.reply}</answer>"
        assert ("reasoning_content" in replied) == (bool(item.reasoning) and not worse)
    counts = made.facts["replies"]
    assert counts["worse"] / len(made.rows) == pytest.approx(0.3, abs=0.06)
    assert counts["worse"] + counts["good"] == len(made.rows)


def test_some_think_and_a_greeting_does_not(count: Callable[..., Any]) -> None:
    made = built(count, rows=2000)
    reasoned = {row["kind"] for row in made.rows if "reasoning_content" in row["messages"][1]}
    assert reasoned == {"facts", "count", "numbers"}
    assert made.facts["with a chain of thought"] == sum("reasoning_content" in row["messages"][1] for row in made.rows)
    for row in made.rows:
        turns = conversation(Row(row, "f", 1, "train"))
        assert parse_completion(turns[1].content).answer


def test_problems_are_verified_as_their_own_answers(tmp_path: Path, count: Callable[..., Any]) -> None:
    built(count, form="problems", split="test", rows=300).write(tmp_path, count, 0)
    found = make_task(DatasetTask(path=str(tmp_path / "test.jsonl"), verifier="text")).held_out("test", 999)
    assert len(found) > 100
    assert {str(problem.data["kind"]) for problem in found} == {"facts", "translation", "repeat", "count", "numbers"}
    for problem in found:
        assert verify(problem, problem.answer).score == 1.0


@pytest.mark.parametrize("form", ["prompts", "pairs", "labelled"])
def test_every_form_keeps_evaluation_sets_out(form: str, write_rows: Any, count: Callable[..., Any]) -> None:
    asked, told = items("writing")[0], items("writing")[2]
    held_out = [
        {"problem": asked.question + " Say it in ten words or more, if you can, please.", "answer": "1"},
        {"problem": "n", "answer": "1"},
    ]
    held_out[1]["problem"] = f"Copy: {told.reply}"
    path = write_rows("test.jsonl", held_out)
    sets = [{"name": "copied", "task": {"kind": "dataset", "path": path, "verifier": "text"}}]
    made = built(count, form=form, rows=2000, split="all", decontaminate=sets)
    (certificate,) = made.certificates
    removed = next(step.removed for step in made.funnel.steps if step.name == "in an evaluation set")
    assert certificate.compared > 500
    assert certificate.removed == removed
    assert removed > 0
    assert not any(row["prompt"] == told.question for row in made.rows)


def test_prompts_for_a_chat_task(tmp_path: Path, count: Callable[..., Any]) -> None:
    built(count, form="prompts", rows=300).write(tmp_path, count, 0)
    task = make_task(ChatTask(path=str(tmp_path)))
    problems = [task.train(index, 0) for index in range(200)]
    assert {problem.data["category"] for problem in problems} == set(KINDS)
    assert all(bool(problem.data["harmful"]) == (problem.data["category"] == "harmful") for problem in problems)


def test_pairs_and_labelled_answers_are_read_back(tmp_path: Path, count: Callable[..., Any]) -> None:
    for form in ("pairs", "labelled"):
        (tmp_path / form).mkdir()
        built(count, form=form, split="all", rows=800).write(tmp_path / form, count, 0)
    pairs = read_pairs(tmp_path / "pairs", {})
    tested = {item.question for item in drawn(TinyGeneral(), "test", 10_000, 0) if item.kind not in FIXED}
    asked = [{pair.prompt[0].content for pair in found} for found in (pairs.train, pairs.held_out)]
    assert len(pairs.train) > 500
    assert len(pairs.held_out) > 50
    assert not asked[0] & tested
    assert len(asked[1] & tested) > 40
    assert all("<answer>" in text for pair in pairs.train for text in (pair.chosen, pair.rejected))
    harmful = {item.question for item in items("harmful")}
    assert not any(pair.prompt[0].content in harmful for pair in pairs.train)
    labelled = read_labelled(tmp_path / "labelled", {})
    assert {answer.safe for answer in labelled.train} == {True, False}
    assert all(answer.prompt[0].content in harmful for answer in labelled.train if not answer.safe)


def test_files_and_thoughts(write_rows: Any, count: Callable[..., Any]) -> None:
    def chat(*turns: str) -> dict[str, Any]:
        return {"messages": [{"role": ("user", "assistant")[n % 2], "content": turn} for n, turn in enumerate(turns)]}

    rows = [chat("Who wrote it?", "She did."), chat("Hello!", "Hello!"), chat("a", "b", "c", "d")]
    sources = {name: {"kind": "files", "data": write_rows(f"{name}.jsonl", rows)} for name in ("facts", "plain")}
    with pytest.raises(ConfigError, match=r"thinker .* teacher"):
        validate(GeneralConfig, {"thinker": {"sources": ["facts"]}})
    teacher = {"generator": {"kind": "own", "function": "m.py:think"}, "sources": ["facts"]}
    made = built(count, sources=sources, teacher=teacher)
    assert [row["source"] for row in made.rows] == ["facts"] * 3 + ["plain"] * 3
    assert made.rows[0]["messages"][1] == {"role": "assistant", "content": "She did.", "reasoning_content": "I recall what I have read."}
    assert [row["messages"] for row in made.rows[1:]] == [row["messages"] for row in [*rows[1:], *rows]]
    assert made.facts["facts"] == {"generator": "m.py:think", "asked for reasoning": 2, "got it": 1}
    with pytest.raises(ConfigError, match="form = 'pairs'"):
        built(count, sources=sources, form="pairs")


def test_the_card_says_what_is_memory(tmp_path: Path, count: Callable[..., Any]) -> None:
    built(count, rows=20).write(tmp_path, count, 0)
    assert "memory" in json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))["notes"][0]
