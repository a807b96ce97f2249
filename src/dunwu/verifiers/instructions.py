"""Format instructions that a rule can check, as in IFEval (arXiv 2311.07911; this is its strict accuracy).

``data["instructions"]`` is a list of ``{"kind": ..., parameters of the kind}``, such as
``{"kind": "words", "at_least": 100}`` or ``{"kind": "ends_with", "phrase": "That is all."}``; the parameters are those of the functions
in `dunwu.verifiers.instruction_counts` and `dunwu.verifiers.instruction_content`. `dunwu.text.words` counts words of every script, so the
same instruction works for Chinese.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import regex
from pydantic import ConfigDict, ValidationError, validate_call

from dunwu.types import Problem, Verdict
from dunwu.verifiers import instruction_content as content
from dunwu.verifiers import instruction_counts as counts
from dunwu.verifiers.instruction_counts import Found

MAX_LENGTH = 131_072
_INVISIBLE = regex.compile(r"[\u00AD\u200B\u2060\uFEFF]")
"""Inside a word they would hide it from a check, though a reader sees it."""

_FUNCTIONS: dict[str, Callable[..., Found]] = {
    "words": counts.word_count,
    "sentences": counts.sentence_count,
    "paragraphs": counts.paragraph_count,
    "bullets": counts.bullet_count,
    "highlights": counts.highlight_count,
    "placeholders": counts.placeholder_count,
    "capital_words": counts.capital_word_count,
    "keyword_frequency": counts.keyword_count,
    "letter_frequency": counts.letter_count,
    "sections": counts.section_count,
    "keywords": content.keywords,
    "forbidden_words": content.forbidden_words,
    "starts_with": content.starts_with,
    "ends_with": content.ends_with,
    "no_commas": content.no_commas,
    "lower_case": content.lower_case,
    "upper_case": content.upper_case,
    "title": content.title,
    "json": content.json_format,
    "postscript": content.postscript,
    "quotation": content.quotation,
    "language": content.language,
    "two_responses": content.two_responses,
    "repeat_prompt": content.repeat_prompt,
    "one_of": content.one_of,
    "paragraph_start": content.paragraph_start,
}
KINDS = {kind: validate_call(config=ConfigDict(strict=True))(function) for kind, function in _FUNCTIONS.items()}
"""The check of each kind. Parameters are validated by the functions' types: a wrong or missing one raises."""


def verify_instructions(problem: Problem, answer: str) -> Verdict:
    """Check that ``answer`` follows all of ``data["instructions"]``. The detail has one finding per instruction.

    An unknown kind, a wrong parameter or a problem without instructions is an error without a score, never a reward.
    """
    instructions = problem.data["instructions"]
    if not instructions:
        return Verdict(None, "error", "no instructions")
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, "unparsable", f"{len(answer)} characters, at most {MAX_LENGTH}")
    answer = _INVISIBLE.sub("", answer)
    if not answer.strip():
        return Verdict(0.0, "unparsable", "an empty answer")
    findings: list[tuple[str, bool, str]] = []
    for instruction in instructions:
        try:
            findings.append((instruction["kind"], *follows(instruction, answer)))
        except (ValueError, KeyError, TypeError) as error:
            return Verdict(None, "error", f"instruction {str(instruction)[:80]}: {_reason(error)}"[:300])
    detail = "; ".join(f"{kind}: {'yes' if holds else 'no'} ({what})" for kind, holds, what in findings)
    holds_all = all(holds for _, holds, _ in findings)
    return Verdict(float(holds_all), "correct" if holds_all else "wrong", detail[:1000])


def follows(instruction: Mapping[str, object], text: str) -> Found:
    """Check one instruction. Raises `ValueError` (pydantic's included) for an unknown kind or wrong parameters."""
    kind = instruction["kind"]
    if kind not in KINDS:
        raise ValueError(f"kind {str(kind)!r} is unknown: use one of {', '.join(KINDS)}")
    return KINDS[str(kind)](text, **{key: value for key, value in instruction.items() if key != "kind"})


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return f"{type(error).__name__}: {error}"
