"""Rewards by length.

Most lengths are in tokens, which a part of a reward never sees (`dunwu.rewards.scope`): the trainer adds these to a finished reward. A
limit in words is an ordinary part, `WordLimit`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from dunwu.rewards.scope import Whole
from dunwu.text.words import tokens as words_of
from dunwu.types import Problem, Reward

PART, OVERLONG = "length", "overlong"


@dataclass(frozen=True, slots=True)
class CosineShape:
    """Rewards at length 0 and at the maximum length; the defaults are open-r1's."""

    correct_short: float = 1.0
    correct_long: float = 0.5
    wrong_short: float = -1.0
    wrong_long: float = -0.5
    cut_off: float = -1.0
    """Reward of a completion that reached the limit, right or wrong."""


def cosine_length_reward(correct: bool, tokens: int, max_tokens: int, shape: CosineShape) -> float:
    """Half a cosine from the short reward to the long one.

    Demystifying Long CoT (arXiv 2502.03373, section 4), with t = ``tokens`` and T = ``max_tokens``::

        R = long + (short - long) / 2 * (1 + cos(pi t / T))      t < T, short and long as for right or wrong
        R = cut_off                                             t >= T

    Long answers cost reward when right, short ones when wrong: a model that does not know yet should keep thinking.
    Departures: none.
    """
    assert tokens >= 0, f"{tokens} tokens"
    assert max_tokens > 0, f"at most {max_tokens} tokens"
    if tokens >= max_tokens:
        return shape.cut_off
    short, long = (shape.correct_short, shape.correct_long) if correct else (shape.wrong_short, shape.wrong_long)
    return long + (short - long) / 2 * (1 + math.cos(math.pi * tokens / max_tokens))


def linear_length_penalty(length: int, free: int, limit: int) -> float:
    """0 up to ``free``, then linear down to -1 at ``limit`` and beyond."""
    assert 0 <= free < limit, f"free up to {free} of {limit}"
    return -min(1.0, max(0.0, (length - free) / (limit - free)))


def with_cosine_length(reward: Reward, tokens: int, max_tokens: int, shape: CosineShape, weight: float = 1.0) -> Reward:
    """``reward`` with the part `PART`, by the verdict's score (right: above 0.5); a failed reward or verdict does not change."""
    if reward.total is None or reward.verdict.score is None:
        return replace(reward, parts={**reward.parts, PART: None})
    part = cosine_length_reward(reward.verdict.score > 0.5, tokens, max_tokens, shape)
    return replace(reward, total=reward.total + weight * part, parts={**reward.parts, PART: part})


@dataclass(frozen=True, slots=True)
class WordLimit:
    """`linear_length_penalty` of the words (`dunwu.text.words`) of the whole completion."""

    free: int
    limit: int

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """The penalty, from 0 to -1."""
        return linear_length_penalty(len(words_of(whole.text)), self.free, self.limit)


def overlong_punishment(tokens: int, max_tokens: int, overlong_tokens: int) -> float:
    """From 0 down to -1 over the last ``overlong_tokens`` of ``max_tokens``.

    DAPO (arXiv 2503.14476) Eq. 13, with L_cache = ``overlong_tokens`` and L_max = ``max_tokens``::

        0                                    |y| <= L_max - L_cache
        ((L_max - L_cache) - |y|) / L_cache  L_max - L_cache < |y| <= L_max
        -1                                   L_max < |y|

    Departures: none. A completion that was cut off has L_max tokens, and -1.
    """
    return linear_length_penalty(tokens, max_tokens - overlong_tokens, max_tokens)


def with_overlong(reward: Reward, tokens: int, max_tokens: int, overlong_tokens: int) -> Reward:
    """``reward`` with the punishment as a part, added to its total; a failed reward stays failed."""
    punishment = overlong_punishment(tokens, max_tokens, overlong_tokens)
    total = None if reward.total is None else reward.total + punishment
    return replace(reward, total=total, parts={**reward.parts, OVERLONG: punishment})
