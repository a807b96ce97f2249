"""The trainer's log-probabilities, or a model's inner states, and their gradient in C, for CPUs with AMX: `kernels/score.c` through ctypes
and autograd.

Products are bfloat16, sums and everything else float32. Nothing is padded, and a prompt that several completions share is computed once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import POINTER, Structure, byref, c_float, c_int32, c_void_p
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dunwu.errors import UserError
from dunwu.isa import lacking
from dunwu.models.native import KERNELS, NativeUnavailable, check_ids, declare, is_silu, library
from dunwu.models.protocols import CausalLM

SOURCE = KERNELS / "score.c"
MODEL_TYPES = ("qwen2", "llama")
MULTIPLE, LARGEST_HEAD_DIM = 32, 256
# Each thread has a gradient of every weight, and each weight is packed twice.
LARGEST_MODEL = 200_000_000
SMALL_MODEL = 4_000_000
_QKV, _O, _GATE_UP, _DOWN = range(4)
_LANES = 16

TokenIds = Sequence[int]


class _Shape(Structure):
    _fields_ = [
        *((name, c_int32) for name in ("layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "vocabulary")),
        ("eps", c_float),
        ("scale", c_float),
    ]


_INPUTS = ("tokens", "positions", "sequences", "at", "targets", "row_parts", "sequence_parts", "scored_parts")


class _States(Structure):
    _fields_ = [("hidden", c_void_p), ("qkv", c_void_p)]


class _Batch(Structure):
    _fields_ = [
        *((name, c_void_p) for name in _INPUTS),
        ("inverse_temperature", c_float),
        *((name, c_void_p) for name in ("logprobs", "entropies", "logprobs_gradient", "entropies_gradient")),
        ("teacher", c_void_p),
        ("reverse", c_int32),
        *((name, c_void_p) for name in ("divergences", "divergences_gradient")),
        *((name, _States) for name in ("states", "slopes")),
    ]


@dataclass(frozen=True)
class Packed:
    """Concatenated prompts and completions, divided among the threads. All arrays are int32, except ``order``.

    ``sequences`` (S, 4): rows [begin, end) after the rows [prefix_begin, prefix_end). ``order`` has, for each scored position, its index
    in the concatenated completions.
    """

    tokens: NDArray[np.int32]
    positions: NDArray[np.int32]
    sequences: NDArray[np.int32]
    at: NDArray[np.int32]
    targets: NDArray[np.int32]
    row_parts: NDArray[np.int32]
    sequence_parts: NDArray[np.int32]
    scored_parts: NDArray[np.int32]
    order: NDArray[np.int64]
    longest: int


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


class _Packer:
    """Concatenates one group after another."""

    def __init__(self) -> None:
        self.tokens, self.positions, self.at, self.targets, self.order = (list[int]() for _ in range(5))
        self.sequences: list[tuple[int, int, int, int]] = []
        self.longest = 0

    def add(self, prompt: TokenIds, completions: Sequence[TokenIds], places: Sequence[int]) -> None:
        """Append a group; ``places`` are the indices where the scores of each completion start."""
        begin = len(self.tokens)
        self.tokens += prompt
        self.positions += range(len(prompt))
        end = len(self.tokens)
        self.sequences.append((begin, end, begin, begin))
        for completion, place in zip(completions, places, strict=True):
            first = len(self.tokens)
            # The last token predicts no scored token.
            self.tokens += completion[:-1]
            self.positions += range(len(prompt), len(prompt) + len(completion) - 1)
            self.at += [end - 1, *range(first, len(self.tokens))]
            self.targets += completion
            self.order += range(place, place + len(completion))
            if len(self.tokens) > first:
                self.sequences.append((first, len(self.tokens), begin, end))
            self.longest = max(self.longest, len(prompt) + len(completion))

    def packed(self, parts: Sequence[tuple[int, int, int]]) -> Packed:
        """All of it; ``parts``: rows, sequences and scored positions before each thread's share, and in all."""
        row_parts, sequence_parts, scored_parts = (np.array(part, np.int32) for part in zip(*parts, strict=True))
        return Packed(
            tokens=np.array(self.tokens, np.int32),
            positions=np.array(self.positions, np.int32),
            sequences=np.array(self.sequences, np.int32),
            at=np.array(self.at, np.int32),
            targets=np.array(self.targets, np.int32),
            row_parts=row_parts,
            sequence_parts=sequence_parts,
            scored_parts=scored_parts,
            order=np.array(self.order, np.int64),
            longest=self.longest,
        )


