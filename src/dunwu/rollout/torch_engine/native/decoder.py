"""The C decoder through ctypes: supported models, memory, the packed copy of the weights, prefill, and runs of several tokens."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_float, c_int32, c_void_p
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dunwu.errors import UserError
from dunwu.isa import lacking
from dunwu.models.native import NativeUnavailable, check_ids, declare, is_silu, library
from dunwu.rollout.torch_engine.forward import Rope
from dunwu.rollout.torch_engine.native.slot_state import SlotState
from dunwu.rollout.torch_engine.weights import Affine, DecoderWeights

Precision = Literal["auto", "float32", "bfloat16"]

SOURCE = Path(__file__).parent / "decode.c"
HEAD_DIM_MULTIPLE, LARGEST_HEAD_DIM = 32, 256
# With fewer sequences per thread, all threads share the columns of each weight: most of the work is then reading the weights.
ROWS_TO_PART = 16
_QKV, _O, _GATE_UP, _DOWN = range(4)


class _Shape(Structure):
    _fields_ = [
        *((name, c_int32) for name in ("layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate")),
        *((name, c_int32) for name in ("vocabulary", "use_bf16", "qk_norm")),
        ("eps", c_float),
        ("scale", c_float),
    ]


_ARRAYS = (
    "tokens", "logprobs", "counts", "done", "prompts", "prompt_lengths", "seeds", "temperatures", "limits", "shown", "stops",
)  # fmt: skip


class _Draw(Structure):
    _fields_ = [*((name, c_void_p) for name in _ARRAYS), ("stop_room", c_int32), ("room", c_int32), ("logits", c_void_p)]


class _Read(Structure):
    _fields_ = [(name, c_void_p) for name in ("tokens", "positions", "prompts", "outputs", "logits")]


class NativeDecoder:
    """One model shape in one precision. Memory is kept between calls; ``load`` packs the weights."""

    def __init__(self, weights: DecoderWeights, precision: Precision, threads: int) -> None:
        """``auto`` is bfloat16 if the processor supports such products; without them only the weights are rounded to bfloat16.

        Raises ``NativeUnavailable`` with the reason.
        """
        _check(weights)
        self._lib = _library()
        use_bf16 = bool(self._lib.dunwu_has_bf16()) if precision == "auto" else precision == "bfloat16"
        self.precision: Precision = "bfloat16" if use_bf16 else "float32"
        products = bool(self._lib.dunwu_has_bf16())
        self.arithmetic = "bfloat16 weights, float32 products" if use_bf16 and not products else self.precision
        self.threads = threads
        self._room = (0, 0, 0, 0)
        self._borrowed: Sequence[Tensor] = ()
        self._logits = torch.empty(0)
        self.layers, self.vocabulary = len(weights.layers), weights.head[0].shape[0]
        self._handle = self._lib.dunwu_new(byref(_shape(weights, use_bf16)), threads)
        if not self._handle:
            raise NativeUnavailable("not enough memory for a packed copy of the weights")

    def __del__(self) -> None:
        """Free the memory."""
        if getattr(self, "_handle", None):
            self._lib.dunwu_free(self._handle)

    def load(self, weights: DecoderWeights) -> None:
        """Pack the current weights, which must have the decoder's shape."""
        for index, layer in enumerate(weights.layers):
            rows = 0
            for affine in (layer.q, layer.k, layer.v):
                self._pack(index, _QKV, rows, affine)
                rows += affine[0].shape[0]
            self._pack(index, _O, 0, layer.o)
            self._pack(index, _GATE_UP, 0, layer.gate, interleave=True)
            self._pack(index, _GATE_UP, 1, layer.up, interleave=True)
            self._pack(index, _DOWN, 0, layer.down)
            for kind, norm in enumerate((layer.attention_norm, layer.mlp_norm, layer.q_norm, layer.k_norm)):
                if norm is not None:
                    self._norm(index, kind, norm)
        self._norm(-1, 0, weights.norm)
        self._pack(-1, 0, 0, weights.head)
        self._embedding = _plain(weights.embedding)

    def use_rope(self, rope: Rope) -> None:
        """Take up the cosines and sines of the positions to come. ``load`` comes first."""
        self._borrowed = [self._embedding, *map(_plain, rope)]
        self._lib.dunwu_tables(self._handle, *(tensor.data_ptr() for tensor in self._borrowed))

    def reserve(self, slots: int, capacity: int, prompts: int, prompt_capacity: int) -> None:
        """Room for ``slots`` sequences of ``capacity`` tokens behind ``prompts`` prompts of ``prompt_capacity`` tokens."""
        wanted = (slots, capacity, prompts, prompt_capacity)
        if all(has >= needs for has, needs in zip(self._room, wanted, strict=True)):
            return
        # One that has to grow grows at once to all that was ever needed.
        self._room = tuple(map(max, self._room, wanted))  # type: ignore[assignment]
        if not self._lib.dunwu_reserve(self._handle, *self._room):
            self._room = (0, 0, 0, 0)
            raise UserError(f"no memory for {slots} sequences of {capacity} tokens; lower engine.max_batch or max_tokens")

    def forget(self) -> None:
        """Drop the cache: what is not finite in it would reach later sequences."""
        self._room = (0, 0, 0, 0)

    def read(self, prompts: Sequence[Sequence[int]], places: Sequence[int], parts: Sequence[range] | None = None) -> Tensor:
        """Read each prompt, or that part of it, into its place of the prompt store.

        Parts must not be empty; what comes before one has been read. Returns the logits (n, V) float32 after the last token of each prompt
        whose end is among the parts. Raises ``ModelError`` for a token id outside the vocabulary.
        """
        check_ids(prompts, self.vocabulary)
        parts = parts or [range(len(prompt)) for prompt in prompts]
        lengths, ends = [len(part) for part in parts], np.cumsum([len(part) for part in parts])
        whole = np.array([part.stop == len(prompt) for part, prompt in zip(parts, prompts, strict=True)])
        outputs = np.full(ends[-1], -1, np.int32)
        outputs[ends[whole] - 1] = np.arange(whole.sum())
        logits = torch.empty(int(whole.sum()), self.vocabulary)
        arrays = (
            np.concatenate([np.asarray(prompt[part.start : part.stop], np.int32) for prompt, part in zip(prompts, parts, strict=True)]),
            np.concatenate([np.arange(part.start, part.stop, dtype=np.int32) for part in parts]),
            np.repeat(np.asarray(places, np.int32), lengths),
            outputs,
        )
        shares = _shares(ends, self.threads)
        given = _Read(*(array.ctypes.data for array in arrays), logits.data_ptr())
        self._lib.dunwu_read(self._handle, byref(given), int(ends[-1]), None if shares is None else shares.ctypes.data)
        return logits

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Copy the first ``tokens`` tokens of the prompt at place ``source`` to place ``target``."""
        self._lib.dunwu_copy(self._handle, source, target, tokens)

    def blank(self, slot: int, place: int) -> None:
        """Overwrite a slot and a prompt that are not finite: they would reach later sequences."""
        self._lib.dunwu_blank(self._handle, slot, place)

    def run(self, state: SlotState, slots: Sequence[int], steps: int) -> Tensor | None:
        """Draw up to ``steps`` tokens for each of ``slots``; a sequence that ends gets no more.

        If one of them is ``shown``, only one step is made, and the next logits (n, V) float32 of ``slots`` are returned, until
        the next call: the rows of those that are ``shown``.
        """
        chosen = np.asarray(slots, np.int32)
        shown = bool(state.shown[chosen].any())
        if shown and len(self._logits) < len(slots):
            self._logits = torch.empty(len(slots), self.vocabulary)
        pointers = (getattr(state, name).ctypes.data for name in _ARRAYS)
        draw = _Draw(*pointers, state.stops.shape[1], state.tokens.shape[1], self._logits.data_ptr() if shown else None)
        self._lib.dunwu_run(self._handle, byref(draw), chosen.ctypes.data, len(chosen), 1 if shown else steps, ROWS_TO_PART)
        return self._logits[: len(slots)] if shown else None

    def _pack(self, layer: int, kind: int, at: int, affine: Affine, interleave: bool = False) -> None:
        weight, bias = _plain(affine[0]), None if affine[1] is None else _plain(affine[1])
        pointer = None if bias is None else bias.data_ptr()
        self._lib.dunwu_pack(self._handle, layer, kind, at, interleave, *weight.shape, weight.data_ptr(), pointer)

    def _norm(self, layer: int, kind: int, weight: Tensor) -> None:
        weight = _plain(weight)
        self._lib.dunwu_norm(self._handle, layer, kind, weight.data_ptr(), len(weight))


def availability() -> tuple[bool, str]:
    """True if this machine decodes natively; and the precisions, or the reason why not."""
    try:
        bf16 = bool(_library().dunwu_has_bf16())
    except NativeUnavailable as reason:
        return False, f"torch decodes ({reason})"
    return True, "native decoder, float32" + (" and bfloat16" if bf16 else ", or bfloat16 weights")


def _shares(ends: NDArray[Any], threads: int) -> NDArray[np.int32] | None:
    """Token index at which each thread's prompts start, with about equal shares; None with fewer prompts than threads."""
    if len(ends) < threads:
        return None
    wanted = ends[-1] * np.arange(1, threads) / threads
    return np.array([0, *ends[np.searchsorted(ends, wanted)], ends[-1]], np.int32)


