"""The slots of torch's decoding batch: the request of each, its length and its tokens.

Slots in use are always 0..n-1. When requests leave, the last slots move into the gaps, so that no step computes an empty slot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.sampling import as_int64
from dunwu.rollout.torch_engine.scheduler import Drawn, Ticket


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompts prefilled together: keys and values (layers, 2, P, kv_heads, T, head_dim), next logits (P, V), prompt lengths."""

    kv: Tensor
    logits: Tensor
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Neighbouring slots as tensors with a row each: views, so an update of these is one of the slots.

    ``lengths`` counts the tokens in the cache, ``counts`` those sampled, of at most ``limits``; ``done`` is 1 where the request has ended
    or there is none: such a row no longer grows. All are (n) int64. ``tokens`` and ``logprobs`` (n, most + 1) have a column for what an
    ended request still samples before the next check; ``stops`` (n, most stop tokens) holds -1 for none.
    """

    lengths: Tensor
    counts: Tensor
    seeds: Tensor
    done: Tensor
    limits: Tensor
    tokens: Tensor
    logprobs: Tensor
    index: Tensor
    stops: Tensor

    def last_tokens(self) -> Tensor:
        """The last sampled token of each request, (n) int64; the next input."""
        return self.tokens[self.index, self.counts - 1]

    def record(self, tokens: Tensor, logprobs: Tensor) -> None:
        """Append one sampled token (n) to each request, and mark those that it ends."""
        self.tokens[self.index, self.counts] = tokens
        self.logprobs[self.index, self.counts] = logprobs
        self.counts.add_(1 - self.done)
        ended = (tokens[:, None] == self.stops).any(dim=1) | (self.counts == self.limits)
        self.done.bitwise_or_(ended.to(self.done.dtype))

    def advance(self) -> None:
        """Count the token that was just fed to each slot."""
        self.lengths.add_(1 - self.done)


class Slots:
    """State of up to ``size`` requests that decode together, with up to ``most`` tokens each."""

    def __init__(self, cache: KVCache, size: int, most: int, stops: int) -> None:
        """``stops``: the stop tokens of a request; should one have more, there will be room for them."""
        device = cache.kv.device
        self.cache, self.size = cache, size
        self.tickets: list[Ticket] = []
        self._stops = torch.full((size, stops), -1, dtype=torch.int64, device=device)
        self._index = torch.arange(size, device=device)
        self._state = torch.zeros(5, size, dtype=torch.int64, device=device)
        self._tokens = torch.zeros(size, most + 1, dtype=torch.int64, device=device)
        self._logprobs = torch.zeros(size, most + 1, device=device)
        # On the host, so that the longest length is known without the device: prompt length minus the step of admission.
        self._offsets: list[int] = []
        self._step = 0

    @property
    def used(self) -> int:
        """Number of slots in use."""
        return len(self.tickets)

    @property
    def room(self) -> int:
        """Number of free slots."""
        return self.size - self.used

    def rows(self, start: int = 0, end: int | None = None) -> Rows:
        """Slots ``start`` to ``end``, by default those in use."""
        place = slice(start, self.used if end is None else end)
        lengths, counts, seeds, done, limits = self._state[:, place]
        tokens, logprobs, index = self._tokens[place], self._logprobs[place], self._index[: len(lengths)]
        return Rows(lengths, counts, seeds, done, limits, tokens, logprobs, index, self._stops[place])

    @property
    def longest(self) -> int:
        """An upper bound of ``lengths.max()`` with room for one more token; exact unless an ended request waits for the next check."""
        return min(max(self._offsets) + self._step, self.cache.capacity - 1)

    def idle(self) -> None:
        """Mark the free slots as done: they may be computed with the others, and must not grow."""
        self._state[3, self.used :] = 1

    def count_step(self) -> None:
        """Note on the host that each slot in use was fed a token."""
        self._step += 1

    def admit(self, prefilled: Prefilled, sources: Sequence[int], tickets: Sequence[Ticket]) -> Tensor:
        """Start requests, each after prompt ``sources[i]`` of ``prefilled``; return their next logits."""
        device = self._state.device
        start, end = self.used, self.used + len(tickets)
        lengths = [prefilled.lengths[source] for source in sources]
        seeds, limits = [as_int64(each.request.seed) for each in tickets], [each.request.params.max_tokens for each in tickets]
        source, none = torch.tensor(list(sources), device=device), [0] * len(lengths)
        self.cache.place(self._index[start:end], prefilled.kv, source)
        self._state[:, start:end] = torch.tensor([lengths, none, seeds, none, limits], device=device)
        self._set_stops(start, [each.request.params.stop_token_ids for each in tickets])
        self.tickets += tickets
        self._offsets += [length - self._step for length in lengths]
        return prefilled.logits[source]

    def _set_stops(self, start: int, stops: Sequence[Sequence[int]]) -> None:
        most = max(map(len, stops))
        if most > self._stops.shape[1]:
            self._stops = pad(self._stops, (0, most - self._stops.shape[1]), value=-1)
        rows = [[*each, *[-1] * (self._stops.shape[1] - len(each))] for each in stops]
        self._stops[start : start + len(rows)] = torch.tensor(rows, dtype=torch.int64, device=self._stops.device)

    def drawn(self, slots: Sequence[int], new: bool = False) -> list[Drawn]:
        """What the requests of these slots have drawn: all, or what is ``new`` to those who asked."""
        tickets = [self.tickets[slot] for slot in slots]
        starts = [ticket.told if new else 0 for ticket in tickets]
        at, start = torch.tensor([list(slots), starts], device=self._state.device)
        counts = self._state[1, at].tolist()
        most = max(count - each for count, each in zip(counts, starts, strict=True))
        columns = (start[:, None] + torch.arange(most, device=start.device)).clamp(max=self._tokens.shape[1] - 1)
        tokens, logprobs = (each[at].gather(1, columns).cpu() for each in (self._tokens, self._logprobs))
        lengths = [count - each for count, each in zip(counts, starts, strict=True)]
        return [
            Drawn(ticket, tuple(tokens[i, :length].tolist()), tuple(logprobs[i, :length].tolist()), ticket.told if new else 0)
            for i, (ticket, length) in enumerate(zip(tickets, lengths, strict=True))
        ]

    def pop_ended(self) -> list[Drawn]:
        """Remove and return the requests that have ended, and close the gaps."""
        ended = self.rows().done.nonzero().flatten().tolist()
        if not ended:
            return []
        drawn = self.drawn(ended)
        self.remove(ended, all(math.isfinite(each.logprobs[-1]) for each in drawn))
        return drawn

    def remove(self, leaving: Sequence[int], sound: bool = True) -> tuple[list[int], list[int]]:
        """Free slots (ascending) and close the gaps: the slots whose requests have moved, and where to.

        What is not ``sound`` is overwritten with zeros.
        """
        used, kept = self.used, self.used - len(leaving)
        gone = set(leaving)
        target = [slot for slot in leaving if slot < kept]
        source = [slot for slot in range(kept, used) if slot not in gone]
        if not sound:
            self.cache.kv[:, :, list(leaving)] = 0
        if source:
            self._move(source, target)
        if not sound:
            self.cache.kv[:, :, kept:used] = 0
        del self.tickets[kept:], self._offsets[kept:]
        return source, target

    def _move(self, source: list[int], target: list[int]) -> None:
        length = max(self._offsets[slot] for slot in source) + self._step
        for old, new in zip(source, target, strict=True):
            self.tickets[new], self._offsets[new] = self.tickets[old], self._offsets[old]
        at, to = (torch.tensor(slots, device=self._state.device) for slots in (source, target))
        self.cache.move(at, to, length)
        self._state[:, to] = self._state[:, at]
        for each in (self._stops, self._tokens, self._logprobs):
            each[to] = each[at]
