"""`kernels/score.c` through ctypes: its structures, which models it supports, and where each of their weights goes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_float, c_int32, c_void_p
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor

from dunwu.isa import lacking
from dunwu.models.native import KERNELS, NativeUnavailable, declare, is_silu, library
from dunwu.models.native_packing import Packed
from dunwu.models.precision import Precision
from dunwu.models.protocols import CausalLM

SOURCE = KERNELS / "score.c"
MODEL_TYPES = ("qwen2", "llama")
MULTIPLE, LARGEST_HEAD_DIM = 32, 256
# Each thread has a gradient of every weight, and each weight is packed twice.
LARGEST_MODEL = 200_000_000
_QKV, _O, _GATE_UP, _DOWN = range(4)


class Shape(Structure):
    """The C type of this name."""

    _fields_ = [
        *((name, c_int32) for name in ("layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "vocabulary")),
        ("eps", c_float),
        ("scale", c_float),
    ]


_INPUTS = ("tokens", "positions", "sequences", "at", "targets", "row_parts", "sequence_parts", "scored_parts")


class StatePointers(Structure):
    """`States` in C: arrays of pointers by layer."""

    _fields_ = [("hidden", c_void_p), ("qkv", c_void_p)]


class Batch(Structure):
    """The C type of this name."""

    _fields_ = [
        *((name, c_void_p) for name in _INPUTS),
        ("inverse_temperature", c_float),
        *((name, c_void_p) for name in ("logprobs", "entropies", "logprobs_gradient", "entropies_gradient")),
        ("teacher", c_void_p),
        ("reverse", c_int32),
        *((name, c_void_p) for name in ("divergences", "divergences_gradient")),
        *((name, StatePointers) for name in ("states", "slopes")),
    ]


class StatesByLayer:
    """Pointers to tensors by layer for `score.c`; they live as long as this object and the tensors."""

    def __init__(self, layers: int, hidden: Sequence[int], qkv: Sequence[int], tensors: Sequence[Tensor | None]) -> None:
        self._hidden, self._qkv = (c_void_p * (layers + 1))(), (c_void_p * layers)()
        for layer, tensor in zip(hidden, tensors, strict=False):
            self._hidden[layer] = pointer(tensor)
        for layer, tensor in zip(qkv, tensors[len(hidden) :], strict=True):
            self._qkv[layer - 1] = pointer(tensor)
        self.states = StatePointers(ctypes.addressof(self._hidden), ctypes.addressof(self._qkv))


@dataclass(frozen=True)
class Matrix:
    """Where `score.c` stores a weight, and its bias.

    ``where``: layer, kind, first output, 0; or layer, kind, half, 1 for one of two weights whose outputs alternate.
    """

    where: tuple[int, int, int, int]
    bias: Tensor | None = None


EMBEDDING, BIAS = "embedding", "bias"
Place = Matrix | tuple[int, int] | str


def places_of(model: CausalLM) -> list[tuple[Place, Tensor]]:
    """Every parameter with its place: a matrix, a norm (layer, kind), the embedding, or a bias that goes with its matrix."""
    found: list[tuple[Place, Tensor]] = [(EMBEDDING, model.model.embed_tokens.weight)]
    for index, layer in enumerate(model.model.layers):
        attention, mlp, rows = layer.self_attn, layer.mlp, 0
        found += [((index, 0), layer.input_layernorm.weight), ((index, 1), layer.post_attention_layernorm.weight)]
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj):
            found.append((Matrix((index, _QKV, rows, 0), linear.bias), linear.weight))
            if linear.bias is not None:
                found.append((BIAS, linear.bias))
            rows += len(linear.weight)
        found.append((Matrix((index, _O, 0, 0)), attention.o_proj.weight))
        found.append((Matrix((index, _GATE_UP, 0, 1)), mlp.gate_proj.weight))
        found.append((Matrix((index, _GATE_UP, 1, 1)), mlp.up_proj.weight))
        found.append((Matrix((index, _DOWN, 0, 0)), mlp.down_proj.weight))
    return [*found, ((-1, 0), model.model.norm.weight), (Matrix((-1, 0, 0, 0)), model.lm_head.weight)]


def availability() -> tuple[bool, str]:
    """True and the arithmetic if this machine trains natively, else False and the reason."""
    try:
        found = native_precision()
    except NativeUnavailable as reason:
        return False, f"torch, float32 ({reason})"
    return True, f"native scorer, {found} products"


def native_precision() -> Precision:
    """That of the native scorer's products on this machine. Raises ``NativeUnavailable`` with the reason."""
    return "bfloat16" if score_library().score_number_bytes() == 2 else "float32"


def check_model(model: CausalLM) -> None:
    """Raise ``NativeUnavailable`` with the reason unless `score.c` supports this model; all or none of its parameters must be trained."""
    config, attention = model.config, model.model.layers[0].self_attn
    if config.model_type not in MODEL_TYPES:
        raise NativeUnavailable(f"model_type {config.model_type!r} is not among {', '.join(MODEL_TYPES)}")
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise NativeUnavailable(f"attention slides over {config.sliding_window} tokens")
    places = places_of(model)
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


def check_memory(model: CausalLM, threads: int) -> None:
    """Raise ``NativeUnavailable`` if packed weights, and the gradients of ``threads`` (0: not trained), take over half of the memory.

    The system gives memory that it does not have, and ends the process when it is written to.
    """
    count, each = sum(parameter.numel() for parameter in model.parameters()), score_library().score_number_bytes()
    needed = count * (2 * each + 4 * threads if threads else each)
    if needed > psutil.virtual_memory().total / 2:
        raise NativeUnavailable(
            f"packed weights and the gradients of {threads} threads take {needed / 2**30:.1f} GiB, over half of the memory"
        )


def pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def batch_of(packed: Packed, temperature: float, logprobs: Tensor, entropies: Tensor) -> Batch:
    pointers = (getattr(packed, name).ctypes.data for name in _INPUTS)
    return Batch(*pointers, 1.0 / temperature, logprobs.data_ptr(), entropies.data_ptr(), None, None)


def score_library() -> ctypes.CDLL:
    found = library(SOURCE)
    found.score_available.restype = found.score_number_bytes.restype = c_int32
    if not found.score_available():
        raise NativeUnavailable(lacking("bfloat16 tiles (AMX)" if found.score_number_bytes() == 2 else "AVX2"))
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "score_new": (c_void_p, (POINTER(Shape), c_int32, c_int32)),
        "score_free": (None, (c_void_p,)),
        "score_reserve": (c_int32, (c_void_p, c_int32, c_int32, c_int32)),
        "score_tables": (None, (c_void_p,) * 4),
        "score_norm": (None, (c_void_p, c_int32, c_int32, c_void_p)),
        "score_pack": (None, (c_void_p, *(c_int32,) * 5, c_void_p, c_void_p)),
        "score_forward": (None, (c_void_p, POINTER(Batch))),
        "score_backward": (None, (c_void_p, POINTER(Batch))),
        "score_weight_gradient": (None, (c_void_p, *(c_int32,) * 5, c_void_p, c_void_p)),
        "score_norm_gradient": (None, (c_void_p, c_int32, c_int32, c_void_p)),
        "score_embedding_gradient": (None, (c_void_p, c_void_p)),
    }
    return declare(found, signatures)
