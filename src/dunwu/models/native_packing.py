"""Sequences of tokens as `kernels/score.c` reads them: concatenated without padding, and divided among its threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TokenIds = Sequence[int]


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
