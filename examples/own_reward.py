"""A custom reward: ``dunwu zero --recipe tiny --out runs/own 'reward=[accuracy, format, examples/own_reward.py:brevity]'``.

The signature is TRL's: lists of prompts and completions, and every column of the problem as a list. It returns a number for each
completion, or ``None`` if the reward does not apply. Dunwu calls it once per rollout, in a worker process with a time limit.
"""

from __future__ import annotations

from typing import Any


def brevity(prompts: list[str], completions: list[str], language: list[str], **columns: Any) -> list[float | None]:
    """From 1 for an empty completion down to 0 at 400 characters; a Chinese character counts as three, as it says about as much."""
    return [max(0.0, 1.0 - len(text) * (3 if code == "zh" else 1) / 400) for text, code in zip(completions, language, strict=True)]
