"""What the ranks of a trainer agree on, over the process group that `torch.distributed` was given. A process alone is rank 0 of 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

Number = TypeVar("Number", int, float)


def rank_and_count() -> tuple[int, int]:
    """This process's rank, and the number of ranks."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def on_all_ranks(value: bool) -> bool:
    """Whether it is true on every rank; all of them get the same answer."""
    return _reduced(int(value), dist.ReduceOp.MIN) == 1


def same_on_all_ranks(value: int) -> bool:
    """Whether every rank has this 64-bit number; all of them get the same answer."""
    return _reduced(value, dist.ReduceOp.MIN) == _reduced(value, dist.ReduceOp.MAX)


def sum_over_ranks(value: float) -> float:
    """The sum of the ranks' numbers, in float64."""
    return _reduced(value, dist.ReduceOp.SUM)


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its sum over all ranks, for weights that every rank holds in full.

    A sum, not the mean of DDP: each rank's loss is already divided by the counts of all ranks.
    """
    if rank_and_count()[1] > 1:
        for parameter in parameters:
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)


def _reduced(value: Number, how: dist.ReduceOp.RedOpType) -> Number:
    if rank_and_count()[1] == 1:
        return value
    tensor = torch.tensor(value, dtype=torch.int64 if isinstance(value, int) else torch.float64)
    dist.all_reduce(tensor, how)
    return type(value)(tensor.item())
