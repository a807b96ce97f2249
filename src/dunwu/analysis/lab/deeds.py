"""Self-verification and backtracking by deeds, not by words: what the equations of a chain of thought do (`dunwu.analysis.lab.tries`).

A **check** is a candidate (a full combination with its value) that is followed by a statement or another equation: it was compared with the
target, and did not just end the thought. A **deed** is a backtrack, a drop, a recheck or a correction; those that begin with the same
equation are one. A reflective word and a deed stand together if the word is followed by an equation, before the next such word, with which
a deed begins; by chance this would be the share of all equations that begin one. Of a chain that is no puzzle, only equations, their truth
and corrections are known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from dunwu.analysis.lab.equations import equations
from dunwu.analysis.lab.estimates import Json, mean_of, share_of
from dunwu.analysis.lab.material import Chain, Chains, Material
from dunwu.analysis.lab.section import Section, lines_of, missing, moments_table, shown
from dunwu.analysis.lab.tries import Deed, Walk, corrections, walk
from dunwu.analysis.sections import Part
from dunwu.models.reflection import reflection_spans

_MOST_WORDS = 10_000
"""Reflective words of a chain that are compared with its deeds."""
_STATEMENT = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Acts:
    """The counts of one chain; ``None`` where they are not known.

    ``announced``: deeds that follow a reflective word; ``kept``: words that a deed follows.
    """

    equations: int
    false: int
    corrections: int
    checks: int | None = None
    rechecks: int | None = None
    backtracks: int | None = None
    drops: int | None = None
    deeds: int = 0
    announced: int = 0
    words: int = 0
    kept: int = 0


def acts(chain: Chain) -> Acts:
    """What a chain does."""
    text = chain.thought
    found = equations(text, commas_separate=chain.puzzle is not None)
    corrected, false = corrections(found), sum(not each.true for each in found)
    if chain.puzzle is None:
        return Acts(len(found), false, len(corrected))
    walked = walk(text, found, chain.puzzle)
    starts = [each.start for each in found]
    words = [span for span, _ in zip(reflection_spans(text), range(_MOST_WORDS), strict=False)]
    announced, kept, deeds = _coincidences([*walked.deeds, *corrected], starts, [each.end for each in found], words)
    done = Counter(deed.kind for deed in walked.deeds)
    return Acts(
        equations=len(found),
        false=false,
        corrections=len(corrected),
        checks=_checks(text, walked),
        rechecks=done["recheck"],
        backtracks=done["backtrack"],
        drops=done["drop"],
        deeds=deeds,
        announced=announced,
        words=len(words),
        kept=kept,
    )


def _checks(text: str, walked: Walk) -> int:
    """The candidates that something follows; only the last one can have nothing behind it."""
    if not walked.candidates:
        return 0
    return len(walked.candidates) - (_STATEMENT.search(text, walked.candidates[-1].end) is None)


def _coincidences(deeds: list[Deed], starts: list[int], ends: list[int], words: list[tuple[int, int]]) -> tuple[int, int, int]:
    """How many deeds a word announces (no equation stands between them), how many words announce a deed, and all deeds.

    Deeds that begin with the same equation count as one. Words and equations are in order: one pass over both.
    """
    begun = {deed.start for deed in deeds}
    announced, kept, at = set[int](), 0, 0
    for index, (_, end) in enumerate(words):
        while at < len(ends) and ends[at] <= end:
            at += 1
        following = words[index + 1][0] if index + 1 < len(words) else None
        if at == len(starts) or starts[at] not in begun:
            continue
        announced.add(starts[at])
        kept += following is None or following >= starts[at]
    return len(announced), kept, len(begun)


_PER_COMPLETION: dict[str, tuple[str, Callable[[Acts], float | None]]] = {
    "equations": ("equations", lambda found: found.equations),
    "checks": ("checks of a candidate", lambda found: found.checks),
    "rechecks": ("candidates evaluated again", lambda found: found.rechecks),
    "backtracks": ("backtracks after a miss", lambda found: found.backtracks),
    "drops": ("tries dropped half-way", lambda found: found.drops),
    "corrections": ("false equations corrected", lambda found: found.corrections),
}
_SHARES: dict[str, tuple[str, Callable[[Acts], float | None]]] = {
    "wrong_arithmetic": ("share of equations that are false", lambda found: _ratio(found.false, found.equations)),
    "with_recheck": ("completions with a candidate evaluated again", lambda found: _any(found.rechecks)),
    "with_backtrack": ("completions with a backtrack", lambda found: _any(found.backtracks)),
    "words_with_deeds": ("reflective words that a deed follows", lambda found: _ratio(found.kept, found.words)),
    "equations_with_deeds": ("equations that begin a deed", lambda found: _ratio(found.deeds, found.equations if found.words else 0)),
    "deeds_with_words": ("deeds that a reflective word announces", lambda found: _ratio(found.announced, found.deeds)),
}


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _any(count: int | None) -> float | None:
    return None if count is None else float(count > 0)


def analyse(material: Material) -> Json:
    """``moments`` and ``steps``: each count per completion and each share, with intervals over problems."""
    if not material.moments:
        return missing("there is neither an evaluation nor a saved step of rollouts")
    moments = {moment: _numbers(chains) for moment, chains in material.moments.items()}
    if not any(each["equations"] and each["equations"]["value"] for each in moments.values()):
        return missing("the chains of thought state no equations")
    return {"moments": moments, "steps": [{"step": step, **_numbers(chains)} for step, chains in material.steps.items()]}


def _numbers(chains: Chains) -> Json:
    known = {id(chain): acts(chain) for chain in chains}

    def of(value: Callable[[Acts], float | None]) -> Callable[[Chain], float | None]:
        return lambda chain: value(known[id(chain)])

    counts = {name: mean_of(chains, of(value), 0.0) for name, (_, value) in _PER_COMPLETION.items()}
    return counts | {name: share_of(chains, of(value)) for name, (_, value) in _SHARES.items()}


def part(found: Json) -> Part:
    """The page's part."""
    moments = found["moments"]
    rows = {label: {moment: shown(each[name]) for moment, each in moments.items()} for name, (label, _) in _PER_COMPLETION.items()}
    rows |= {label: {moment: shown(each[name], 1, True) for moment, each in moments.items()} for name, (label, _) in _SHARES.items()}
    intro = (
        "These numbers come from the equations of the chains of thought, evaluated exactly, not from words. "
        "Counts are per completion; shares are means over problems; all have 95 % intervals."
    )
    figures = [
        lines_of("Backtracks and rechecks", found["steps"], {"backtracks": "backtracks", "rechecks": "rechecks"}, "per completion"),
        lines_of("Dropped tries", found["steps"], {"drops": "tries dropped half-way"}, "per completion"),
        lines_of("Wrong arithmetic", found["steps"], {"wrong_arithmetic": "false equations"}, "share of equations"),
        lines_of("Words and deeds", found["steps"], _TOGETHER, "share", share=True),
    ]
    return Part("Checks and backtracking", intro, [each for each in figures if each], [moments_table(rows, [*moments])])


_TOGETHER = {
    "words_with_deeds": "words with a deed",
    "equations_with_deeds": "equations with a deed",
    "deeds_with_words": "deeds with a word",
}
SECTION = Section("deeds", analyse, part)
