"""A reward of your own: ``dunwu zero --recipe tiny --out runs/own 'reward=[accuracy, format, examples/own_reward.py:brevity]'``.

The signature is TRL's: lists of prompts and completions, and every column of the problem as a list. A number for each completion, or
``None`` where the reward does not apply. Dunwu calls it once per rollout, in a worker process that it kills when it takes too long.
"""

from __future__ import annotations

from typing import Any


def brevity(prompts: list[str], completions: list[str], language: list[str], **columns: Any) -> list[float | None]:
    """From 1 for an empty completion down to 0 at 400 characters; Chinese says in one character what English says in about three."""
    return [max(0.0, 1.0 - len(text) * (3 if code == "zh" else 1) / 400) for text, code in zip(completions, language, strict=True)]