def _check(weights: DecoderWeights) -> None:
    if weights.embedding.device.type != "cpu":
        raise NativeUnavailable(f"the model is on {weights.embedding.device}")
    if weights.head_dim % HEAD_DIM_MULTIPLE or weights.head_dim > LARGEST_HEAD_DIM:
        raise NativeUnavailable(f"head_dim {weights.head_dim} is not a multiple of {HEAD_DIM_MULTIPLE} up to {LARGEST_HEAD_DIM}")
    if len(weights.embedding) != len(weights.head[0]):
        raise NativeUnavailable(f"{len(weights.embedding)} embeddings and {len(weights.head[0])} logits")
    if not is_silu(weights.layers[0].activation):
        raise NativeUnavailable("the activation is not SiLU")


def _shape(weights: DecoderWeights, use_bf16: bool) -> _Shape:
    layer = weights.layers[0]
    return _Shape(
        len(weights.layers), weights.embedding.shape[1], weights.heads, weights.kv_heads, weights.head_dim, layer.gate[0].shape[0],
        weights.head[0].shape[0], use_bf16, layer.q_norm is not None, weights.eps, weights.scale,
    )  # fmt: skip


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.float32).contiguous()


def _library() -> ctypes.CDLL:
    found = library(SOURCE)
    if not found.dunwu_available():
        raise NativeUnavailable(lacking("AVX2"))
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "dunwu_has_bf16": (c_int32, ()),
        "dunwu_new": (c_void_p, (POINTER(_Shape), c_int32)),
        "dunwu_free": (None, (c_void_p,)),
        "dunwu_reserve": (c_int32, (c_void_p, c_int32, c_int32, c_int32, c_int32)),
        "dunwu_tables": (None, (c_void_p, c_void_p, c_void_p, c_void_p)),
        "dunwu_norm": (None, (c_void_p, c_int32, c_int32, c_void_p, c_int32)),
        "dunwu_pack": (None, (c_void_p, *(c_int32,) * 6, c_void_p, c_void_p)),
        "dunwu_read": (None, (c_void_p, POINTER(_Read), c_int32, c_void_p)),
        "dunwu_copy": (None, (c_void_p, c_int32, c_int32, c_int32)),
        "dunwu_blank": (None, (c_void_p, c_int32, c_int32)),
        "dunwu_run": (None, (c_void_p, POINTER(_Draw), c_void_p, c_int32, c_int32, c_int32)),
    }
    return declare(found, signatures)
