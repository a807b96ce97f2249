import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import dunwu
from dunwu.data.builders.certificate import text_shares_multiset
from dunwu.data.tiny_world.corpus import DEFAULT_WEIGHTS, SOURCES, check_weights, document, documents
from dunwu.errors import ConfigError
from dunwu.tasks.splits import GAME24_HELD_OUT, split_of

HASH_DOCUMENTS = """
import hashlib
from dunwu.data.tiny_world.corpus import document
print(hashlib.sha256("".join(f"{source} {text}" for source, text in (document(i, 3) for i in range(300))).encode()).hexdigest())
"""


def test_no_document_holds_a_reserved_multiset(corpus: list[tuple[str, str]]) -> None:
    assert [text for _, text in corpus if text_shares_multiset(text)] == []


def test_the_check_for_reserved_multisets_reads_puzzles() -> None:
    numbers = ",".join(map(str, sorted(GAME24_HELD_OUT)[7]))
    assert text_shares_multiset(f"User: Use {numbers} to make 24.\nAssistant: 3")
    assert text_shares_multiset(f"用{numbers}算出24。\n解:")


def test_puzzles_are_of_the_training_split(dialogues: list[Any], solutions: list[Any]) -> None:
    splits = Counter(split_of(text.numbers) for text in (*dialogues, *solutions) if len(text.numbers) > 2)
    assert splits.keys() == {"train"}
    assert splits["train"] > 12_000


def test_a_document_is_a_function_of_seed_and_index(corpus: list[tuple[str, str]]) -> None:
    for index in (0, 19_999, 77, 5):
        assert document(index, 0) == corpus[index]
    assert list(islice(documents(0, 500), 20)) == corpus[500:520]
    other = list(islice(documents(1), 200))
    assert sum(a == b for a, b in zip(other, corpus[:200], strict=True)) < 20


@pytest.mark.parametrize("hash_seed", ["1", "987"])
def test_documents_do_not_depend_on_the_process(hash_seed: str) -> None:
    text = "".join(f"{source} {text}" for source, text in (document(index, 3) for index in range(300)))
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(dunwu.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", HASH_DOCUMENTS], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(text.encode()).hexdigest()


def test_every_source_occurs_at_its_weight(corpus: list[tuple[str, str]]) -> None:
    counted = Counter(source for source, _ in corpus)
    assert counted.keys() == SOURCES.keys() == DEFAULT_WEIGHTS.keys()
    assert sum(DEFAULT_WEIGHTS.values()) == pytest.approx(1)
    for source, weight in DEFAULT_WEIGHTS.items():
        assert counted[source] / len(corpus) == pytest.approx(weight, abs=0.012), source


def test_weights_choose_sources() -> None:
    weights = {"facts": 1.0, "stories": 0.0}
    assert {source for source, _ in islice(documents(0, 0, weights), 50)} == {"facts"}


@pytest.mark.parametrize(
    ("weights", "words"),
    [({"fact": 1.0}, "'fact' is not a source"), ({"facts": 0.0}, "not all 0"), ({"facts": 2.0, "stories": -1.0}, "-1")],
)
def test_bad_weights_are_refused(weights: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        check_weights(weights)
    with pytest.raises(ConfigError):
        next(documents(0, 0, weights))


def test_documents_are_short_and_clean(corpus: list[tuple[str, str]]) -> None:
    for source, text in corpus:
        assert text, source
        assert text == text.strip(), (source, text)
        assert "<|" not in text
        assert len(text) < 2500
