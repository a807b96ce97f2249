"""One completion as plain data for the page's script. All text is as it will be shown: invisible characters are spelled out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from dunwu.analysis.curves import number
from dunwu.analysis.text import visible
from dunwu.run.tables import EARLIER

HEAD, TAIL = 8000, 2000
"""Characters of a long completion that are shown, from its beginning and from its end."""
LONGEST = HEAD + TAIL
LONGEST_PROBLEM = 4000
_PART = "reward_"
Plain = dict[str, Any]


def rollout_entry(row: Mapping[str, Any]) -> Plain:
    """A row of ``rollouts/``. Numbers of tokens are in hundredths, to be short."""
    parts = {key.removeprefix(_PART): _rounded(row[key]) for key in row if key.startswith(_PART) and number(row[key]) is not None}
    return _known(
        {
            "reward": _rounded(row.get("reward")),
            "advantage": _rounded(row.get("advantage")),
            "parts": parts or None,
            "before": _shown(f"{row.get(EARLIER) or ''}{row.get('prefill') or ''}")[-HEAD:] or None,
            **_common(row),
            **_written(str(row.get("completion") or ""), row),
        }
    )


def evaluation_entry(row: Mapping[str, Any]) -> Plain:
    """A row of ``evaluations/``: the score is its reward."""
    found = {"reward": _rounded(row.get("score")), "sample": row.get("sample"), **_common(row)}
    return _known(found | _written(str(row.get("completion") or ""), {}))


def problem_entry(row: Mapping[str, Any]) -> Plain:
    """The problem of a row."""
    text = row.get("problem") if "problem" in row else row.get("text")
    name = {"id": _shown(str(row.get("problem_id") or ""))[:200], "difficulty": number(row.get("difficulty"))}
    return _known(name | {"text": _shown(str(text or "")[:LONGEST_PROBLEM])})


def _common(row: Mapping[str, Any]) -> Plain:
    detail = row.get("verdict_detail") or row.get("unread") or ""
    return {
        "tokens": int(number(row.get("tokens")) or 0),
        "thinking": int(number(row.get("thinking_tokens")) or 0),
        "verdict": _shown(str(row.get("verdict") or "")),
        "detail": _shown(str(detail)[:300]) or None,
        "end": _shown(str(row.get("finish_reason") or "")) or None,
    }


def _written(text: str, row: Mapping[str, Any]) -> Plain:
    """The text, cut in its middle where it is long, and the values of the tokens that are left.

    ``characters``: of each token in ``text``, as JavaScript counts them; ``gap``: where how many characters and tokens are missing.
    """
    pieces = _pieces(text, row.get("token_characters"))
    if pieces is None:
        head, tail = (text, "") if len(text) <= LONGEST else (text[:HEAD], text[-TAIL:])
        before = _shown(head)
        gap = None if not tail else {"at": _units(before), "characters": len(text) - LONGEST, "tokens": 0}
        return {"text": before + _shown(tail), "gap": gap}
    first, last = _kept(pieces)
    kept = [*range(first), *range(last, len(pieces))]
    shown = [_shown(pieces[place]) for place in kept]
    missing = sum(map(len, pieces[first:last]))
    gap = {"at": _units("".join(shown[:first])), "characters": missing, "tokens": last - first} if last > first else None
    values = {"logprobs": "behaviour_logprobs", "entropies": "entropies", "advantages": "token_advantages"}
    found = {name: _hundredths(row.get(column), kept, len(pieces)) for name, column in values.items()}
    return {"text": "".join(shown), "gap": gap, "characters": [*map(_units, shown)], **found}


def _pieces(text: str, characters: Any) -> list[str] | None:
    """The text of each token; ``None`` if that is not known."""
    if not isinstance(characters, Sequence) or not characters or min(characters) < 0 or sum(characters) != len(text):
        return None
    return [text[start:end] for start, end in pairwise(accumulate(characters, initial=0))]


def _kept(pieces: Sequence[str]) -> tuple[int, int]:
    """Tokens before the first place and from the second one on are kept."""
    ends = list(accumulate(map(len, pieces)))
    if ends[-1] <= LONGEST:
        return len(pieces), len(pieces)
    first = next(place for place, end in enumerate(ends) if end > HEAD)
    return first, next((place for place in range(first, len(pieces)) if ends[-1] - ends[place] + len(pieces[place]) <= TAIL), len(pieces))


def _hundredths(values: Any, kept: Sequence[int], count: int) -> list[int] | None:
    if not isinstance(values, Sequence) or len(values) != count:
        return None
    return [round(100 * max(-99.0, min(99.0, number(values[place]) or 0.0))) for place in kept]


def _shown(text: str) -> str:
    return text if text.isprintable() else visible(text)


def _units(text: str) -> int:
    """The length in JavaScript: characters beyond 16 bits count twice."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _rounded(value: Any) -> float | None:
    found = number(value)
    return None if found is None else round(found, 4)


def _known(found: Plain) -> Plain:
    return {key: value for key, value in found.items() if value is not None}
