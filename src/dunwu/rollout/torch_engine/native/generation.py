"""Decoding in C: gives slots to requests and places to their prompts, reads prompts, and draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dunwu.rollout.torch_engine import scheduler
from dunwu.rollout.torch_engine.native.decoder import NativeDecoder
from dunwu.rollout.torch_engine.native.prompt_store import PromptStore, StoredPrompt
from dunwu.rollout.torch_engine.native.slot_state import SlotState
from dunwu.rollout.torch_engine.room import Room
from dunwu.rollout.torch_engine.sampling import draw_each
from dunwu.rollout.torch_engine.scheduler import Drawn, SharedPrompt, Ticket, Waiting

# Tokens drawn before the host checks for requests that have ended. A slot that ends in between stays empty until then.
STEPS_WHILE_OTHERS_WAIT = 8
STEPS_AT_THE_END = 32


@dataclass(eq=False, slots=True)
class _Placed:
    """A prompt with a place; ``cached`` of its tokens did not have to be read.

    ``beginning``: requests that wait for its end; ``logits`` (1, V): those behind it, while others of its requests have no slot.
    """

    stored: StoredPrompt
    cached: int
    beginning: list[Ticket] = field(default_factory=list)
    logits: Tensor | None = None


class NativeGeneration:
    """A ``Decoding``. What a request gets has the same bits whatever runs beside it, and whatever was known of its prompt."""

    def __init__(
        self, decoder: NativeDecoder, slots: int, places: int, longest_completion: int, longest_prompt: int, pace: Room | None = None
    ) -> None:
        """``decoder`` has weights and rotary tables. Without ``pace`` it is as fast as can be and stores no prompt longer than needed."""
        decoder.reserve(slots, longest_completion, places, longest_prompt)
        self._decoder, self._pace = decoder, pace
        self._state = SlotState.empty(slots, longest_completion)
        self._store = PromptStore(places, decoder.copy, keeps=pace is not None)
        self._prompts: dict[SharedPrompt, _Placed] = {}
        self._unread: list[SharedPrompt] = []
        self._free = list(range(slots))[::-1]
        self._slots: dict[Ticket, int] = {}
        self._active: dict[int, Ticket] = {}  # by slot, those whose first token has been drawn

    @property
    def running(self) -> int:
        """See ``Decoding``."""
        return len(self._slots)

    @torch.inference_mode()
    def step(self, waiting: Waiting) -> list[Drawn]:
        """See ``Decoding``."""
        self._admit(waiting)
        while self._unread:
            self._read()
            if self._pace is not None:
                break
        going = [slot for slot in self._active if not self._state.done[slot]]
        if going:
            logits = self._decoder.run(self._state, going, self._steps(waiting))
            if logits is not None:
                shown = [row for row, slot in enumerate(going) if self._state.shown[slot]]
                self._record([going[row] for row in shown], logits if len(shown) == len(going) else logits[shown])
        return self._pop_ended()

    def news(self) -> list[Drawn]:
        """See ``Decoding``."""
        return [
            Drawn(ticket, *self._state.drawn(slot, ticket.told), ticket.told)
            for slot, ticket in self._active.items()
            if self._state.counts[slot] > ticket.told
        ]

    def remove(self, ticket: Ticket, sound: bool = True) -> None:
        """See ``Decoding``."""
        prompt, slot = ticket.prompt, self._slots.pop(ticket, None)
        placed = self._prompts.get(prompt)
        prompt.unfinished -= 1
        if slot is not None and placed is not None:
            self._leave(ticket, slot, placed, sound)
        if placed is not None and prompt.waiting == 0:
            placed.logits = None
        if placed is not None and prompt.unfinished == 0:
            self._store.release(placed.stored)
            del self._prompts[prompt]
            if prompt in self._unread:
                self._unread.remove(prompt)

    def _leave(self, ticket: Ticket, slot: int, placed: _Placed, sound: bool) -> None:
        self._active.pop(slot, None)
        self._free.append(slot)
        if ticket in placed.beginning:
            placed.beginning.remove(ticket)
        if not sound:
            placed.stored.sound = False
            self._decoder.blank(slot, placed.stored.place)

    def forget_prompts(self) -> None:
        """Drop what is known of prompts that nobody uses: the weights have changed."""
        self._store.forget()

    def _steps(self, waiting: Waiting) -> int:
        if self._pace is not None:
            return self._pace.steps_per_call
        return STEPS_WHILE_OTHERS_WAIT if waiting else STEPS_AT_THE_END

    def _admit(self, waiting: Waiting) -> None:
        """Give free slots to those who wait. Some are of a prompt that others had read: they have their first tokens at once."""
        begun: list[Ticket] = []
        logits: list[Tensor] = []
        while waiting and self._free and self._takes(waiting[0].prompt):
            ticket = waiting.popleft()
            prompt, placed = ticket.prompt, self._prompts[ticket.prompt]
            prompt.waiting -= 1
            self._give_slot(ticket, placed)
            if placed.logits is None:
                placed.beginning.append(ticket)
                continue
            begun.append(ticket)
            logits.append(placed.logits)
            if prompt.waiting == 0:
                placed.logits = None
        if begun:
            self._begin(begun, torch.cat(logits))

    def _takes(self, prompt: SharedPrompt) -> bool:
        """True if the prompt has a place, perhaps now. With a pace, what has no place waits until it can begin with what is read before."""
        if prompt in self._prompts:
            return True
        if self._pace is not None and self._unread_tokens() >= self._pace.read_per_step:
            return False
        stored = self._store.open(prompt.token_ids)
        if stored is None:
            return False
        self._prompts[prompt] = _Placed(stored, stored.known)
        self._unread.append(prompt)
        return True

    def _unread_tokens(self) -> int:
        return sum(len(prompt.token_ids) - self._prompts[prompt].stored.known for prompt in self._unread)

    def _give_slot(self, ticket: Ticket, placed: _Placed) -> None:
        slot = self._free.pop()
        self._slots[ticket], ticket.cached = slot, placed.cached
        self._state = self._state.with_stops(len(ticket.request.params.stop_token_ids))
        self._state.begin(slot, ticket.request, placed.stored.place)

    def _read(self) -> None:
        """Read some of the unread, and begin the requests of the prompts that end there."""
        prompts, parts = self._next_parts()
        stored = [self._prompts[prompt].stored for prompt in prompts]
        logits = self._decoder.read([prompt.token_ids for prompt in prompts], [each.place for each in stored], parts)
        for each, part in zip(stored, parts, strict=True):
            each.known = part.stop
        whole = [prompt for prompt, part in zip(prompts, parts, strict=True) if part.stop == len(prompt.token_ids)]
        self._unread = self._unread[len(whole) :]
        begun, rows = list[Ticket](), list[int]()
        for row, prompt in enumerate(whole):
            placed = self._prompts[prompt]
            begun += placed.beginning
            rows += [row] * len(placed.beginning)
            placed.beginning = []
            placed.logits = logits[row : row + 1].clone() if prompt.waiting else None
        if begun:
            self._begin(begun, logits[rows])

    def _next_parts(self) -> tuple[list[SharedPrompt], list[range]]:
        """Whole prompts while they fit into what is read together; one that alone does not fit, in parts."""
        left = scheduler.PREFILL_TOKENS if self._pace is None else self._pace.read_per_step
        parts: list[range] = []
        for prompt in self._unread:
            known, length = self._prompts[prompt].stored.known, len(prompt.token_ids)
            if left == 0 or (parts and length - known > left):
                break
            parts.append(range(known, min(length, known + left)))
            left -= len(parts[-1])
        return self._unread[: len(parts)], parts

    def _begin(self, tickets: Sequence[Ticket], logits: Tensor) -> None:
        """Draw the first tokens from the logits (n, V) behind the prompts."""
        slots = [self._slots[ticket] for ticket in tickets]
        self._active.update(zip(slots, tickets, strict=True))
        self._record(slots, logits)

    def _record(self, slots: Sequence[int], logits: Tensor) -> None:
        """Draw from logits (n, V) with the reference code, and store the tokens."""
        state, at = self._state, np.array(slots)
        positions = torch.from_numpy(state.counts[at].astype(np.int64))
        params = [self._active[slot].request.params for slot in slots]
        tokens, logprobs = draw_each(logits, torch.from_numpy(state.seeds[at]), positions, params)
        state.record(slots, tokens.numpy(), logprobs.numpy())

    def _pop_ended(self) -> list[Drawn]:
        ended = [Drawn(ticket, *self._state.drawn(slot)) for slot, ticket in self._active.items() if self._state.done[slot]]
        for drawn in ended:
            self.remove(drawn.ticket, sound=math.isfinite(drawn.logprobs[-1]))
        return ended
