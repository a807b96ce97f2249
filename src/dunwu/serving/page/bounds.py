"""How much a text may ask for before it is shown as it is."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

LONGEST = 100_000
"""Characters of an answer."""
LONGEST_FORMULA = 4000
SECONDS = 2.0
Environment = MutableMapping[str, Any]
"""What markdown-it hands from rule to rule."""


class TooLong(Exception):
    """The text is too long, or takes too much time: it is to be shown as it is."""


def until(seconds: float) -> Environment:
    """An environment whose time ends then."""
    return {"until": time.monotonic() + seconds}


def check_time(environment: Environment) -> None:
    """Raises `TooLong` once the time is up."""
    if time.monotonic() > environment["until"]:
        raise TooLong
