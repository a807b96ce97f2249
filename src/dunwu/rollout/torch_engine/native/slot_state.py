"""What the C decoder reads and writes for each sequence that decodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dunwu.rollout.torch_engine.sampling import as_int64, filters
from dunwu.types import Request


@dataclass(frozen=True)
class SlotState:
    """Arrays by slot. ``tokens`` and ``logprobs`` are (slots, room), ``stops`` (slots, the most stop tokens) with -1 for none.

    Where ``shown`` is 1, the caller draws from the logits, as filters are not known to C.
    """

    tokens: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    counts: NDArray[np.int32]
    done: NDArray[np.int32]
    prompts: NDArray[np.int32]
    prompt_lengths: NDArray[np.int32]
    seeds: NDArray[np.int64]
    temperatures: NDArray[np.float32]
    limits: NDArray[np.int32]
    shown: NDArray[np.int32]
    stops: NDArray[np.int32]

    @classmethod
    def empty(cls, slots: int, room: int) -> SlotState:
        """For ``slots`` sequences of up to ``room`` tokens."""
        counts, done, prompts, lengths, limits, shown = (np.zeros(slots, np.int32) for _ in range(6))
        tokens, logprobs = np.zeros((slots, room), np.int32), np.zeros((slots, room), np.float32)
        seeds, temperatures, stops = np.zeros(slots, np.int64), np.zeros(slots, np.float32), np.full((slots, 1), -1, np.int32)
        return cls(tokens, logprobs, counts, done, prompts, lengths, seeds, temperatures, limits, shown, stops)

    def with_stops(self, most: int) -> SlotState:
        """The same with room for ``most`` stop tokens a slot."""
        more = most - self.stops.shape[1]
        return self if more <= 0 else replace(self, stops=np.pad(self.stops, ((0, 0), (0, more)), constant_values=-1))

    def begin(self, slot: int, request: Request, prompt: int) -> None:
        """Give a free slot to a request whose prompt has that place in the store."""
        params, stops = request.params, request.params.stop_token_ids
        self.counts[slot], self.done[slot] = 0, 0
        self.prompts[slot], self.prompt_lengths[slot] = prompt, len(request.token_ids)
        self.seeds[slot], self.temperatures[slot], self.limits[slot] = as_int64(request.seed), params.temperature, params.max_tokens
        self.shown[slot] = filters(params)
        self.stops[slot] = -1
        self.stops[slot, : len(stops)] = stops

    def record(self, slots: Sequence[int], tokens: NDArray[np.int64], logprobs: NDArray[np.float32]) -> None:
        """Append a token (n) that the caller has drawn to each of ``slots``, and mark those that it ends."""
        at = np.array(slots)
        counts = self.counts[at]
        self.tokens[at, counts], self.logprobs[at, counts] = tokens, logprobs
        self.counts[at] = counts + 1
        stopped = (tokens[:, None] == self.stops[at]).any(axis=1)
        self.done[at] = stopped | (counts + 1 == self.limits[at]) | ~np.isfinite(logprobs)

    def drawn(self, slot: int, start: int = 0) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """The tokens of a slot from the ``start``-th on, and their log-probabilities."""
        count = int(self.counts[slot])
        return tuple(self.tokens[slot, start:count].tolist()), tuple(self.logprobs[slot, start:count].tolist())
