"""All names of a list, in any order: the charges of a case, the articles of a law, the authors of a book."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import regex

from dunwu.types import Problem, Verdict

MAX_LENGTH = 2048
_APART = regex.compile(r"[\p{P}\p{Z}\p{C}]+")
_FILLER = regex.compile(r"罪|第|条|以及|和|与|及|\b(?:and|articles?)\b")
"""What may stand between names or belongs to their kind, on both sides alike."""


def verify_names(problem: Problem, answer: str) -> Verdict:
    """1 if ``answer`` has each of ``data["answers"]`` (or the one of ``problem.answer``) once, and nothing else.

    Case, punctuation, white space, ``and`` and the Chinese words for crime and article do not count:
    ``盗窃罪、抢劫罪`` names 抢劫 and 盗窃. A name may have separators inside. Raises `ValueError` for a gold without letters or digits.
    """
    golds = problem.data.get("answers") or [problem.answer]
    names = [_plain(name) if isinstance(name, str) else "" for name in golds]
    if not all(names):
        raise ValueError(f"gold answers {str(golds)[:100]}: each must be a name")
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, "unparsable", f"{len(answer)} characters, at most {MAX_LENGTH}")
    rest = _plain(answer)
    if not rest:
        return Verdict(0.0, "unparsable", "no names")
    missing, rest = _without(names, rest)
    if missing or rest:
        return Verdict(0.0, "wrong", "other names" if rest else "a name is missing")
    return Verdict(1.0, "correct")


def _plain(text: str) -> str:
    spaced = _APART.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_FILLER.sub(" ", spaced).split())


def _without(names: Sequence[str], text: str) -> tuple[list[str], str]:
    """The names that are not in the text, and the text without those that are. The longest come first: one may be part of another."""
    missing = []
    for name in sorted(set(names), key=len, reverse=True):
        # A digit is part of its number and a Latin letter of its word; between Chinese characters there are no such bounds.
        wanted = r"\s*".join(regex.escape(part) for part in name.split())
        found = regex.search(rf"(?<![\p{{Nd}}\p{{Latin}}]){wanted}(?![\p{{Nd}}\p{{Latin}}])", text)
        if found is None:
            missing.append(name)
        else:
            text = f"{text[: found.start()]} {text[found.end() :]}"
    return missing, text.strip()