def pack(prompts: Sequence[TokenIds], completions: Sequence[TokenIds], threads: int) -> Packed:
    """Group completions by prompt, and give each thread groups with about the same total of tokens."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, prompt in enumerate(prompts):
        groups.setdefault(tuple(prompt), []).append(index)
    starts = np.cumsum([0, *map(len, completions)]).tolist()
    packer, parts = _Packer(), [(0, 0, 0)]
    for share in _shares([(len(prompt) + sum(len(completions[i]) for i in members)) for prompt, members in groups.items()], threads):
        for prompt, members in (list(groups.items())[i] for i in share):
            packer.add(prompt, [completions[i] for i in members], [starts[i] for i in members])
        parts.append((len(packer.tokens), len(packer.sequences), len(packer.at)))
    return packer.packed(parts)


def in_order_of_completions(packed: Packed, values: Sequence[Tensor]) -> list[Tensor]:
    """Values in the order of ``packed.at`` as those of the concatenated completions."""
    place = torch.empty(len(packed.order), dtype=torch.long)
    place[torch.from_numpy(packed.order)] = torch.arange(len(packed.order))
    return [each[place] for each in values]


def pack_whole(sequences: Sequence[TokenIds], threads: int, learned: Sequence[NDArray[np.bool_]] = ()) -> tuple[Packed, NDArray[np.int64]]:
    """Sequences divided among the threads, and the row at which each begins; the ``learned`` tokens of each are scored."""
    packer, parts, begins = _Packer(), [(0, 0, 0)], np.zeros(len(sequences), np.int64)
    starts = np.cumsum([0, *(int(each.sum()) for each in learned)]).tolist()
    for share in _shares([*map(len, sequences)], threads):
        for index in share:
            begins[index] = begin = len(packer.tokens)
            packer.add(sequences[index], (), ())
            packer.longest = max(packer.longest, len(sequences[index]))
            if learned:
                scored = learned[index].nonzero()[0].tolist()
                packer.at += [begin + place - 1 for place in scored]
                packer.targets += [sequences[index][place] for place in scored]
                packer.order += range(starts[index], starts[index + 1])
        parts.append((len(packer.tokens), len(packer.sequences), len(packer.at)))
    return packer.packed(parts), begins


def _shares(sizes: Sequence[int], threads: int) -> list[list[int]]:
    """Indices for each thread: assigned largest first to the thread with the least load, then sorted within each thread."""
    shares: list[list[int]] = [[] for _ in range(threads)]
    load = [0] * threads
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        least = load.index(min(load))
        shares[least].append(index)
        load[least] += sizes[index]
    return [sorted(share) for share in shares]


class NativeScorer:
    """Log-probabilities of completions under one model, or what happens inside it. Unless the model is frozen, ``backward`` adds to the
    ``grad`` of all its parameters.

    One forward pass at a time: its backward pass, if any, comes before the next forward pass.
    """

    def __init__(self, model: CausalLM) -> None:
        """Raises ``NativeUnavailable`` with the reason."""
        self._lib = _library()
        check_model(model)
        self._model, self._places = model, _parameters(model)
        self.threads = torch.get_num_threads()
        config, self._attention = model.config, model.model.layers[0].self_attn
        shape = self._shape = _Shape(
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
        read = _batch(packed, 1.0, logprobs, entropies)
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

    def _beside(self, teacher: NativeScorer, packed: Packed, reverse: bool, *scores: Tensor) -> _Batch:
        batch = _batch(packed, 1.0, *scores[:2])
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
        batch, kept = _batch(packed, 1.0, *scores), _StatePointers(self._shape.layers, hidden, qkv, found)
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
        batch, kept = _batch(packed, 1.0, *scores), _StatePointers(self._shape.layers, hidden, qkv, slopes)
        batch.slopes, batch.logprobs_gradient = kept.states, of_logprobs.data_ptr()
        self._lib.score_backward(self._handle, byref(batch))
        self._add_gradients()

    def run_forward(self, packed: Packed, temperature: float) -> tuple[Tensor, Tensor]:
        """Scores in the order of ``packed.at``."""
        self._load(packed.longest)
        self._reserve(packed)
        logprobs, entropies = torch.empty(len(packed.at)), torch.empty(len(packed.at))
        self._lib.score_forward(self._handle, byref(_batch(packed, temperature, logprobs, entropies)))
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
        batch = _batch(packed, temperature, logprobs, entropies)
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

    def _pack(self, place: _Place, parameter: Tensor) -> None:
        if isinstance(place, _Matrix):
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

    def _add_gradient(self, place: _Place, parameter: Tensor) -> None:
        gradient = _pointer(parameter.grad)
        if isinstance(place, _Matrix):
            bias = None if place.bias is None else _pointer(place.bias.grad)
            self._lib.score_weight_gradient(self._handle, *place.where, len(parameter), gradient, bias)
        elif isinstance(place, tuple):
            self._lib.score_norm_gradient(self._handle, *place, gradient)
        elif place == _EMBEDDING:
            self._lib.score_embedding_gradient(self._handle, gradient)

    def _in_threads(self, work: Callable[[_Place, Tensor], None], places: Sequence[tuple[_Place, Tensor]]) -> None:
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


class _StatePointers:
    """Pointers to tensors by layer for `score.c`; they live as long as this object and the tensors."""

    def __init__(self, layers: int, hidden: Sequence[int], qkv: Sequence[int], tensors: Sequence[Tensor | None]) -> None:
        self._hidden, self._qkv = (c_void_p * (layers + 1))(), (c_void_p * layers)()
        for layer, tensor in zip(hidden, tensors, strict=False):
            self._hidden[layer] = _pointer(tensor)
        for layer, tensor in zip(qkv, tensors[len(hidden) :], strict=True):
            self._qkv[layer - 1] = _pointer(tensor)
        self.states = _States(ctypes.addressof(self._hidden), ctypes.addressof(self._qkv))


@dataclass(frozen=True)
class _Matrix:
    """Where `score.c` stores a weight: layer, kind, first output, whether its outputs alternate with another's by 16, and its bias."""

    where: tuple[int, int, int, int]
    bias: Tensor | None = None


