"""The slots of the decoding batch: the rollout of each, its length and its tokens.

Slots in use are always 0..n-1. When rollouts finish, the last slots move into the gaps, so that no step computes an empty slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dunwu.rollout.torch_engine.cache import KVCache


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished rollout: its index, its tokens and their behaviour log-probabilities."""

    rollout: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompts prefilled together: keys and values (layers, 2, P, kv_heads, T, head_dim), next logits (P, V), prompt lengths."""

    kv: Tensor
    logits: Tensor
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Neighbouring slots as tensors with a row each: views, so an update of these is one of the slots.

    ``lengths`` counts the tokens in the cache, ``counts`` those sampled; ``done`` is 1 where the rollout has ended or there is none: such
    a row no longer grows. All are (n) int64. The last column of ``tokens`` and ``logprobs`` (n, max_tokens + 1) takes what a finished
    rollout still samples before the next check.
    """

    lengths: Tensor
    counts: Tensor
    seeds: Tensor
    done: Tensor
    tokens: Tensor
    logprobs: Tensor
    index: Tensor
    stops: Tensor

    def last_tokens(self) -> Tensor:
        """The last sampled token of each rollout, (n) int64; the next input."""
        return self.tokens[self.index, self.counts - 1]

    def record(self, tokens: Tensor, logprobs: Tensor) -> None:
        """Append one sampled token (n) to each rollout, and mark those that it ends."""
        self.tokens[self.index, self.counts] = tokens
        self.logprobs[self.index, self.counts] = logprobs
        self.counts.add_(1 - self.done)
        ended = (tokens[:, None] == self.stops).any(dim=1) | (self.counts == self.tokens.shape[1] - 1)
        self.done.bitwise_or_(ended.to(self.done.dtype))

    def advance(self) -> None:
        """Count the token that was just fed to each slot."""
        self.lengths.add_(1 - self.done)


class Slots:
    """State of up to ``size`` rollouts that decode together."""

    def __init__(self, cache: KVCache, size: int, max_tokens: int, stop_token_ids: Sequence[int]) -> None:
        device = cache.kv.device
        self.cache, self.size, self.used = cache, size, 0
        self._stops = torch.tensor(list(stop_token_ids), dtype=torch.int64, device=device)
        self._index = torch.arange(size, device=device)
        self._state = torch.zeros(4, size, dtype=torch.int64, device=device)
        self._tokens = torch.zeros(size, max_tokens + 1, dtype=torch.int64, device=device)
        self._logprobs = torch.zeros(size, max_tokens + 1, device=device)
        self._rollouts: list[int] = []
        # On the host, so that the longest length is known without the device: prompt length minus the step of admission.
        self._offsets: list[int] = []
        self._step = 0

    @property
    def room(self) -> int:
        """Number of free slots."""
        return self.size - self.used

    def rows(self, start: int = 0, end: int | None = None) -> Rows:
        """Slots ``start`` to ``end``, by default those in use."""
        place = slice(start, self.used if end is None else end)
        lengths, counts, seeds, done = self._state[:, place]
        return Rows(lengths, counts, seeds, done, self._tokens[place], self._logprobs[place], self._index[: len(lengths)], self._stops)

    @property
    def longest(self) -> int:
        """An upper bound of ``lengths.max()`` with room for one more token; exact unless a finished rollout waits for the next check."""
        return min(max(self._offsets) + self._step, self.cache.capacity - 1)

    def idle(self) -> None:
        """Mark the free slots as done: they may be computed with the others, and must not grow."""
        self._state[3, self.used :] = 1

    def count_step(self) -> None:
        """Note on the host that each slot in use was fed a token."""
        self._step += 1

    def admit(self, prefilled: Prefilled, sources: Sequence[int], rollouts: Sequence[int], seeds: Sequence[int]) -> Tensor:
        """Start ``rollouts``, each after prompt ``sources[i]`` of ``prefilled``; return their next logits."""
        device = self._state.device
        start, end = self.used, self.used + len(rollouts)
        lengths = [prefilled.lengths[source] for source in sources]
        source = torch.tensor(list(sources), device=device)
        self.cache.place(self._index[start:end], prefilled.kv, source)
        self._state[:, start:end] = torch.tensor([lengths, [0] * len(lengths), list(seeds), [0] * len(lengths)], device=device)
        self._rollouts += rollouts
        self._offsets += [length - self._step for length in lengths]
        self.used = end
        return prefilled.logits[source]

    def pop_finished(self) -> list[Finished]:
        """Remove and return the finished rollouts, and close the gaps."""
        rows = self.rows()
        ended = rows.done.nonzero().flatten()
        if len(ended) == 0:
            return []
        tokens, logprobs, counts = rows.tokens[ended].cpu(), rows.logprobs[ended].cpu(), rows.counts[ended].tolist()
        leaving = ended.tolist()
        finished = [
            Finished(self._rollouts[slot], tuple(tokens[i, :count].tolist()), tuple(logprobs[i, :count].tolist()))
            for i, (slot, count) in enumerate(zip(leaving, counts, strict=True))
        ]
        self._close_gaps(leaving)
        return finished

    def _close_gaps(self, leaving: list[int]) -> None:
        kept = self.used - len(leaving)
        gone = set(leaving)
        target = [slot for slot in leaving if slot < kept]
        source = [slot for slot in range(kept, self.used) if slot not in gone]
        if source:
            self._move(source, target)
        del self._rollouts[kept:], self._offsets[kept:]
        self.used = kept

    def _move(self, source: list[int], target: list[int]) -> None:
        length = max(self._offsets[slot] for slot in source) + self._step
        for old, new in zip(source, target, strict=True):
            self._rollouts[new], self._offsets[new] = self._rollouts[old], self._offsets[old]
        at, to = (torch.tensor(slots, device=self._state.device) for slots in (source, target))
        self.cache.move(at, to, length)
        self._state[:, to] = self._state[:, at]
        self._tokens[to] = self._tokens[at]
        self._logprobs[to] = self._logprobs[at]
