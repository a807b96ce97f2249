"""What happens inside a model on rows of tokens: by torch on padded rows, or by the native scorer on packed ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dunwu.models.layer_states import AttentionStates, LayerStates, layer_states
from dunwu.models.native import native_or_torch
from dunwu.models.native_logprobs import NativeScorer
from dunwu.models.precision import Precision, attention, torch_precision
from dunwu.models.protocols import CausalLM


class StateReader(Protocol):
    """Reads the states of one model, with gradients unless it is frozen; ``ids_BT`` are padded on the right, where ``mask_BT`` is false.

    ``precision`` is that of its products, and of those made from its states. States of padding mean nothing.
    """

    name: str
    precision: Precision

    def last(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """What the output layer reads, [B, T, D]."""
        ...

    def layers(self, ids_BT: Tensor, mask_BT: Tensor, attention_layers: Collection[int] = ()) -> LayerStates:
        """As `layer_states`."""
        ...


class TorchReader:
    """The model's own forward pass, on any device; products in ``precision`` under the caller's `matmul_precision`."""

    def __init__(self, model: CausalLM, precision: Precision, why: str = "") -> None:
        self._model, self.precision = model, precision
        self.name = f"torch, {precision}{why}"

    def last(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """See `StateReader`."""
        with attention(self._model):
            hidden_BTD: Tensor = self._model.model(input_ids=ids_BT, use_cache=False).last_hidden_state
        return hidden_BTD

    def layers(self, ids_BT: Tensor, mask_BT: Tensor, attention_layers: Collection[int] = ()) -> LayerStates:
        """See `StateReader`."""
        return layer_states(self._model, ids_BT, attention_layers)


class NativeReader:
    """`kernels/score.c`: no padding."""

    def __init__(self, model: CausalLM, precision: Precision | Literal["auto"] = "auto") -> None:
        """Raises ``NativeUnavailable`` with the reason."""
        self.native = NativeScorer(model, precision)
        self.precision: Precision = self.native.precision
        self._depth = int(model.config.num_hidden_layers)
        read = model.model.layers[0].self_attn
        self._heads = (int(model.config.num_attention_heads), int(model.config.num_key_value_heads), int(read.head_dim))
        self.name = f"native, {self.precision}"

    def last(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """See `StateReader`."""
        return self.native.states(_sequences(ids_BT, mask_BT), (self._depth,)).hidden[self._depth]

    def layers(self, ids_BT: Tensor, mask_BT: Tensor, attention_layers: Collection[int] = ()) -> LayerStates:
        """See `StateReader`."""
        return self.scored_layers(ids_BT, mask_BT, attention_layers)[0]

    def scored_layers(
        self, ids_BT: Tensor, mask_BT: Tensor, attention_layers: Collection[int] = (), learned: Sequence[NDArray[np.bool_]] = ()
    ) -> tuple[LayerStates, Tensor, Tensor]:
        """As ``layers``, with log-probabilities and entropies of the ``learned`` tokens, row after row."""
        found = self.native.states(_sequences(ids_BT, mask_BT), range(self._depth + 1), sorted(attention_layers), learned)
        states = LayerStates(tuple(found.hidden.values()), {layer: self._split(qkv_BTW) for layer, qkv_BTW in found.qkv.items()})
        return states, found.logprobs, found.entropies

    def _split(self, qkv_BTW: Tensor) -> AttentionStates:
        heads, groups, width = self._heads
        heads_BHTd = qkv_BTW.reshape(*qkv_BTW.shape[:2], heads + 2 * groups, width).transpose(1, 2)
        return AttentionStates(*torch.split(heads_BHTd, [heads, groups, groups], dim=1))


def _sequences(ids_BT: Tensor, mask_BT: Tensor) -> list[list[int]]:
    lengths = mask_BT.sum(dim=1).tolist()
    return [row[:length] for row, length in zip(ids_BT.tolist(), lengths, strict=True)]


def make_state_reader(model: CausalLM, precision: Precision | Literal["auto"], native: bool = True) -> StateReader:
    """Chosen as by `dunwu.trainers.scoring.make_scorer`."""
    return native_or_torch(
        native and precision != "float32",
        lambda: NativeReader(model, precision),
        lambda why: TorchReader(model, torch_precision(precision, model.device), why),
    )
