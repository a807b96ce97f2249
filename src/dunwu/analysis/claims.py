"""The paper's claims as the page of a pipeline shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dunwu.evaluation.reproduction import ABSENT, HEAD, RULE, Reproduction, Row, Verdict, cells, sentence

_LOOKS: Mapping[Verdict, str] = {"holds": "right", "does not hold": "wrong", "inconclusive": "open"}


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """A claim with its verdict, the verdict's class in the style sheet, and what else is known, by name."""

    verdict: Verdict
    look: str
    says: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownClaims:
    """All claims, how many hold, and the rule."""

    sentence: str
    claims: tuple[ShownClaim, ...]
    rule: str


def shown_claims(found: Reproduction) -> ShownClaims:
    """The claims in the order of the table."""
    return ShownClaims(sentence(found), tuple(map(_shown, found.rows)), RULE)


def _shown(row: Row) -> ShownClaim:
    facts = zip(HEAD[1:], cells(row)[1:], strict=True)
    return ShownClaim(row.verdict, _LOOKS.get(row.verdict, ""), row.says, tuple((name, text) for name, text in facts if text != ABSENT))
