"""Splitting a batch of unequal sequences into micro-batches by a token budget, shortest first, so that little is padding."""

from __future__ import annotations

from collections.abc import Sequence

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


def pad_right(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """``(ids_BT, mask_BT)``: the rows padded on the right, and 1 where a token is."""
    longest = max(map(len, rows))
    ids_BT = torch.full((len(rows), longest), pad, dtype=torch.long)
    mask_BT = torch.zeros((len(rows), longest), dtype=torch.long)
    for row, tokens in enumerate(rows):
        ids_BT[row, : len(tokens)] = torch.tensor(tokens)
        mask_BT[row, : len(tokens)] = 1
    return ids_BT.to(device), mask_BT.to(device)
