"""Conversations as tokens: exactly what is learned, whatever the tokenizer does at the boundary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from dunwu.data.io import chat_examples
from dunwu.data.io.chat_examples import Counts, Example, ExampleReader, Fingerprint, encode_rows, encode_segments
from dunwu.errors import DataError
from dunwu.models import bos
from dunwu.models.chat import Segment, training_template
from dunwu.tasks.rows import Row

TURNS = [
    {"role": "user", "content": "What is 3+4?"},
    {"role": "assistant", "content": "<answer>7</answer>", "reasoning_content": "3+4=7"},
    {"role": "user", "content": "And 3-4?"},
    {"role": "assistant", "content": "-1"},
]


def encode(columns: dict[str, Any], tokenizer: Any, name: str = "tiny") -> Example:
    [found] = encode_rows([Row(columns, "rows.jsonl", 1, "unnamed")], training_template(name, tokenizer), tokenizer)
    return found


def pieces(example: Example, tokenizer: Any) -> list[tuple[bool, str]]:
    """Neighbouring tokens of one kind, decoded."""
    found: list[tuple[bool, list[int]]] = []
    for token, learned in zip(example.ids.tolist(), example.learned.tolist(), strict=True):
        if not found or found[-1][0] != learned:
            found.append((learned, []))
        found[-1][1].append(token)
    return [(learned, tokenizer.decode(ids)) for learned, ids in found]


def test_every_assistants_turn_is_learned_with_its_end_and_nothing_else(world_tokenizer: Any) -> None:
    example = encode({"messages": TURNS}, world_tokenizer)
    assert pieces(example, world_tokenizer) == [
        (False, "User: What is 3+4?\nAssistant:"),
        (True, "<think>3+4=7</think><answer>7</answer><|endoftext|>"),
        (False, "\nUser: And 3-4?\nAssistant:"),
        (True, "-1<|endoftext|>"),
    ]
    assert example.start == example.learned.tolist().index(True)
    assert example.targets == sum(example.learned.tolist())


def test_of_prompt_and_completion_the_completion_is_learned(world_tokenizer: Any) -> None:
    example = encode({"prompt": TURNS[:3], "completion": [TURNS[3]]}, world_tokenizer)
    assert [text for learned, text in pieces(example, world_tokenizer) if learned] == ["-1<|endoftext|>"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.text(max_size=30), said=st.text(min_size=1, max_size=30))
def test_any_text_begins_where_the_prompt_alone_ends(asked: str, said: str, world_tokenizer: Any) -> None:
    asked, said = (text.encode("utf-8", errors="ignore").decode() for text in (asked, said))
    if not said or any("<|" in text for text in (asked, said)):
        return
    example = encode({"prompt": asked, "completion": said}, world_tokenizer)
    prompt = world_tokenizer(f"User: {asked}\nAssistant:", add_special_tokens=False)["input_ids"]
    assert example.ids[: example.start].tolist() == prompt
    assert example.learned[: example.start].any() == False  # noqa: E712
    assert example.learned[example.start :].all()
    assert world_tokenizer.decode(example.ids[example.start :]) == f"{said}<|endoftext|>"


@pytest.fixture(scope="module", params=[True, False], ids=["trimmed-offsets", "whole-offsets"])
def merging_tokenizer(request: pytest.FixtureRequest) -> Any:
    """Byte level with the merges `?A`, `Ġb` and `ĊĊ`; with trimmed offsets, white space belongs to no token's span."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merged = [("?", "A"), ("Ġ", "b"), ("Ċ", "Ċ")]
    vocabulary = {piece: i for i, piece in enumerate([*letters, *("".join(pair) for pair in merged)])}
    inner = Tokenizer(models.BPE(vocabulary, merged))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.post_processor = processors.ByteLevel(trim_offsets=request.param)
    inner.add_special_tokens([AddedToken("<end>")])
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>")