_EMBEDDING, _BIAS = "embedding", "bias"
_Place = _Matrix | tuple[int, int] | str


def _parameters(model: CausalLM) -> list[tuple[_Place, Tensor]]:
    """Every parameter with its place: a matrix, a norm (layer, kind), the embedding, or a bias that goes with its matrix."""
    found: list[tuple[_Place, Tensor]] = [(_EMBEDDING, model.model.embed_tokens.weight)]
    for index, layer in enumerate(model.model.layers):
        attention, mlp, rows = layer.self_attn, layer.mlp, 0
        found += [((index, 0), layer.input_layernorm.weight), ((index, 1), layer.post_attention_layernorm.weight)]
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj):
            found.append((_Matrix((index, _QKV, rows, 0), linear.bias), linear.weight))
            if linear.bias is not None:
                found.append((_BIAS, linear.bias))
            rows += len(linear.weight)
        found.append((_Matrix((index, _O, 0, 0)), attention.o_proj.weight))
        found.append((_Matrix((index, _GATE_UP, 0, 1)), mlp.gate_proj.weight))
        found.append((_Matrix((index, _GATE_UP, _LANES, 1)), mlp.up_proj.weight))
        found.append((_Matrix((index, _DOWN, 0, 0)), mlp.down_proj.weight))
    return [*found, ((-1, 0), model.model.norm.weight), (_Matrix((-1, 0, 0, 0)), model.lm_head.weight)]


