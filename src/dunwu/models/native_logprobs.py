"""Log-probabilities under a model, or its inner states, and their gradient in C: `kernels/score.c` through autograd.

Products are bfloat16 on CPUs with AMX, else float32; sums and everything else are float32. Nothing is padded, and a prompt that several
completions share is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import byref
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dunwu.errors import UserError
from dunwu.isa import lacking
from dunwu.models.native import NativeUnavailable, check_ids
from dunwu.models.native_library import (
    EMBEDDING,
    Batch,
    Matrix,
    Place,
    Shape,
    StatesByLayer,
    batch_of,
    check_memory,
    check_model,
    native_precision,
    places_of,
    pointer,
    score_library,
)
from dunwu.models.native_packing import Packed, TokenIds, in_order_of_completions, pack, pack_whole
from dunwu.models.precision import Precision
from dunwu.models.protocols import CausalLM

SMALL_MODEL = 4_000_000
"""Weights that are packed, and gradients that are added, by one thread."""


@dataclass(frozen=True)
class States:
    """What `NativeScorer.states` computes, by layer; layers of ``hidden`` are numbered from 0, the embedding.

    ``hidden`` [B, T, hidden], the last layer's normalised; ``qkv`` [B, T, heads * head_dim + 2 * kv_heads * head_dim], queries and keys
    after rotation. Positions after the end of a sequence repeat its last one. Log-probabilities and entropies are those of the learned
    tokens, sequence after sequence; the latter without a gradient.
    """

    hidden: dict[int, Tensor]
    qkv: dict[int, Tensor]
    logprobs: Tensor
    entropies: Tensor


class NativeScorer:
    """Log-probabilities of completions under one model, or what happens inside it. Unless the model is frozen, ``backward`` adds to the
    ``grad`` of all its parameters.

    One forward pass at a time: its backward pass, if any, comes before the next forward pass.
    """

    def __init__(self, model: CausalLM, precision: Precision | Literal["auto"] = "auto") -> None:
        """Raises ``NativeUnavailable`` with the reason; ``auto`` is whatever precision its products have here."""
        self._lib, self.precision = score_library(), native_precision()
        check_model(model)
        if precision not in ("auto", self.precision):
            raise NativeUnavailable(lacking("bfloat16 tiles (AMX)") if precision == "bfloat16" else "its products are bfloat16")
        self._model, self._places = model, places_of(model)
        self.threads = torch.get_num_threads()
        config, self._attention = model.config, model.model.layers[0].self_attn
        shape = self._shape = Shape(
            config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.num_key_value_heads, self._attention.head_dim,
            config.intermediate_size, config.vocab_size, config.rms_norm_eps, self._attention.scaling,
        )  # fmt: skip
        self._qkv_width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
        self._rope: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))
        self._room = (0, 0, 0)
        self._current: object = None
        self._packed: list[tuple[int, int]] = []
        self._gradients: dict[int, Tensor] = {}
        trained = next(model.parameters()).requires_grad
        check_memory(model, self.threads if trained else 0)
        self._handle = self._lib.score_new(byref(shape), self.threads, trained)
        if not self._handle:
            raise NativeUnavailable("not enough memory for packed copies and gradients of the weights")

    def __del__(self) -> None:
        """Free the memory."""
        if getattr(self, "_handle", None):
            self._lib.score_free(self._handle)

    def logprobs(
        self, prompts: Sequence[TokenIds], completions: Sequence[TokenIds], temperature: float = 1.0, *, entropy_gradient: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities of all completion tokens and entropies of their distributions, completions concatenated, float32.

        Prompts and completions must not be empty. Gradients flow as in ``logprobs.token_logprobs``. Raises ``ModelError`` for a token id
        outside the vocabulary.
        """
        assert all(prompts), "nothing predicts the first token of an empty prompt"
        assert all(completions), "completions must not be empty"
        check_ids((*prompts, *completions), self._model.config.vocab_size)
        packed = pack(prompts, completions, self.threads)
        weights = [parameter for _, parameter in self._places]
        found = _Score.apply(self, packed, temperature, entropy_gradient, *weights)  # type: ignore[no-untyped-call]
        logprobs, entropies = in_order_of_completions(packed, found)
        return logprobs, entropies

    def beside(
        self, teacher: NativeScorer, prompts: Sequence[TokenIds], completions: Sequence[TokenIds], reverse: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `logprobs` at temperature 1, and the divergence of all distributions from the teacher's: KL(P || Q), or KL(Q || P) if
        ``reverse``, of teacher P and student Q.

        Gradients flow through log-probabilities and divergences. The teacher must have the same vocabulary.
        """
        assert self.can_compare(teacher), "another vocabulary or number of threads"
        check_ids((*prompts, *completions), self._model.config.vocab_size)
        packed = pack(prompts, completions, self.threads)
        weights = [parameter for _, parameter in self._places]
        found = _Beside.apply(self, teacher, packed, reverse, *weights)  # type: ignore[no-untyped-call]
        logprobs, entropies, divergences = in_order_of_completions(packed, found)
        return logprobs, entropies, divergences

    def can_compare(self, teacher: NativeScorer) -> bool:
        """Whether `beside` can take this teacher."""
        return self.threads == teacher.threads and self._shape.vocabulary == teacher._shape.vocabulary

    def run_beside(self, teacher: NativeScorer, packed: Packed, reverse: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Scores and divergences in the order of ``packed.at``."""
        for each in (teacher, self):
            each._load(packed.longest)
            each._reserve(packed)
        logprobs, entropies, divergences = (torch.empty(len(packed.at)) for _ in range(3))
        read = batch_of(packed, 1.0, logprobs, entropies)
        read.logprobs = None
        self._lib.score_forward(teacher._handle, byref(read))
        self._lib.score_forward(self._handle, byref(self._beside(teacher, packed, reverse, logprobs, entropies, divergences)))
        self._current = teacher._current = packed
        return logprobs, entropies, divergences

    def run_beside_backward(
        self, teacher: NativeScorer, packed: Packed, reverse: bool, scores: Sequence[Tensor], slopes: Sequence[Tensor]
    ) -> None:
        """Add the gradients of all parameters to their ``grad``; ``slopes``: those of log-probabilities and divergences."""
        for each in (teacher, self):
            each._take(packed)
        batch = self._beside(teacher, packed, reverse, *scores)
        batch.logprobs_gradient, batch.divergences_gradient = (slope.data_ptr() for slope in slopes)
        self._lib.score_backward(self._handle, byref(batch))
        self._add_gradients()

    def _beside(self, teacher: NativeScorer, packed: Packed, reverse: bool, *scores: Tensor) -> Batch:
        batch = batch_of(packed, 1.0, *scores[:2])
        batch.teacher, batch.reverse, batch.divergences = teacher._handle, int(reverse), scores[2].data_ptr()
        return batch

    def states(
        self,
        sequences: Sequence[TokenIds],
        hidden: Sequence[int] = (),
        qkv: Sequence[int] = (),
        learned: Sequence[NDArray[np.bool_]] = (),
    ) -> States:
        """The states of these layers, with gradients; see `States`. ``qkv``: layers from 1. ``learned``: which tokens are scored, if any;
        never the first of a sequence.

        Sequences must not be empty. Raises ``ModelError`` for a token id outside the vocabulary.
        """
        assert all(sequences), "sequences must not be empty"
        assert not any(each[0] for each in learned), "nothing predicts the first token"
        check_ids(sequences, self._model.config.vocab_size)
        packed, begins = pack_whole(sequences, self.threads, learned)
        weights = [parameter for _, parameter in self._places]
        *found, logprobs, entropies = _Inside.apply(self, packed, tuple(hidden), tuple(qkv), *weights)  # type: ignore[no-untyped-call]
        lengths = np.array([*map(len, sequences)])
        rows = begins[:, None] + np.minimum(np.arange(lengths.max()), lengths[:, None] - 1)
        places = torch.from_numpy(rows.reshape(-1))
        padded = [state_RW.index_select(0, places).view(*rows.shape, -1) for state_RW in found]
        scores = in_order_of_completions(packed, (logprobs, entropies))
        return States(dict(zip(hidden, padded, strict=False)), dict(zip(qkv, padded[len(hidden) :], strict=True)), *scores)

    def run_inside(self, packed: Packed, hidden: Sequence[int], qkv: Sequence[int]) -> tuple[Tensor, ...]:
        """The states of all rows, [R, width] each, then scores in the order of ``packed.at``."""
        self._load(packed.longest)
        self._reserve(packed)
        widths = [*(self._shape.hidden for _ in hidden), *(self._qkv_width for _ in qkv)]
        found = tuple(torch.empty(len(packed.tokens), width) for width in widths)
        scores = torch.empty(len(packed.at)), torch.empty(len(packed.at))
        batch, kept = batch_of(packed, 1.0, *scores), StatesByLayer(self._shape.layers, hidden, qkv, found)
        batch.states = kept.states
        self._lib.score_forward(self._handle, byref(batch))
        self._current = packed
        return (*found, *scores)

    def run_inside_backward(
        self,
        packed: Packed,
        hidden: Sequence[int],
        qkv: Sequence[int],
        scores: tuple[Tensor, Tensor],
        slopes: Sequence[Tensor | None],
        of_logprobs: Tensor | None,
    ) -> None:
        """Add the gradients of all parameters to their ``grad``, given those of states and log-probabilities (``None``: it is 0)."""
        self._take(packed)
        of_logprobs = torch.zeros(len(packed.at)) if of_logprobs is None else of_logprobs
        batch, kept = batch_of(packed, 1.0, *scores), StatesByLayer(self._shape.layers, hidden, qkv, slopes)
        batch.slopes, batch.logprobs_gradient = kept.states, of_logprobs.data_ptr()
        self._lib.score_backward(self._handle, byref(batch))
        self._add_gradients()

    def run_forward(self, packed: Packed, temperature: float) -> tuple[Tensor, Tensor]:
        """Scores in the order of ``packed.at``."""
        self._load(packed.longest)
        self._reserve(packed)
        logprobs, entropies = torch.empty(len(packed.at)), torch.empty(len(packed.at))
        self._lib.score_forward(self._handle, byref(batch_of(packed, temperature, logprobs, entropies)))
        self._current = packed
        return logprobs, entropies

    def run_backward(
        self,
        packed: Packed,
        temperature: float,
        logprobs: Tensor,
        entropies: Tensor,
        logprobs_gradient: Tensor,
        entropies_gradient: Tensor | None,
    ) -> None:
        """Add the gradients of all parameters to their ``grad``."""
        self._take(packed)
        batch = batch_of(packed, temperature, logprobs, entropies)
        batch.logprobs_gradient = logprobs_gradient.data_ptr()
        batch.entropies_gradient = None if entropies_gradient is None else entropies_gradient.data_ptr()
        self._lib.score_backward(self._handle, byref(batch))
        self._add_gradients()

    def _take(self, packed: Packed) -> None:
        assert self._current is packed, "backward pass of another batch: run one forward pass at a time"
        self._current = None

    def _load(self, longest: int) -> None:
        """Pack the current weights if they have changed."""
        embedding = self._model.model.embed_tokens.weight
        if len(self._rope[0]) < longest:
            cos, sin = self._model.model.rotary_emb(embedding, torch.arange(longest)[None])
            self._rope = cos[0].contiguous(), sin[0].contiguous()
        self._lib.score_tables(self._handle, embedding.data_ptr(), *(table.data_ptr() for table in self._rope))
        places = self._places
        versions = [(parameter.data_ptr(), parameter._version) for _, parameter in places]
        if versions == self._packed:
            return
        self._packed = versions
        self._in_threads(self._pack, places)

    def _pack(self, place: Place, parameter: Tensor) -> None:
        if isinstance(place, Matrix):
            bias = None if place.bias is None else place.bias.data_ptr()
            self._lib.score_pack(self._handle, *place.where, len(parameter), parameter.data_ptr(), bias)
        elif isinstance(place, tuple):
            self._lib.score_norm(self._handle, *place, parameter.data_ptr())

    def _reserve(self, packed: Packed) -> None:
        needs = (int(np.diff(packed.row_parts).max()), int(np.diff(packed.scored_parts).max()), packed.longest)
        if all(has >= need for has, need in zip(self._room, needs, strict=True)):
            return
        self._room = tuple(max(has, need + need // 4) for has, need in zip(self._room, needs, strict=True))  # type: ignore[assignment]
        if not self._lib.score_reserve(self._handle, *self._room):
            self._room = (0, 0, 0)
            raise UserError(f"no memory for {len(packed.tokens)} tokens at once; lower micro_batch_tokens")

    def _add_gradients(self) -> None:
        """Memory for them is kept from update to update: new pages cost more than the sums."""
        places = self._places
        for _, parameter in places:
            if parameter.grad is None:
                kept = self._gradients.get(id(parameter))
                parameter.grad = torch.zeros_like(parameter) if kept is None else kept.zero_()
                self._gradients[id(parameter)] = parameter.grad
        if self._model.lm_head.weight is self._model.model.embed_tokens.weight:
            self._lib.score_embedding_gradient(self._handle, None)
            places = places[1:]
        self._in_threads(self._add_gradient, places)

    def _add_gradient(self, place: Place, parameter: Tensor) -> None:
        gradient = pointer(parameter.grad)
        if isinstance(place, Matrix):
            bias = None if place.bias is None else pointer(place.bias.grad)
            self._lib.score_weight_gradient(self._handle, *place.where, len(parameter), gradient, bias)
        elif isinstance(place, tuple):
            self._lib.score_norm_gradient(self._handle, *place, gradient)
        elif place == EMBEDDING:
            self._lib.score_embedding_gradient(self._handle, gradient)

    def _in_threads(self, work: Callable[[Place, Tensor], None], places: Sequence[tuple[Place, Tensor]]) -> None:
        """Each parameter by one thread; those of a small model by this one, as to hand them over takes longer."""
        if sum(parameter.numel() for _, parameter in places) < SMALL_MODEL:
            for each in places:
                work(*each)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, *zip(*places, strict=True)))


class _Score(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scorer: NativeScorer, packed: Packed, temperature: float, entropy_gradient: bool, *weights: Tensor) -> Any:
        logprobs, entropies = scorer.run_forward(packed, temperature)
        ctx.scorer, ctx.packed, ctx.temperature, ctx.entropy_gradient = scorer, packed, temperature, entropy_gradient
        ctx.scores = logprobs.clone(), entropies.clone()
        if not entropy_gradient:
            ctx.mark_non_differentiable(entropies)
        return logprobs, entropies

    @staticmethod
    def backward(ctx: Any, logprobs_gradient: Tensor, entropies_gradient: Tensor) -> Any:
        pull = entropies_gradient.contiguous() if ctx.entropy_gradient else None
        ctx.scorer.run_backward(ctx.packed, ctx.temperature, *ctx.scores, logprobs_gradient.contiguous(), pull)
        return (None,) * len(ctx.needs_input_grad)


class _Beside(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scorer: NativeScorer, teacher: NativeScorer, packed: Packed, reverse: bool, *weights: Tensor) -> Any:
        found = scorer.run_beside(teacher, packed, reverse)
        ctx.run = partial(scorer.run_beside_backward, teacher, packed, reverse, tuple(each.clone() for each in found))
        ctx.mark_non_differentiable(found[1])
        return found

    @staticmethod
    def backward(ctx: Any, of_logprobs: Tensor, _of_entropies: Tensor, of_divergences: Tensor) -> Any:
        ctx.run((of_logprobs.contiguous(), of_divergences.contiguous()))
        return (None,) * len(ctx.needs_input_grad)


class _Inside(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scorer: NativeScorer, packed: Packed, hidden: tuple[int, ...], qkv: tuple[int, ...], *weights: Tensor) -> Any:
        found = scorer.run_inside(packed, hidden, qkv)
        ctx.run = partial(scorer.run_inside_backward, packed, hidden, qkv, (found[-2].clone(), found[-1].clone()))
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(found[-1])
        return found

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor | None) -> Any:
        *of_states, of_logprobs, _ = (None if slope is None else slope.float().contiguous() for slope in slopes)
        ctx.run(of_states, of_logprobs)
        return (None,) * len(ctx.needs_input_grad)
