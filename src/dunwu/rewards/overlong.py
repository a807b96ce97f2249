"""Soft overlong punishment: a completion near the length limit loses reward before it is cut off."""

from __future__ import annotations

from dataclasses import replace

from dunwu.types import Reward

PART = "overlong"


def overlong_punishment(tokens: int, max_tokens: int, overlong_tokens: int) -> float:
    """From 0 down to -1 over the last ``overlong_tokens`` of ``max_tokens``.

    DAPO (arXiv 2503.14476) Eq. 13, with L_cache = ``overlong_tokens`` and L_max = ``max_tokens``::

        0                                    |y| <= L_max - L_cache
        ((L_max - L_cache) - |y|) / L_cache  L_max - L_cache < |y| <= L_max
        -1                                   L_max < |y|

    Departures: none. A completion that was cut off has L_max tokens, and -1.
    """
    assert 0 < overlong_tokens <= max_tokens, f"{overlong_tokens} overlong tokens of {max_tokens}"
    return -min(1.0, max(0.0, (tokens - (max_tokens - overlong_tokens)) / overlong_tokens))


def with_overlong(reward: Reward, tokens: int, max_tokens: int, overlong_tokens: int) -> Reward:
    """``reward`` with the punishment as a part, added to its total; a failed reward stays failed."""
    punishment = overlong_punishment(tokens, max_tokens, overlong_tokens)
    total = None if reward.total is None else reward.total + punishment
    return replace(reward, total=total, parts={**reward.parts, PART: punishment})
