import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, LlamaConfig

from dunwu.data.tiny_world.reduction import LIMIT
from dunwu.data.tiny_world.tokenizer import END, PAD, TAGS, train_tokenizer
from dunwu.models.thinking import TAGS as PARSED_TAGS
from dunwu.tasks.templates import TEMPLATES

MAX_VOCABULARY = 1024
TRAINED_ON = 4000


@pytest.fixture(scope="module")
def tokenizer(corpus: list[tuple[str, str]]) -> Any:
    return train_tokenizer(text for _, text in corpus[:TRAINED_ON])


@pytest.fixture(scope="module")
def loaded(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tokenizer as AutoTokenizer reads it from a saved model folder."""
    folder: Path = tmp_path_factory.mktemp("model")
    LlamaConfig(vocab_size=len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def ids(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text)["input_ids"]
    return found


def pieces(tokenizer: Any, text: str) -> list[str]:
    found: list[str] = tokenizer.convert_ids_to_tokens(ids(tokenizer, text))
    return found


def test_the_vocabulary_is_small(tokenizer: Any) -> None:
    assert len(tokenizer) <= MAX_VOCABULARY
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
    assert (tokenizer.eos_token, tokenizer.pad_token) == (END, PAD)
    assert tokenizer.eos_token_id != tokenizer.pad_token_id


def test_every_document_comes_back(tokenizer: Any, corpus: list[tuple[str, str]]) -> None:
    texts = [text for _, text in corpus]
    encoded = tokenizer(texts)["input_ids"]
    assert tokenizer.batch_decode(encoded, skip_special_tokens=False) == texts
    assert tokenizer.unk_token_id is None
    assert max(map(len, encoded)) < 1000


def test_documents_are_said_in_few_tokens(tokenizer: Any, corpus: list[tuple[str, str]]) -> None:
    texts = [text for _, text in corpus[TRAINED_ON : TRAINED_ON + 2000]]
    tokens = sum(map(len, tokenizer(texts)["input_ids"]))
    characters = sum(map(len, texts))
    assert characters / tokens > 1.4


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_comes_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(ids(tokenizer, text), skip_special_tokens=False) == text


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(st.sampled_from([*TAGS, END, "<", "0x41>", "<0x41>", " ", "\r\n", "wait", "等等", "12", "3", "🙂", "é"]), max_size=12)
)
def test_tags_and_odd_pieces_come_back(tokenizer: Any, parts: list[str]) -> None:
    text = "".join(parts)
    assert tokenizer.decode(ids(tokenizer, text), skip_special_tokens=False) == text


def test_numbers_to_the_limit_are_one_token_anywhere(tokenizer: Any) -> None:
    seen = set()
    for number in range(LIMIT + 1):
        alone = ids(tokenizer, str(number))
        assert len(alone) == 1
        seen.update(alone)
        assert pieces(tokenizer, f"{number}*3={number},用{number}算") == [
            str(number),
            "*",
            "3",
            "=",
            str(number),
            ",",
            "用",
            str(number),
            "算",
        ]
    assert len(seen) == LIMIT + 1


@pytest.mark.parametrize("number", ["201", "999", "1234", "007", "00", "100000"])
def test_other_numbers_are_spelled_in_digits(tokenizer: Any, number: str) -> None:
    assert pieces(tokenizer, number) == list(number)


def test_no_merge_joins_a_number_to_anything(tokenizer: Any) -> None:
    mixed = [piece for piece in tokenizer.get_vocab() if re.search("[0-9]", piece) and not piece.isdigit()]
    assert all(re.fullmatch("<0x[0-9A-F]{2}>", piece) for piece in mixed)


def test_tags_are_one_token_each(tokenizer: Any) -> None:
    assert TAGS == PARSED_TAGS
    assert all(len(ids(tokenizer, tag)) == 1 for tag in TAGS)
    text = "".join(TAGS)
    assert pieces(tokenizer, text) == list(TAGS)
    assert tokenizer.decode(ids(tokenizer, text), skip_special_tokens=True) == text, "tags are text, not special tokens"


def test_what_the_corpus_never_says_falls_back_to_bytes(tokenizer: Any) -> None:
    assert pieces(tokenizer, "é") == ["<0xC3>", "<0xA9>"]
    assert pieces(tokenizer, "龘") == [f"<0x{byte:02X}>" for byte in "龘".encode()]


def test_auto_tokenizer_gives_the_same_ids(tokenizer: Any, loaded: Any, corpus: list[tuple[str, str]]) -> None:
    texts = [*(text for _, text in corpus[:2000]), "007 201 é龘🙂", "".join(TAGS), f"a{END}b"]
    assert loaded(texts)["input_ids"] == tokenizer(texts)["input_ids"]
    assert (loaded.eos_token_id, loaded.pad_token_id, len(loaded)) == (tokenizer.eos_token_id, tokenizer.pad_token_id, len(tokenizer))
    assert loaded.get_vocab() == tokenizer.get_vocab()


def test_the_chat_template_is_the_tiny_template(loaded: Any) -> None:
    asked = loaded.apply_chat_template([{"role": "user", "content": "Hi."}], tokenize=False, add_generation_prompt=True)
    assert asked == f"{TEMPLATES['tiny'].before}Hi.{TEMPLATES['tiny'].after}"


def test_learning_is_deterministic(tokenizer: Any, corpus: list[tuple[str, str]]) -> None:
    again = train_tokenizer(text for _, text in corpus[:TRAINED_ON])
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
