"""Decoding by torch: prompts are prefilled in batches, every step decodes all slots in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dunwu.rollout.torch_engine import scheduler
from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.forward import Attention, Rope, decode, masked_sdpa, prefill
from dunwu.rollout.torch_engine.sampling import draw_each
from dunwu.rollout.torch_engine.scheduler import Drawn, SharedPrompt, Ticket, Waiting
from dunwu.rollout.torch_engine.slots import Prefilled, Rows, Slots
from dunwu.rollout.torch_engine.weights import DecoderWeights

# Checking for requests that have ended makes the host wait for the device: free on a CPU, not on an accelerator.
STEPS_BETWEEN_CHECKS = {"cpu": 1}
DEFAULT_STEPS_BETWEEN_CHECKS = 8


class Prefills:
    """Prompts of those who wait. One is read once, together with those that follow, when its first request starts."""

    def __init__(self, read: Callable[[Sequence[Sequence[int]]], Prefilled]) -> None:
        self._read = read
        self._batch: Prefilled | None = None
        self._places: dict[SharedPrompt, int] = {}

    def take(self, waiting: Waiting, room: int) -> tuple[Prefilled, list[int], list[Ticket]]:
        """Up to ``room`` requests with prompts in one prefilled batch: the batch, the index of each prompt in it, the requests."""
        if self._batch is None or waiting[0].prompt not in self._places:
            prompts = _following_prompts(waiting)
            self._places = {prompt: place for place, prompt in enumerate(prompts)}
            self._batch = self._read([prompt.token_ids for prompt in prompts])
        batch, tickets = self._batch, list[Ticket]()
        while waiting and len(tickets) < room and waiting[0].prompt in self._places:
            tickets.append(waiting.popleft())
            tickets[-1].prompt.waiting -= 1
        if not waiting or waiting[0].prompt not in self._places:
            self._batch = None  # its last request has started: free the memory
        return batch, [self._places[ticket.prompt] for ticket in tickets], tickets


def _following_prompts(waiting: Waiting) -> list[SharedPrompt]:
    prompts: list[SharedPrompt] = []
    longest = 0
    for prompt in dict.fromkeys(ticket.prompt for ticket in waiting):
        longest = max(longest, len(prompt.token_ids))
        if prompts and (len(prompts) + 1) * longest > scheduler.PREFILL_TOKENS:
            break
        prompts.append(prompt)
    return prompts


class Generation:
    """A ``Decoding``. Different numbers of slots in use may round differently in the last bits."""

    def __init__(
        self, weights: DecoderWeights, rope: Rope, slots: Slots, attention: Attention = masked_sdpa, steps_between_checks: int = 0
    ) -> None:
        """``steps_between_checks``: 0 chooses for the device."""
        self.weights, self._rope, self._slots, self._attention = weights, rope, slots, attention
        self._prefills = Prefills(lambda prompts: read_prompts(self.weights, prompts, rope))
        self._logits: Tensor | None = None
        self._steps = 0
        device = self.cache.kv.device.type
        self._steps_between_checks = steps_between_checks or STEPS_BETWEEN_CHECKS.get(device, DEFAULT_STEPS_BETWEEN_CHECKS)

    @property
    def cache(self) -> KVCache:
        """The memory of the slots."""
        return self._slots.cache

    @property
    def running(self) -> int:
        """See ``Decoding``."""
        return self._slots.used

    @torch.inference_mode()
    def step(self, waiting: Waiting) -> list[Drawn]:
        """See ``Decoding``: one token for each slot, and the logits of the next."""
        slots = self._slots
        self._admit(waiting)
        self._draw(slots.rows(), self._next_logits())
        self._steps += 1
        ended = slots.pop_ended() if self._steps % self._steps_between_checks == 0 else []
        self._logits = None
        if slots.used:
            rows, longest = slots.rows(), slots.longest + 1
            self._logits = decode(self.weights, rows.last_tokens(), rows.lengths, longest, slots.cache, self._rope, self._attention)
            rows.advance()
            slots.count_step()
        return ended

    @torch.inference_mode()
    def news(self) -> list[Drawn]:
        """See ``Decoding``."""
        return self._slots.drawn(range(self._slots.used), new=True) if self._slots.used else []

    @torch.inference_mode()
    def remove(self, ticket: Ticket, sound: bool = True) -> None:
        """See ``Decoding``."""
        ticket.prompt.unfinished -= 1
        if ticket not in self._slots.tickets:
            return
        slot = self._slots.tickets.index(ticket)
        source, target = self._slots.remove([slot], sound)
        if self._logits is not None and source:
            self._logits[target] = self._logits[source]
        if self._logits is not None:
            self._logits = self._logits[: self._slots.used]

    def _admit(self, waiting: Waiting) -> None:
        while waiting and self._slots.room:
            logits = self._slots.admit(*self._prefills.take(waiting, self._slots.room))
            self._logits = logits if self._logits is None else torch.cat((self._logits, logits))

    def _draw(self, rows: Rows, logits: Tensor, first: int = 0) -> None:
        params = [ticket.request.params for ticket in self._slots.tickets[first:]]
        rows.record(*draw_each(logits, rows.seeds, rows.counts, params))

    def _next_logits(self) -> Tensor:
        assert self._logits is not None, "requests are running"
        assert len(self._logits) == self._slots.used, "each slot in use needs its next logits"
        return self._logits


def read_prompts(weights: DecoderWeights, prompts: Sequence[Sequence[int]], rope: Rope) -> Prefilled:
    """Prefill some prompts together."""
    device = weights.embedding.device
    lengths = tuple(len(prompt) for prompt in prompts)
    padded = torch.tensor([[*prompt, *[0] * (max(lengths) - len(prompt))] for prompt in prompts], device=device)
    kv, logits = prefill(weights, padded, torch.tensor(lengths, device=device), rope)
    return Prefilled(kv, logits, lengths)
