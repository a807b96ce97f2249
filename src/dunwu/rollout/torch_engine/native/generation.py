"""One call of ``generate`` on the C decoder: assigns slots to rollouts and memory to prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dunwu.rollout.torch_engine import scheduler
from dunwu.rollout.torch_engine.forward import Rope
from dunwu.rollout.torch_engine.native.decoder import NativeDecoder, SlotState
from dunwu.rollout.torch_engine.sampling import as_int64, draw
from dunwu.rollout.torch_engine.scheduler import Work
from dunwu.rollout.torch_engine.slots import Finished

# Tokens sampled before the host checks for finished rollouts. A slot that finishes in between stays empty until then.
STEPS_WHILE_OTHERS_WAIT = 8
STEPS_AT_THE_END = 32


class PromptPlaces:
    """Assigns each prompt a place in the prompt store until its last rollout (of ``counts``) has finished."""

    def __init__(self, places: int, counts: Sequence[int]) -> None:
        self._free, self._counts = list(range(places)), counts
        self._place: dict[int, int] = {}
        self._unfinished: dict[int, int] = {}

    def __contains__(self, prompt: int) -> bool:
        return prompt in self._place

    def __getitem__(self, prompt: int) -> int:
        return self._place[prompt]

    def take(self, prompt: int) -> int:
        """A place for a prompt that has none."""
        self._place[prompt], self._unfinished[prompt] = self._free.pop(), self._counts[prompt]
        return self._place[prompt]

    def leave(self, prompt: int) -> None:
        """One rollout of the group has finished."""
        self._unfinished[prompt] -= 1
        if self._unfinished[prompt] == 0:
            self._free.append(self._place.pop(prompt))
            del self._unfinished[prompt]


class NativeGeneration:
    """Steps until every rollout has finished. Rollouts are independent of each other and of the order in which they take slots."""

    def __init__(self, work: Work, rope: Rope, decoder: NativeDecoder, max_batch: int) -> None:
        """``decoder`` already has the weights."""
        self._work, self._decoder = work, decoder
        slots = min(max_batch, work.rollouts)
        # Rollouts start in order: of the groups in progress, all but the last have started all their rollouts.
        places = min(len(work.token_ids), slots + 1)
        decoder.reserve(slots, work.params.max_tokens, places, max(map(len, work.token_ids)))
        decoder.use_rope(rope)
        self._state = SlotState.empty(slots, work.params.max_tokens)
        self._places = PromptPlaces(places, work.counts)
        self._free, self._active = list(range(slots))[::-1], list[int]()
        self._rollouts = [0] * slots
        self._next = 0  # the first rollout that has not started
        self._partly: Tensor | None = None  # the next logits (1, V) of the last prompt: some of its rollouts may have to wait
        self._stops = np.array(work.params.stop_token_ids, np.int32)
        params = work.params
        self._filtered = params.temperature > 0 and (params.top_k > 0 or params.top_p < 1 or params.min_p > 0)

    @property
    def running(self) -> bool:
        """True while a rollout is unfinished."""
        return self._waiting or bool(self._active)

    @property
    def _waiting(self) -> bool:
        return self._next < self._work.rollouts

    @torch.inference_mode()
    def step(self) -> list[Finished]:
        """Fill free slots, sample some tokens for every slot, remove and return finished rollouts."""
        self._admit()
        going = [slot for slot in self._active if not self._state.done[slot]]
        if going and self._filtered:
            self._record(going, self._decoder.logits(self._state, going))
        elif going:
            steps = STEPS_WHILE_OTHERS_WAIT if self._waiting else STEPS_AT_THE_END
            self._decoder.run(self._state, going, steps, self._work.params.temperature, self._stops)
        return self._pop_finished()

    def _admit(self) -> None:
        while self._waiting and self._free:
            rollouts = self._take()
            slots = [self._free.pop() for _ in rollouts]
            self._active += slots
            prompts, logits = self._read(rollouts)
            for slot, rollout in zip(slots, rollouts, strict=True):
                self._begin(slot, rollout)
            self._record(slots, logits[[self._work.sources[rollout] - prompts.start for rollout in rollouts]])

    def _take(self) -> range:
        """The rollouts that start now: at most one per free slot, of prompts that are prefilled together."""
        work, start, tokens = self._work, self._next, 0
        most = min(start + len(self._free), work.rollouts)
        while self._next < most:
            prompt = work.sources[self._next]
            tokens += len(work.token_ids[prompt])
            if tokens > scheduler.PREFILL_TOKENS and self._next > start:
                break
            self._next = min(work.ends[prompt], most)
        return range(start, self._next)

    def _read(self, rollouts: range) -> tuple[range, Tensor]:
        """The prompts of ``rollouts`` and their next logits (P, V). Prompts without a place get one."""
        prompts = range(self._work.sources[rollouts[0]], self._work.sources[rollouts[-1]] + 1)
        known = [] if self._partly is None or prompts[0] not in self._places else [self._partly]
        new = prompts[len(known) :]
        if new:
            known.append(self._decoder.read([self._work.token_ids[p] for p in new], [self._places.take(p) for p in new]))
        logits = torch.cat(known)
        self._partly = logits[-1:].clone()
        return prompts, logits

    def _begin(self, slot: int, rollout: int) -> None:
        prompt = self._work.sources[rollout]
        self._rollouts[slot] = rollout
        state = self._state
        state.counts[slot], state.done[slot] = 0, 0
        state.prompts[slot], state.prompt_lengths[slot] = self._places[prompt], len(self._work.token_ids[prompt])
        state.seeds[slot] = as_int64(self._work.seeds[rollout])

    def _record(self, slots: Sequence[int], logits: Tensor) -> None:
        """Sample from logits (n, V) with the reference code, and store the tokens."""
        state, at = self._state, np.array(slots)
        counts = state.counts[at]
        tokens, logprobs = draw(logits, _tensor(state.seeds[at]), _tensor(counts.astype(np.int64)), self._work.params)
        drawn, known = tokens.numpy(), logprobs.numpy()
        state.tokens[at, counts], state.logprobs[at, counts] = drawn, known
        state.counts[at] = counts + 1
        state.done[at] = np.isin(drawn, self._stops) | (counts + 1 == self._work.params.max_tokens) | ~np.isfinite(known)

    def _pop_finished(self) -> list[Finished]:
        state, finished = self._state, []
        leaving = [slot for slot in self._active if state.done[slot]]
        for slot in leaving:
            count, rollout = int(state.counts[slot]), self._rollouts[slot]
            tokens, logprobs = state.tokens[slot, :count].tolist(), state.logprobs[slot, :count].tolist()
            finished.append(Finished(rollout, tuple(tokens), tuple(logprobs)))
            self._places.leave(self._work.sources[rollout])
        if leaving:
            self._active = [slot for slot in self._active if not state.done[slot]]
            self._free += leaving
        return finished


def _tensor(values: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(values)
