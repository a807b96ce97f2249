"""Rows of IFEval (arXiv 2311.07911): a list of instruction ids and one of their arguments, as the instructions of our verifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dunwu.errors import DataError
from dunwu.tasks.rows import Row

IDS, ARGUMENTS = "instruction_id_list", "kwargs"
Arguments = Mapping[str, Any]
Instruction = dict[str, Any]


def _limit(relation: str, number: int) -> Instruction:
    """``less than 5`` as ``at_most: 4``."""
    if relation not in ("less than", "at least"):
        raise ValueError(f"relation {relation!r}")
    return {"at_most": number - 1} if relation == "less than" else {"at_least": number}


def _counted(kind: str, number: str, relation: str = "relation", **taken: str) -> Callable[[Arguments], Instruction]:
    """A kind with a limit; ``taken``: further arguments by our names."""
    return lambda given: {
        "kind": kind,
        **_limit(given[relation], given[number]),
        **{ours: given[theirs] for ours, theirs in taken.items()},
    }


def _taken(kind: str, **taken: str) -> Callable[[Arguments], Instruction]:
    """A kind with arguments by our names."""
    return lambda given: {"kind": kind, **{ours: given[theirs] for ours, theirs in taken.items()}}


_ANSWERS = ["My answer is yes.", "My answer is no.", "My answer is maybe."]
KINDS: Mapping[str, Callable[[Arguments], Instruction]] = {
    "keywords:existence": _taken("keywords", keywords="keywords"),
    "keywords:frequency": _counted("keyword_frequency", "frequency", keyword="keyword"),
    "keywords:forbidden_words": _taken("forbidden_words", words="forbidden_words"),
    "keywords:letter_frequency": _counted("letter_frequency", "let_frequency", "let_relation", letter="letter"),
    "language:response_language": _taken("language", language="language"),
    "length_constraints:number_sentences": _counted("sentences", "num_sentences"),
    "length_constraints:number_paragraphs": lambda given: {"kind": "paragraphs", "exactly": given["num_paragraphs"], "separator": "***"},
    "length_constraints:number_words": _counted("words", "num_words"),
    "length_constraints:nth_paragraph_first_word": _taken(
        "paragraph_start", paragraph="nth_paragraph", word="first_word", paragraphs="num_paragraphs"
    ),
    "detectable_content:number_placeholders": _taken("placeholders", at_least="num_placeholders"),
    "detectable_content:postscript": _taken("postscript", marker="postscript_marker"),
    "detectable_format:number_bullet_lists": _taken("bullets", exactly="num_bullets"),
    "detectable_format:constrained_response": lambda given: {"kind": "one_of", "options": _ANSWERS},
    "detectable_format:number_highlighted_sections": _taken("highlights", at_least="num_highlights"),
    "detectable_format:multiple_sections": _taken("sections", heading="section_spliter", at_least="num_sections"),
    "detectable_format:json_format": _taken("json"),
    "detectable_format:title": _taken("title"),
    "combination:two_responses": _taken("two_responses"),
    "combination:repeat_prompt": _taken("repeat_prompt", prompt="prompt_to_repeat"),
    "startend:end_checker": _taken("ends_with", phrase="end_phrase"),
    "change_case:capital_word_frequency": _counted("capital_words", "capital_frequency", "capital_relation"),
    "change_case:english_capital": _taken("upper_case"),
    "change_case:english_lowercase": _taken("lower_case"),
    "punctuation:no_comma": _taken("no_commas"),
    "startend:quotation": _taken("quotation"),
}
"""By IFEval's id, from its arguments to our instruction (`dunwu.verifiers.instructions`)."""


def instructions_of(row: Row) -> list[Instruction]:
    """The instructions of a row. Raises ``DataError`` for an unknown id, or arguments that are not those of the id."""
    ids, arguments = _listed(row.columns[IDS]), _listed(row.columns.get(ARGUMENTS))
    if ids is None or arguments is None or len(ids) != len(arguments):
        raise DataError(f"{row.where}: {IDS} and {ARGUMENTS} are not two lists of the same length: correct the row")
    return [_instruction(row, name, given) for name, given in zip(ids, arguments, strict=True)]


def _listed(value: Any) -> list[Any] | None:
    """A list of any kind; ``None`` for anything else."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else None


def _instruction(row: Row, name: Any, given: Any) -> Instruction:
    if name not in KINDS:
        raise DataError(f"{row.where}: instruction {str(name)[:60]!r} is none of IFEval's: use one of {', '.join(KINDS)}")
    try:
        return KINDS[name]({} if given is None else given)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{row.where}: the arguments of {name} are {str(given)[:80]!r}, without {error}: correct the row") from error
