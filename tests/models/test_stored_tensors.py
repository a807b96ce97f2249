"""Weights in files: what is read in parts and written as a stream is what safetensors itself reads and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dunwu.models.stored_tensors import Layout, StoredTensors, row_ranges, write_tensors

TENSORS = {
    "wide": torch.arange(35, dtype=torch.float32).view(5, 7),
    "half": torch.randn(3, 2, 2).to(torch.bfloat16),
    "odd": torch.tensor([1.5], dtype=torch.float16),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "none": torch.zeros(0, 4),
}


def saved(folder: Path, shards: bool) -> Path:
    folder.mkdir()
    if not shards:
        save_file(TENSORS, folder / "model.safetensors")
        return folder
    where = {name: f"model-{place % 2}.safetensors" for place, name in enumerate(TENSORS)}
    for file in set(where.values()):
        save_file({name: tensor for name, tensor in TENSORS.items() if where[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("values", [1, 8, 1000])
def test_a_copy_in_parts_is_the_same(shards: bool, values: int, tmp_path: Path) -> None:
    stored = StoredTensors(saved(tmp_path / "model", shards))
    assert stored.layouts["wide"] == Layout("F32", (5, 7))
    copy = tmp_path / "copy.safetensors"
    write_tensors(copy, stored.layouts, lambda name: (stored.rows(name, *rows) for rows in row_ranges(stored.layouts[name], values)))
    found = load_file(copy)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(found[name], tensor)


def test_parts_have_at_most_so_many_values_and_cover_all_rows() -> None:
    assert list(row_ranges(Layout("F32", (5, 7)), 14)) == [(0, 2), (2, 4), (4, 5)]
    assert list(row_ranges(Layout("F32", (5, 7)), 1)) == [(place, place + 1) for place in range(5)]
    assert list(row_ranges(Layout("F32", ()), 1)) == [(0, 1)]