@pytest.mark.parametrize(
    ("prompt", "completion", "expected"),
    [
        ("Why?", "Ab", [(False, ["W", "h", "y", "?"]), (True, ["A", "b", "<end>"])]),  # `?A` would lie across
        ("Why?A", "b", [(False, ["W", "h", "y", "?A"]), (True, ["b", "<end>"])]),
        ("a", " b", [(False, ["a"]), (True, ["Ġb", "<end>"])]),
        ("a ", "b", [(False, ["a", "Ġ"]), (True, ["b", "<end>"])]),
        ("a\n\n", "b", [(False, ["a", "ĊĊ"]), (True, ["b", "<end>"])]),
        ("a\n", "\nb", [(False, ["a", "Ċ"]), (True, ["Ċ", "b", "<end>"])]),
    ],
)
def test_no_token_lies_across_the_end_of_the_prompt(prompt: str, completion: str, expected: Any, merging_tokenizer: Any) -> None:
    example = encode({"prompt": prompt, "completion": completion}, merging_tokenizer, "plain")
    tokens = merging_tokenizer.convert_ids_to_tokens(example.ids.tolist())
    start = example.start
    assert [(False, tokens[:start]), (True, tokens[start:])] == expected


def test_after_a_cut_later_boundaries_are_exact_too(merging_tokenizer: Any) -> None:
    segments = [Segment("x?"), Segment("Ay?", True), Segment("A b?"), Segment("A", True)]

    def batch(texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = merging_tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    [(ids, learned)] = encode_segments([segments], batch)
    tokens = merging_tokenizer.convert_ids_to_tokens(ids)
    assert tokens == ["x", "?", "A", "y", "?", "A", "Ġb", "?", "A"]
    assert learned == [False, False, True, True, True, False, False, False, True]


def test_an_empty_plain_prompt_leaves_the_first_token_unlearned(merging_tokenizer: Any) -> None:
    example = encode({"prompt": "", "completion": "ab"}, merging_tokenizer, "plain")
    assert example.learned.tolist() == [False, True, True]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(lengths: Sequence[int]) -> list[dict[str, Any]]:
    return [{"prompt": str(place), "completion": " 7" * length} for place, length in enumerate(lengths)]


def read(path: Path, tokenizer: Any, max_length: int, overlong: Any = "refuse") -> tuple[list[Example], Counts]:
    counts = Counts()
    return list(ExampleReader(path, training_template("tiny", tokenizer), tokenizer, max_length, overlong).read(counts)), counts


def test_a_file_is_read_in_order_and_whole(world_tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_examples, "CHARACTERS_AT_ONCE", 100)
    path = write(tmp_path / "rows.jsonl", rows_of([1, 2, 3, 4, 5, 6, 7]))
    examples, counts = read(path, world_tokenizer, 100)
    assert [example.where.rpartition(" ")[2] for example in examples] == ["1", "2", "3", "4", "5", "6", "7"]
    steps = {b.targets - a.targets for a, b in pairwise(examples)}
    assert len(steps) == 1
    assert counts == Counts(7, 0, sum(len(example.ids) for example in examples), sum(example.targets for example in examples))


def test_how_many_are_tokenised_together_changes_nothing(world_tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "rows.jsonl", rows_of([1, 20, 3, 4, 50]))
    together, _ = read(path, world_tokenizer, 1000)
    calls: list[int] = []

    def counted(tokenizer: Any, texts: list[str], start: str) -> list[list[int]]:
        calls.append(len(texts))
        return bos.encode(tokenizer, texts, start)

    monkeypatch.setattr(chat_examples, "encode", counted)
    monkeypatch.setattr(chat_examples, "CHARACTERS_AT_ONCE", 1)
    alone, _ = read(path, world_tokenizer, 1000)
    assert calls == [2] * 5
    assert Fingerprint().add(alone) == Fingerprint().add(together)


def test_a_long_row_is_refused_or_dropped_and_counted_never_cut(world_tokenizer: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", rows_of([1, 30, 1, 31]))
    whole, _ = read(path, world_tokenizer, 1000)
    longest = len(whole[1].ids)
    with pytest.raises(DataError, match=rf"row 2: {longest} tokens are over max_length = {longest - 1}; raise it, or set overlong=drop"):
        read(path, world_tokenizer, longest - 1)
    kept, counts = read(path, world_tokenizer, longest, "drop")
    assert (len(kept), counts.conversations, counts.too_long) == (3, 3, 1)
    assert kept[1].ids.tolist() == whole[1].ids.tolist()
    with pytest.raises(DataError, match="all 4 conversations are over max_length = 3"):
        read(path, world_tokenizer, 3, "drop")


def test_a_row_that_cannot_be_rendered_is_named(world_tokenizer: Any) -> None:
    with pytest.raises(DataError, match=r"rows.jsonl, row 1: the user's text contains '<\|endoftext\|>'"):
        encode({"prompt": "a<|endoftext|>", "completion": "b"}, world_tokenizer)


def test_a_row_that_the_template_refuses_is_named_with_a_remedy(world_tokenizer: Any) -> None:
    def refuse(chat: list[dict[str, str]], continued: bool) -> str:
        raise TemplateError("no system turn")

    template = replace(training_template("tiny", world_tokenizer), apply=refuse)
    with pytest.raises(DataError, match=r"row 1: .*no system turn\); change or drop the row, or set another template"):
        list(encode_rows([Row({"messages": TURNS}, "rows.jsonl", 1, "unnamed")], template, world_tokenizer))


def test_rows_with_a_bad_label_are_dropped_and_counted(tmp_path: Path, world_tokenizer: Any) -> None:
    rows = [{"prompt": "1+1?", "completion": f"{n}", "label": n == 2} for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reader = ExampleReader(tmp_path / "rows.jsonl", training_template("tiny", world_tokenizer), world_tokenizer, 100, "refuse")
    (example,) = reader.read(counts := Counts())
    assert world_tokenizer.decode(example.ids[example.learned].tolist()).startswith("2")
    assert (counts.conversations, counts.labelled_bad) == (1, 3)
    assert "3 labelled bad and dropped" in str(counts)


def test_of_a_folder_held_out_files_are_not_learned(tmp_path: Path, world_tokenizer: Any) -> None:
    names = ("train.jsonl", "more.jsonl", "test.jsonl", "valid.jsonl")
    for name in names:
        (tmp_path / name).write_text(json.dumps({"messages": TURNS}) + "\n", encoding="utf-8")

    def read(path: Path) -> tuple[list[str], int]:
        counts = Counts()
        reader = ExampleReader(path, training_template("tiny", world_tokenizer), world_tokenizer, 100, "refuse")
        return [Path(example.where.partition(",")[0]).name for example in reader.read(counts)], counts.held_out

    assert read(tmp_path) == (["more.jsonl", "train.jsonl"], 2)
    assert read(tmp_path / "test.jsonl") == (["test.jsonl"], 0)
    for name in names[:2]:
        (tmp_path / name).unlink()
    assert read(tmp_path) == (["test.jsonl", "valid.jsonl"], 0)


def test_a_plain_text_is_learned_as_a_whole(world_tokenizer: Any) -> None:
    found = encode({"text": "Say 3. Then say 4."}, world_tokenizer)
    template = training_template("tiny", world_tokenizer)
    assert world_tokenizer.decode(found.ids.tolist()) == f"Say 3. Then say 4.{template.end}"
    assert found.learned.tolist() == [False] + [True] * (len(found.ids) - 1)


@pytest.mark.parametrize("name", ["tiny", "plain", "r1-zero"])
def test_a_long_conversation_is_tokenised_in_parts_with_the_same_tokens(
    name: str, world_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"messages": [{**turn, "content": f"{turn['content']} {place}"} for place in range(30) for turn in TURNS]}
    parts = encode(columns, world_tokenizer, name)
    monkeypatch.setattr(chat_examples, "WINDOW", 10_000)
    whole = encode(columns, world_tokenizer, name)
    assert parts.ids.tolist() == whole.ids.tolist()
    assert parts.learned.tolist() == whole.learned.tolist()
