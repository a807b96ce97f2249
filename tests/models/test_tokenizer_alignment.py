"""Which tokenizers are the same, and which tokens of different ones can be compared."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from dunwu.errors import ModelError
from dunwu.models.tokenizer_alignment import TokenAlignment, tokenizer_difference
from tests.models.tokenizers_of_kinds import byte_level, llama_like, smollm2_like

TEXT = "The quick fox jumps 123 times: 你好, naïve 😀 world."


@pytest.fixture(scope="module")
def student() -> Any:
    return byte_level()


@pytest.fixture(scope="module")
def teacher() -> Any:
    return smollm2_like()


def test_a_tokenizer_is_the_same_as_its_copy(student: Any, world_tokenizer: Any) -> None:
    assert tokenizer_difference(student, deepcopy(student)) == ""
    assert tokenizer_difference(world_tokenizer, deepcopy(world_tokenizer)) == ""


def test_another_vocabulary_is_a_difference(student: Any, teacher: Any) -> None:
    assert tokenizer_difference(student, teacher)
    more = deepcopy(student)
    more.add_tokens(["<more>"])
    assert "<more>" in tokenizer_difference(student, more)


def test_another_end_is_a_difference(student: Any) -> None:
    other = deepcopy(student)
    other.eos_token = "<|im_end|>"
    assert tokenizer_difference(student, other)


def test_another_token_before_the_text_is_a_difference(student: Any) -> None:
    assert tokenizer_difference(student, byte_level("<s>"))


def test_shared_tokens_have_equal_text_and_pair_one_to_one(student: Any, teacher: Any) -> None:
    found = TokenAlignment(student, teacher)
    assert len(set(found.student_ids)) == len(set(found.teacher_ids)) == len(found.student_ids) > 256
    ends = (student.eos_token_id, teacher.eos_token_id)
    assert ends in zip(found.student_ids, found.teacher_ids, strict=True)
    ours, theirs = (student.convert_ids_to_tokens(found.student_ids), teacher.convert_ids_to_tokens(found.teacher_ids))
    assert [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b] == [(student.eos_token, teacher.eos_token)]


def test_places_begin_and_end_at_the_same_characters(student: Any, teacher: Any) -> None:
    ours, theirs = (tokenizer(TEXT, add_special_tokens=False)["input_ids"] for tokenizer in (student, teacher))
    places = TokenAlignment(student, teacher).places([*ours, student.eos_token_id], [*theirs, teacher.eos_token_id])
    assert places[-1] == (len(ours), len(theirs)), "the ends"
    assert len(places) > 10
    for i, j in places[:-1]:
        assert student.convert_ids_to_tokens([ours[i]]) == teacher.convert_ids_to_tokens([theirs[j]])
        assert student.decode(ours[:i]) == teacher.decode(theirs[:j])
    split = [student.convert_ids_to_tokens([token])[0] for token in ours]
    assert split.index("123") not in [i for i, _ in places], "one token of ours, three of the teacher's"


def test_plain_text_is_aligned_with_bytes(teacher: Any, world_tokenizer: Any) -> None:
    found = TokenAlignment(world_tokenizer, teacher)
    ours, theirs = (tokenizer(TEXT, add_special_tokens=False)["input_ids"] for tokenizer in (world_tokenizer, teacher))
    places = found.places(ours, theirs)
    assert len(places) > 10
    pairs = set(zip(found.student_ids, found.teacher_ids, strict=True))
    assert {(ours[i], theirs[j]) for i, j in places} <= pairs
    for i, j in places:
        assert world_tokenizer.decode(ours[:i]).rstrip("\ufffd") == teacher.decode(theirs[:j]).rstrip("\ufffd")
    assert world_tokenizer.convert_tokens_to_ids("a") in found.student_ids
    assert world_tokenizer.convert_tokens_to_ids("<0x61>") not in found.student_ids


def test_the_same_tokenizer_is_aligned_everywhere(student: Any) -> None:
    ids = student(TEXT, add_special_tokens=False)["input_ids"]
    assert TokenAlignment(student, student).places(ids, ids) == [(i, i) for i in range(len(ids))]


def test_different_texts_and_other_vocabularies_are_refused(student: Any, teacher: Any) -> None:
    with pytest.raises(ModelError):
        TokenAlignment(student, teacher).places(student.encode("a b"), teacher.encode("a c"))
    with pytest.raises(ModelError):
        TokenAlignment(student, llama_like())
