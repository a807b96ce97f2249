"""Weights in safetensors files, read and written in parts, so that a large model is never in memory as a whole."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from dunwu.errors import ModelError
from dunwu.models.folder import WEIGHTS, WEIGHTS_INDEX, weight_files
from dunwu.models.hub_ids import local_folder
from dunwu.models.loading import check_folder
from dunwu.process.hub import hub_file

DTYPES: Mapping[str, torch.dtype] = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""Types that are weights, by their names in the files."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The type, as files name it, and the shape of a tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


class StoredTensors:
    """The tensors of a model's folder. Its files, sharded or not, stay open and are memory-mapped."""

    def __init__(self, folder: Path) -> None:
        self._slices: dict[str, Any] = {}
        for path in weight_files(folder):
            file: Any = safe_open(path, framework="pt")
            self._slices |= {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        self.layouts = {name: Layout(found.get_dtype(), tuple(found.get_shape())) for name, found in self._slices.items()}

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop`` of a tensor; a scalar is its only row."""
        found = self._slices[name]
        tensor: Tensor = found[start:stop] if self.layouts[name].shape else found[...]
        return tensor


def files_of(name_or_path: str) -> Path:
    """The folder with a model's files; those of a hub model are fetched. Raises ``ModelError`` if they are missing or corrupt."""
    folder = local_folder(name_or_path)
    if folder is None:
        folder = _fetched(name_or_path, "config.json").parent
        index = hub_file(name_or_path, WEIGHTS_INDEX, fetch=True)
        for file in {WEIGHTS} if index is None else set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()):
            _fetched(name_or_path, file)
    check_folder(folder)
    return folder


def _fetched(repository: str, file: str) -> Path:
    if (found := hub_file(repository, file, fetch=True)) is None:
        raise ModelError(f"{file} of {repository!r} is neither in the cache nor on the hub; check the name or the network")
    return found


def row_ranges(layout: Layout, values: int) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of rows that together are a tensor, each with at most ``values`` values where a row has no more."""
    rows = layout.shape[0] if layout.shape else 1
    step = max(1, values // max(1, math.prod(layout.shape[1:])))
    return ((start, min(start + step, rows)) for start in range(0, rows, step))


def write_tensors(path: Path, layouts: Mapping[str, Layout], parts: Callable[[str], Iterator[Tensor]]) -> None:
    """Write a safetensors file; ``parts`` gives the rows of each tensor, in order.

    The format: the length of the header in 8 bytes, the header as JSON, then all values without gaps. Wider types come first, as in
    safetensors' own files, so that all are aligned.
    """
    names = sorted(layouts, key=lambda name: (-DTYPES[layouts[name].dtype].itemsize, name))
    header, end = dict[str, Any](__metadata__={"format": "pt"}), 0
    for name in names:
        start, end = end, end + layouts[name].size
        header[name] = {"dtype": layouts[name].dtype, "shape": layouts[name].shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            for part in parts(name):
                file.write(part.contiguous().reshape(-1).view(torch.uint8).numpy().data)
