"""The places of the prompt store: which prompt each holds, and with which of them a new prompt begins.

A prompt that nobody uses any more stays, if the store keeps prompts, until its place is wanted; the one that was used longest ago goes
first. A new prompt takes over what it has in common with one that is there: all tokens before the first that differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_COPIED = 16
"""Tokens: fewer are read again as quickly."""


@dataclass(eq=False, slots=True)
class StoredPrompt:
    """The prompt at a ``place``, held by ``users``: its first ``known`` tokens have been read. ``sound``: what was read is finite."""

    place: int
    token_ids: NDArray[np.int32]
    known: int = 0
    users: int = 1
    sound: bool = True
    last_use: int = 0

    def common(self, token_ids: NDArray[np.int32]) -> int:
        """The number of known tokens with which both begin."""
        length = min(self.known, len(token_ids))
        differs = self.token_ids[:length] != token_ids[:length]
        first = int(differs.argmax()) if length else 0
        return first if length and differs[first] else length


class PromptStore:
    """``places`` prompts; with ``keeps``, those without users stay.

    ``copy(source, target, tokens)`` copies the beginning of a place, of at least ``least_copied`` tokens.
    """

    def __init__(self, places: int, copy: Callable[[int, int, int], None], keeps: bool, least_copied: int = LEAST_COPIED) -> None:
        self._free, self._copy, self._keeps, self._least_copied = list(range(places)), copy, keeps, least_copied
        self._stored: list[StoredPrompt] = []
        self._clock = 0

    def open(self, token_ids: Sequence[int]) -> StoredPrompt | None:
        """A place for a prompt, where all tokens but the last may be known already; ``None`` if there is none."""
        ids = np.asarray(token_ids, np.int32)
        best = max(self._stored, key=lambda stored: stored.common(ids), default=None) if self._keeps else None
        common = 0 if best is None else best.common(ids)
        known = min(common, len(ids) - 1)
        if best is not None and common == len(best.token_ids) and (best.users == 0 or common == len(ids)):
            found = best  # the same prompt, or one that goes on: nothing to copy
        else:
            known = known if known >= self._least_copied else 0
            place = self._take(best if known else None)
            if place is None:
                return None
            if best is not None and known and place != best.place:
                self._copy(best.place, place, known)
            found = StoredPrompt(place, ids, users=0)
            self._stored.append(found)
        self._clock += 1
        for each in (found, best):
            if each is not None:
                each.last_use = self._clock
        found.token_ids, found.known, found.users = ids, known, found.users + 1
        return found

    def release(self, stored: StoredPrompt) -> None:
        """One user less. What has not been read is forgotten."""
        stored.users -= 1
        if stored.users == 0:
            stored.token_ids = stored.token_ids[: stored.known]
            if not (self._keeps and stored.sound and stored.known):
                self._drop(stored)

    def forget(self) -> None:
        """Drop the prompts without users: the weights have changed."""
        for stored in [stored for stored in self._stored if stored.users == 0]:
            self._drop(stored)

    def _take(self, best: StoredPrompt | None) -> int | None:
        """A free place, or that of the prompt without users that was used longest ago, of ``best`` only if there is no other."""
        if not self._free:
            unused = [stored for stored in self._stored if stored.users == 0]
            if not unused:
                return None
            self._drop(min(unused, key=lambda stored: (stored is best, stored.last_use)))
        return self._free.pop()

    def _drop(self, stored: StoredPrompt) -> None:
        self._stored.remove(stored)
        self._free.append(stored.place)
