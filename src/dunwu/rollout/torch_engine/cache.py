"""The preallocated key-value cache: one row per slot, grouped-query heads stored once."""

from __future__ import annotations

import torch
from torch import Tensor


class KVCache:
    """Keys and values of shape (layers, 2, slots, kv_heads, capacity, head_dim).

    Attention reads slices ``[:slots, :, :length]``. Positions after a slot's own length are masked, but must be finite
    (zero weight times NaN is NaN): the memory starts as zeros, and the engine drops a cache that may hold non-finite values.
    """

    def __init__(
        self, layers: int, slots: int, kv_heads: int, capacity: int, head_dim: int, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.kv = torch.zeros(layers, 2, slots, kv_heads, capacity, head_dim, device=device, dtype=dtype)
        self._rows = self.kv.view(layers, 2, -1, head_dim)
        self._first_row = torch.arange(slots * kv_heads, device=device).view(slots, kv_heads) * capacity

    @property
    def capacity(self) -> int:
        """Tokens a slot can hold."""
        return self.kv.shape[4]

    def holds(self, slots: int, capacity: int, device: torch.device, dtype: torch.dtype) -> bool:
        """True if this cache is large enough for a call."""
        return self.kv.shape[2] >= slots and self.capacity >= capacity and self.kv.device == device and self.kv.dtype == dtype

    def row_index(self, lengths: Tensor) -> Tensor:
        """Row of the next key of each slot, for ``write``; ``lengths`` (n) int64 counts the tokens held by slots 0..n-1."""
        return (self._first_row[: len(lengths)] + lengths[:, None]).flatten()

    def write(self, layer: int, row_index: Tensor, keys: Tensor, values: Tensor) -> None:
        """Store one new key and value (n, kv_heads, head_dim) for each slot."""
        for rows, new in zip(self._rows[layer], (keys, values), strict=True):
            new = new.reshape(-1, new.shape[-1])
            if rows.device.type == "mps":
                rows[row_index] = new  # index_copy_ wrote wrong values there before torch 2.10 (pytorch issue 166237)
            else:
                rows.index_copy_(0, row_index, new)

    def view(self, layer: int, slots: int, length: int) -> tuple[Tensor, Tensor]:
        """Keys and values (slots, kv_heads, length, head_dim), not copied."""
        return self.kv[layer, 0, :slots, :, :length], self.kv[layer, 1, :slots, :, :length]

    def place(self, slots: Tensor, prefilled: Tensor, sources: Tensor) -> None:
        """Copy prompts ``sources`` of ``prefilled`` (layers, 2, prompts, kv_heads, T, head_dim) into ``slots``."""
        self.kv[:, :, slots, :, : prefilled.shape[4]] = prefilled[:, :, sources]

    def move(self, source: Tensor, target: Tensor, length: int) -> None:
        """Copy the first ``length`` positions of slots ``source`` onto slots ``target``."""
        self.kv[:, :, target, :, :length] = self.kv[:, :, source, :, :length]
