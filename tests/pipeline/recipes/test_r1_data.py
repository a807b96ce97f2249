"""What a user must bring for R1: found under its names, and refused in one line before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dunwu.errors import DataError
from dunwu.pipeline.recipes.r1_data import FILES, OPTIONAL, data_paths

WHOLE: Mapping[str, Mapping[str, Any]] = {
    "reasoning": {"problem": "1 + 1?", "answer": 2},
    "general": {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good day."}]},
    "prompts": {"prompt": "Hi", "harmful": False},
    "problems": {"question": "Which is the capital of France?", "answer": "Paris"},
    "pairs": {"prompt": "Hi", "chosen": "Good day.", "rejected": "What?"},
    "labelled": {"prompt": "Hi", "completion": "Good day.", "label": "safe"},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, row in WHOLE.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    return tmp_path


def test_files_and_folders_are_found_by_name(data: Path) -> None:
    (data / "reasoning").mkdir()
    (data / "reasoning.jsonl").rename(data / "reasoning" / "train.jsonl")
    found = data_paths(data)
    assert list(found) == [name for name in FILES if name not in OPTIONAL]
    assert found["reasoning"] == str(data / "reasoning")
    assert found["pairs"] == str(data / "pairs.jsonl")


@pytest.mark.parametrize("row", [WHOLE["general"], {"instruction": "1 + 1?", "output": "2"}])
def test_rows_of_people_are_found_if_there_are_any(row: Mapping[str, Any], data: Path) -> None:
    (data / "annotated.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert data_paths(data)["annotated"] == str(data / "annotated.jsonl")


def test_all_that_is_missing_is_told_in_one_line(data: Path) -> None:
    for name in ("pairs", "labelled"):
        (data / f"{name}.jsonl").unlink()
    with pytest.raises(DataError) as caught:
        data_paths(data)
    told = "lacks pairs (prompt, chosen, rejected), labelled (prompt, completion, label)"
    assert f"{data} {told}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_rows_without_the_columns_are_refused(data: Path, name: str) -> None:
    """Days before the stage that would have read them."""
    (data / f"{name}.jsonl").write_text('\n{"text": "Hi"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=f"{name}.jsonl, row 2: columns text: {name} needs .*; rename or add them"):
        data_paths(data)


def test_an_empty_file_is_refused(data: Path) -> None:
    (data / "general.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"general\.jsonl has no rows"):
        data_paths(data)
