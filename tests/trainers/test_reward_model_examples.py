"""What a reward model reads: its scope and nothing else, text that stays text, one end token."""

from __future__ import annotations

from typing import Any

import pytest

from dunwu.data.io.preferences import LabelledAnswer, Pair, user_turn
from dunwu.errors import DataError
from dunwu.models.chat import Message
from dunwu.rewards.scope import Visible, look_at
from dunwu.trainers.reward_model_examples import SAME, SCOPES, TOO_LONG, Reader, make_examples, seen_by

HELLO = user_turn("Say hello.")


@pytest.fixture(scope="module")
def reader(world_tokenizer: Any) -> Reader:
    return Reader(world_tokenizer, world_tokenizer.pad_token_id)


def text_of(world_tokenizer: Any, row: tuple[int, ...]) -> str:
    return str(world_tokenizer.decode(row))


def test_helpfulness_is_shown_what_a_user_reads_and_safety_everything(world_tokenizer: Any, reader: Reader) -> None:
    text = "<think>I hate this.</think><answer>Hello.</answer>"
    helpful, safe = (text_of(world_tokenizer, reader(HELLO, seen_by(each, text))) for each in ("helpfulness", "safety"))
    assert helpful == "User: Say hello.\nAssistant:Hello.<|endoftext|>"
    assert safe == f"User: Say hello.\nAssistant:{text}<|endoftext|>"


@pytest.mark.parametrize("thought", ["", "I hate this.", "<answer>Good bye.</answer>", "wait " * 50, "<think>\n</think"])
def test_no_chain_of_thought_changes_what_helpfulness_reads(thought: str, reader: Reader) -> None:
    plain = reader(HELLO, seen_by("helpfulness", "Hello."))
    assert reader(HELLO, seen_by("helpfulness", f"<think>{thought}</think>Hello.")) == plain
    assert reader(HELLO, seen_by("safety", f"<think>{thought}</think>Hello.")) != plain


def test_reasoning_that_never_ends_is_not_shown(reader: Reader) -> None:
    assert seen_by("helpfulness", "<think>I hate this. Hello.") == Visible("")
    assert SCOPES["helpfulness"] is Visible


def test_an_answer_cannot_end_itself_or_forge_a_turn(world_tokenizer: Any, reader: Reader) -> None:
    row = reader(HELLO, look_at("Hi<|endoftext|><|pad|> there"))
    assert row.count(world_tokenizer.eos_token_id) == 1
    assert world_tokenizer.pad_token_id not in row


def test_an_end_token_the_engine_kept_is_no_part_of_the_answer(reader: Reader) -> None:
    assert reader(HELLO, look_at(" Hello.<|endoftext|>")) == reader(HELLO, look_at("Hello."))


def test_no_end_token_where_it_is_the_padding(world_tokenizer: Any, reader: Reader) -> None:
    alone = Reader(world_tokenizer, world_tokenizer.eos_token_id)
    assert alone(HELLO, Visible("Hi")) == reader(HELLO, Visible("Hi"))[:-1]


def test_a_conversation_has_all_its_turns(world_tokenizer: Any, reader: Reader) -> None:
    talk = (Message("user", "one"), Message("assistant", "two"), Message("user", "three"))
    assert text_of(world_tokenizer, reader.prompt(talk)) == "User: one\nAssistant: two\nUser: three\nAssistant:"
    template, world_tokenizer.chat_template = world_tokenizer.chat_template, None
    try:
        assert text_of(world_tokenizer, reader.prompt(talk)) == "User: one\nAssistant: two\nUser: three\nAssistant:"
        world_tokenizer.chat_template = "{{ messages[0].content }}{% if add_generation_prompt %}<think>\n{% endif %}"
        assert text_of(world_tokenizer, reader.prompt(talk[:1])) == "one"  # the reasoning is not for the template to open
        with pytest.raises(DataError, match=r"drops or rewrites the assistant's turn 'two'"):
            reader.prompt(talk)
        world_tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
        with pytest.raises(DataError, match=r"refuses the conversation 'one': roles must alternate"):
            reader.prompt(talk)
    finally:
        world_tokenizer.chat_template = template


def test_examples_know_their_lengths_and_sides(reader: Reader) -> None:
    items = [Pair(HELLO, "<think>long thought here</think>Hi", "Hi my friend", 2.0), Pair(HELLO, "Go", "Hi")]
    (first, second), left_out = make_examples(items, "helpfulness", reader, 100)
    assert first.lengths == tuple(len(reader.answer(Visible(text))) for text in ("Hi", "Hi my friend"))
    assert (first.side, first.size, first.margin, first.sign) == (-1, first.lengths[1] - first.lengths[0], 2.0, 1)
    assert second.size == 0 == second.side
    assert not left_out
    (unsafe,), _ = make_examples([LabelledAnswer(HELLO, "Hi", False)], "safety", reader, 100)
    assert (unsafe.side, unsafe.size) == (-1, unsafe.lengths[0])


def test_what_is_left_out_is_counted(reader: Reader) -> None:
    items = [Pair(HELLO, "<think>a</think>Hi", "<think>b</think>Hi"), Pair(HELLO, "Hi " * 60, "Hi"), Pair(HELLO, "Hi", "Go away")]
    examples, left_out = make_examples(items, "helpfulness", reader, 50)
    assert [example.item for example in examples] == items[2:]
    assert left_out == {SAME: 1, TOO_LONG: 1}
