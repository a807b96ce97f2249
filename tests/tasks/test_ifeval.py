"""IFEval's instructions as ours: each of its kinds, on a text that follows it and on one that does not."""

from typing import Any

import pytest

from dunwu.errors import DataError
from dunwu.tasks.ifeval import KINDS, instructions_of
from dunwu.tasks.rows import Row
from dunwu.verifiers.instructions import follows

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("keywords:existence", {"keywords": ["rain", "sun"]}, "Sun after rain.", "Sun."),
    ("keywords:frequency", {"relation": "at least", "keyword": "war", "frequency": 2}, "War, war.", "War."),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, "A stone.", "A rock."),
    ("keywords:letter_frequency", {"let_relation": "less than", "letter": "t", "let_frequency": 2}, "At.", "That."),
    ("language:response_language", {"language": "hi"}, "नमस्ते दुनिया", "Hello world"),
    ("length_constraints:number_sentences", {"relation": "less than", "num_sentences": 2}, "One.", "One. Two."),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One\n***\nTwo", "One\n\nTwo"),
    ("length_constraints:number_words", {"relation": "at least", "num_words": 3}, "One two three", "One two"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"},
        "First.\n\nThen this.",
        "Then.\n\nFirst.",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] of [place]", "[name]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\nP.S. Call me.", "Bye."),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "* one", "* one\n* two"),
    ("detectable_format:constrained_response", {}, "My answer is yes.", "Yes."),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "A *high* light", "None"),
    ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 2}, "SECTION 1\na\nSECTION 2\nb", "SECTION 1"),
    ("detectable_format:json_format", {}, '{"a": 1}', "a: 1"),
    ("detectable_format:title", {}, "<<A title>>\nText", "A title"),
    ("combination:two_responses", {}, "One\n******\nTwo", "One"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Write a poem."}, "Write a poem.\nRoses are red.", "Roses are red."),
    ("startend:end_checker", {"end_phrase": "That is all."}, "So. That is all.", "That is all. No."),
    ("change_case:capital_word_frequency", {"capital_relation": "less than", "capital_frequency": 2}, "ONE two", "ONE TWO"),
    ("change_case:english_capital", {}, "ALL OF IT", "Not all"),
    ("change_case:english_lowercase", {}, "all of it", "Not all"),
    ("punctuation:no_comma", {}, "one and two", "one, two"),
    ("startend:quotation", {}, '"quoted"', "plain"),
]


def row(ids: Any, arguments: Any) -> Row:
    return Row({"prompt": "Write.", "instruction_id_list": ids, "kwargs": arguments}, "ifeval.jsonl", 1, "unnamed")


@pytest.mark.parametrize(("name", "arguments", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_each_kind(name: str, arguments: dict[str, Any], good: str, bad: str) -> None:
    # the hub's copy has all arguments of all kinds, most of them null
    (made,) = instructions_of(row([name], [{"num_rows": None, **arguments}]))
    assert (follows(made, good)[0], follows(made, bad)[0]) == (True, False)


def test_every_kind_has_a_case() -> None:
    assert {case[0] for case in CASES} == KINDS.keys()


@pytest.mark.parametrize(
    ("ids", "arguments"), [(["a:b"], [{}]), (["keywords:existence"], [{}]), (["punctuation:no_comma"], []), ("punctuation:no_comma", [{}])]
)
def test_other_rows_are_refused(ids: Any, arguments: Any) -> None:
    with pytest.raises(DataError, match=r"ifeval\.jsonl, row 1"):
        instructions_of(row(ids, arguments))