def availability() -> tuple[bool, str]:
    """True and the arithmetic if this machine trains natively, else False and the reason."""
    try:
        _library()
    except NativeUnavailable as reason:
        return False, f"torch, float32 ({reason})"
    return True, "native scorer, bfloat16 products"


def check_model(model: CausalLM) -> None:
    """Raise ``NativeUnavailable`` with the reason unless `score.c` supports this model; all or none of its parameters must be trained."""
    config, attention = model.config, model.model.layers[0].self_attn
    if config.model_type not in MODEL_TYPES:
        raise NativeUnavailable(f"model_type {config.model_type!r} is not among {', '.join(MODEL_TYPES)}")
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise NativeUnavailable(f"attention slides over {config.sliding_window} tokens")
    places = _parameters(model)
    if {id(parameter) for _, parameter in places} != {id(parameter) for parameter in model.parameters()}:
        raise NativeUnavailable("the model has parameters of other kinds (biases behind attention or in the MLP, adapters)")
    if any(p.device.type != "cpu" or p.dtype != torch.float32 or not p.is_contiguous() for _, p in places):
        raise NativeUnavailable("parameters are not all float32 on the CPU")
    if len({p.requires_grad for _, p in places}) > 1:
        raise NativeUnavailable("some parameters are trained and some are not")
    sizes = {"hidden_size": config.hidden_size, "intermediate_size": config.intermediate_size, "head_dim": attention.head_dim}
    for name, size in sizes.items():
        if size % MULTIPLE:
            raise NativeUnavailable(f"{name} {size} is not a multiple of {MULTIPLE}")
    if not len(model.model.embed_tokens.weight) == len(model.lm_head.weight) == config.vocab_size:
        raise NativeUnavailable(f"embeddings and logits are not {config.vocab_size} each, as vocab_size says")
    count = sum(parameter.numel() for parameter in model.parameters())
    if attention.head_dim > LARGEST_HEAD_DIM or count > LARGEST_MODEL:
        raise NativeUnavailable(f"head_dim {attention.head_dim} or {count} parameters are more than {LARGEST_HEAD_DIM} or {LARGEST_MODEL}")
    if not is_silu(model.model.layers[0].mlp.act_fn):
        raise NativeUnavailable("the activation is not SiLU")


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _batch(packed: Packed, temperature: float, logprobs: Tensor, entropies: Tensor) -> _Batch:
    pointers = (getattr(packed, name).ctypes.data for name in _INPUTS)
    return _Batch(*pointers, 1.0 / temperature, logprobs.data_ptr(), entropies.data_ptr(), None, None)


def _library() -> ctypes.CDLL:
    found = library(SOURCE)
    found.score_available.restype = c_int32
    if not found.score_available():
        raise NativeUnavailable(lacking("bfloat16 tiles (AMX)"))
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "score_new": (c_void_p, (POINTER(_Shape), c_int32, c_int32)),
        "score_free": (None, (c_void_p,)),
        "score_reserve": (c_int32, (c_void_p, c_int32, c_int32, c_int32)),
        "score_tables": (None, (c_void_p,) * 4),
        "score_norm": (None, (c_void_p, c_int32, c_int32, c_void_p)),
        "score_pack": (None, (c_void_p, *(c_int32,) * 5, c_void_p, c_void_p)),
        "score_forward": (None, (c_void_p, POINTER(_Batch))),
        "score_backward": (None, (c_void_p, POINTER(_Batch))),
        "score_weight_gradient": (None, (c_void_p, *(c_int32,) * 5, c_void_p, c_void_p)),
        "score_norm_gradient": (None, (c_void_p, c_int32, c_int32, c_void_p)),
        "score_embedding_gradient": (None, (c_void_p, c_void_p)),
    }
    return declare(found, signatures)
