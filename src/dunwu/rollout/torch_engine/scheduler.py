"""Continuous batching: prompts are prefilled in batches, rollouts take slots as they become free, every step decodes all used slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby

import torch
from torch import Tensor

from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.forward import Attention, Rope, decode, masked_sdpa, prefill
from dunwu.rollout.torch_engine.sampling import as_int64, draw
from dunwu.rollout.torch_engine.slots import Finished, Prefilled, Slots
from dunwu.rollout.torch_engine.weights import DecoderWeights
from dunwu.types import Request, SamplingParams

# Tokens, including padding, of the prompts that are prefilled together; limits what waits for a slot.
PREFILL_TOKENS = 8192
# Checking for finished rollouts makes the host wait for the device: free on a CPU, not on an accelerator.
STEPS_BETWEEN_CHECKS = {"cpu": 1}
DEFAULT_STEPS_BETWEEN_CHECKS = 8


@dataclass(frozen=True)
class Work:
    """What to generate: prompts as token ids, and rollouts, each with its prompt (``sources``, ascending) and its seed."""

    token_ids: Sequence[Sequence[int]]
    sources: Sequence[int]
    seeds: Sequence[int]
    params: SamplingParams

    @classmethod
    def of(cls, requests: Sequence[Request], params: SamplingParams) -> Work:
        """A rollout for each request; neighbours with the same tokens share a prompt."""
        prompts: list[tuple[int, ...]] = []
        sources = []
        for request in requests:
            if not prompts or prompts[-1] != request.token_ids:
                prompts.append(request.token_ids)
            sources.append(len(prompts) - 1)
        return cls(prompts, sources, [request.seed for request in requests], params)

    @property
    def rollouts(self) -> int:
        """Number of rollouts."""
        return len(self.seeds)

    @cached_property
    def counts(self) -> list[int]:
        """Number of rollouts of each prompt."""
        return [len(list(members)) for _, members in groupby(self.sources)]

    @cached_property
    def ends(self) -> list[int]:
        """For each prompt the index after its last rollout."""
        return list(accumulate(self.counts))


class Waiting:
    """Rollouts that have not started, in order. A prompt is prefilled once, together with its neighbours, when its first rollout starts."""

    def __init__(self, work: Work, read: Callable[[Sequence[Sequence[int]]], Prefilled]) -> None:
        self._work, self._read = work, read
        self._next = 0
        self._batch: Prefilled | None = None
        self._batch_prompts = range(0)

    def __bool__(self) -> bool:
        return self._next < self._work.rollouts

    def take(self, room: int) -> tuple[Prefilled, list[int], list[int]]:
        """Up to ``room`` rollouts with prompts in one prefilled batch: the batch, the index of each prompt in it, the rollouts."""
        work, prompt = self._work, self._work.sources[self._next]
        if self._batch is None or prompt not in self._batch_prompts:
            self._batch_prompts = self._following_prompts(prompt)
            self._batch = self._read([work.token_ids[p] for p in self._batch_prompts])
        end = work.ends[self._batch_prompts.stop - 1]
        rollouts = list(range(self._next, min(self._next + room, end)))
        self._next += len(rollouts)
        sources = [work.sources[rollout] - self._batch_prompts.start for rollout in rollouts]
        batch = self._batch
        if self._next == end:
            self._batch = None  # its last rollout has started: free the memory
        return batch, sources, rollouts

    def _following_prompts(self, first: int) -> range:
        longest, end = len(self._work.token_ids[first]), first + 1
        while end < len(self._work.token_ids):
            longest = max(longest, len(self._work.token_ids[end]))
            if (end + 1 - first) * longest > PREFILL_TOKENS:
                break
            end += 1
        return range(first, end)


class Generation:
    """One call of ``generate``: steps until every rollout has finished."""

    def __init__(
        self, work: Work, weights: DecoderWeights, rope: Rope, cache: KVCache, max_batch: int, attention: Attention = masked_sdpa
    ) -> None:
        self._work, self._weights, self._rope, self.cache, self._attention = work, weights, rope, cache, attention
        self._slots = Slots(cache, min(max_batch, work.rollouts), work.params.max_tokens, work.params.stop_token_ids)
        self._waiting = Waiting(work, lambda prompts: read_prompts(weights, prompts, rope))
        self._logits: Tensor | None = None
        self._steps = 0
        self._steps_between_checks = STEPS_BETWEEN_CHECKS.get(cache.kv.device.type, DEFAULT_STEPS_BETWEEN_CHECKS)

    @property
    def running(self) -> bool:
        """True while a rollout is unfinished."""
        return bool(self._waiting) or self._slots.used > 0

    @torch.inference_mode()
    def step(self) -> list[Finished]:
        """Fill free slots, sample one token per slot, remove and return finished rollouts, feed the others."""
        slots = self._slots
        self._admit()
        rows = slots.rows()
        rows.record(*draw(self._next_logits(), rows.seeds, rows.counts, self._work.params))
        self._steps += 1
        finished = slots.pop_finished() if self._steps % self._steps_between_checks == 0 else []
        self._logits = None
        if slots.used:
            rows, longest = slots.rows(), slots.longest + 1
            self._logits = decode(self._weights, rows.last_tokens(), rows.lengths, longest, slots.cache, self._rope, self._attention)
            rows.advance()
            slots.count_step()
        return finished

    def _admit(self) -> None:
        while self._waiting and self._slots.room:
            batch, sources, rollouts = self._waiting.take(self._slots.room)
            seeds = [as_int64(self._work.seeds[rollout]) for rollout in rollouts]
            logits = self._slots.admit(batch, sources, rollouts, seeds)
            self._logits = logits if self._logits is None else torch.cat((self._logits, logits))

    def _next_logits(self) -> Tensor:
        assert self._logits is not None, "rollouts are running"
        assert len(self._logits) == self._slots.used, "each slot in use needs its next logits"
        return self._logits


def read_prompts(weights: DecoderWeights, prompts: Sequence[Sequence[int]], rope: Rope) -> Prefilled:
    """Prefill some prompts together."""
    device = weights.embedding.device
    lengths = tuple(len(prompt) for prompt in prompts)
    padded = torch.tensor([[*prompt, *[0] * (max(lengths) - len(prompt))] for prompt in prompts], device=device)
    kv, logits = prefill(weights, padded, torch.tensor(lengths, device=device), rope)
    return Prefilled(kv, logits, lengths)
