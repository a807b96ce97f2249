"""Splitting a batch of unequal sequences into micro-batches by a token budget, shortest first, so that little is padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


def by_token_budget(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of the sequences, sorted by length and cut so that rows times longest row stays within ``budget`` (at least one row each)."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[index] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def in_order(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of the sequences in their order, cut so that each part's lengths sum to at most ``budget`` (at least one sequence each)."""
    batches: list[list[int]] = []
    room = 0
    for index, length in enumerate(lengths):
        if not batches or length > room:
            batches.append([])
            room = budget
        batches[-1].append(index)
        room -= length
    return batches


class Shaped(NamedTuple):
    """A micro-batch: indices of its sequences, and the ``(B, T)`` it is padded to."""

    indices: list[int]
    shape: tuple[int, int]


def fixed_shapes(lengths: Sequence[int], budget: int, multiple: int = 32) -> list[Shaped]:
    """Micro-batches of few different shapes: widths are multiples of ``multiple``, and all of one width have as many rows.

    For bfloat16 on a CPU, where each new shape costs the building of a kernel (docs/decisions/0003). Rows that are missing are padding.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches: list[Shaped] = []
    while order:
        width = -(-lengths[order[0]] // multiple) * multiple
        rows = max(1, budget // width)
        batches.append(Shaped(order[:rows], (rows, width)))
        order = order[rows:]
    return batches


def pad_right(rows: Sequence[Sequence[int]], pad: int, device: torch.device, shape: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
    """``(ids_BT, mask_BT)``: the rows padded on the right, and 1 where a token is; ``shape`` (B, T) may be larger than they need."""
    shape = shape or (len(rows), max(map(len, rows)))
    ids_BT = torch.full(shape, pad, dtype=torch.long)
    mask_BT = torch.zeros(shape, dtype=torch.long)
    for row, tokens in enumerate(rows):
        ids_BT[row, : len(tokens)] = torch.tensor(tokens)
        mask_BT[row, : len(tokens)] = 1
    return ids_BT.to(device), mask_BT.to(device)
