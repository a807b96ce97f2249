"""Decoding steps as CUDA graphs: a step launches some 400 small kernels, and launching them one by one takes longer than they do.

A graph replays fixed kernels on fixed memory, so all that a step reads and writes stays where it is, and there is one graph for each number
of rows and each length that attention reads, both rounded up. It is captured where it is first needed. Rows beyond those in use are
computed and ignored. The host looks for requests that have ended after every `STEPS` tokens.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.forward import Attention, Rope, decode
from dunwu.rollout.torch_engine.generation import Generation
from dunwu.rollout.torch_engine.sampling import draw
from dunwu.rollout.torch_engine.scheduler import Drawn, Waiting
from dunwu.rollout.torch_engine.slots import Slots
from dunwu.rollout.torch_engine.weights import DecoderWeights
from dunwu.types import SamplingParams

STEPS = 8
PARTS, LENGTHS = 16, 1024
"""The sizes of graphs: rows in sixteenths of all, but eight at least, and positions in multiples."""
CAPACITY = 128
"""A cache holds a multiple of this many positions, so that the next call, with a prompt a little longer, can use it again."""
KEPT_BYTES = 4 * 2**30
"""A cache up to this size is kept between calls, and the graphs with it; the trainer needs the memory of a larger one."""

Replay = Callable[[], None]


def round_up(value: int, multiple: int) -> int:
    """The next multiple."""
    return -(-value // multiple) * multiple


class Stepper:
    """Steps of requests with the same sampling parameters: their slots, and the graphs that step them."""

    def __init__(self, weights: DecoderWeights, rope: Rope, cache: KVCache, params: SamplingParams, attention: Attention) -> None:
        self.weights, self.rope, self.params, self._attention = weights, rope, params, attention
        self.slots = Slots(cache, cache.kv.shape[2], params.max_tokens, len(params.stop_token_ids))
        self.slots.idle()
        self._graphs: dict[tuple[int, int], Replay] = {}
        self._captures = True
        self._pool = torch.cuda.graph_pool_handle() if cache.kv.is_cuda else None

    def __call__(self) -> None:
        """Feed the last token of each slot in use, and draw the next."""
        slots, part = self.slots, max(8, self.slots.size // PARTS)
        shape = min(round_up(slots.used, part), slots.size), min(round_up(slots.longest + 1, LENGTHS), slots.cache.capacity)
        replay = self._graphs.get(shape)
        if replay is not None:
            replay()
        else:
            step = partial(self._step, *shape)
            step()  # also the warm-up of a capture, which itself computes nothing
            self._keep(shape, step)
        slots.count_step()

    def _step(self, rows: int, longest: int) -> None:
        """What is captured: it must not wait for the device, nor allocate what outlives it."""
        slots = self.slots.rows(0, rows)
        logits = decode(self.weights, slots.last_tokens(), slots.lengths, longest, self.slots.cache, self.rope, self._attention)
        slots.advance()
        slots.record(*draw(logits, slots.seeds, slots.counts, self.params))

    def _keep(self, shape: tuple[int, int], step: Replay) -> None:
        # In another thread than the trainer's a capture could meet the trainer's allocations: there each kernel is launched.
        if not self._captures or threading.current_thread() is not threading.main_thread():
            return
        try:
            self._graphs[shape] = capture(step, self._pool)
        except RuntimeError as error:
            self._captures = False
            reason = str(error).strip().partition("\n")[0]
            warnings.warn(f"CUDA graphs cannot be used, so generation is slower ({reason})", RuntimeWarning, stacklevel=2)


def capture(step: Replay, pool: Any) -> Replay:
    """A graph of ``step``, or where there is no CUDA ``step`` itself. Raises ``RuntimeError`` if CUDA refuses."""
    if pool is None:
        return step
    graph = torch.cuda.CUDAGraph()
    here = torch.cuda.stream(torch.cuda.current_stream())  # comes back to it: a failed capture leaves its own stream current
    with here, torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        step()
    return graph.replay


class GraphedGeneration(Generation):
    """A `Generation` on the slots of a ``Stepper``."""

    def __init__(self, stepper: Stepper) -> None:
        super().__init__(stepper.weights, stepper.rope, stepper.slots)
        self.stepper = stepper

    @torch.inference_mode()
    def step(self, waiting: Waiting) -> list[Drawn]:
        """See ``Decoding``: `STEPS` tokens for each slot."""
        first = self._slots.used
        self._logits = None
        self._admit(waiting)
        if self._logits is not None:
            self._draw(self._slots.rows(first), self._logits, first)
        for _ in range(STEPS):
            self.stepper()
        ended = self._slots.pop_ended()
        self._slots.idle()
        return ended
