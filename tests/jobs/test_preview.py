"""Dry runs read the data and say what it holds and whether the memory suffices."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.load import load_config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.errors import DataError
from dunwu.jobs.preview import preview_reward_model, preview_sft, preview_zero


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture
def task(tmp_path: Path) -> str:
    for split in ("train", "test", "validation"):
        write(tmp_path / f"{split}.jsonl", [{"problem": f"Say {n} {split}.", "answer": str(n)} for n in range(9)])
    with (tmp_path / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps({"problem": "Say it" + " please" * 200, "answer": "1"}))
    return f"{{kind: dataset, path: {tmp_path}, unusable: WHAT}}"


def test_rows_what_is_dropped_the_first_prompt_and_tokens(zero_config: Callable[..., Any], task: str) -> None:
    of = lambda what: [f"tasks=[{{task: {task.replace('WHAT', what)}}}]", "evaluations=[]", "max_prompt_tokens=40"]  # noqa: E731
    lines = "\n".join(preview_zero(zero_config(*of("drop")), 1.0))
    assert "9 rows" in lines
    assert "1 prompt too long" in lines
    assert re.search(r"first prompt: \d+ tokens; special tokens: none\n\| User: Say 0 train\.\n\| Assistant:\nmemory", lines)
    assert "tokens of a prompt" in lines
    assert "it fits: the device of --memory has 1.0 GiB" in lines
    assert "will NOT fit" in "\n".join(preview_zero(zero_config(*of("drop")), 0.001))
    with pytest.raises(DataError, match=r"row 10 of train\.jsonl"):
        preview_zero(zero_config(*of("refuse")), 1.0)


def test_a_model_that_is_not_here_leaves_the_tokens_unknown(zero_config: Callable[..., Any], task: str) -> None:
    config = zero_config(f"tasks=[{{task: {task.replace('WHAT', 'drop')}}}]", "model=nobody/knows-it")
    lines = "\n".join(preview_zero(config))
    assert "10 rows" in lines
    assert "not on this machine" in lines
    assert "memory at most" not in lines


def test_conversations_and_preferences_are_counted(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    conversations = write(tmp_path / "rows.jsonl", [{"messages": turns}] * 3)
    lines = "\n".join(preview_sft(load_config(SftConfig, None, [f"data={conversations}", "template=tiny"])))
    assert "data: 3 conversations" in lines
    assert lines.endswith("| User: Hi\n| Assistant:Hello<|endoftext|>")
    pairs = write(tmp_path / "pairs.jsonl", [{"prompt": f"Say {n}", "chosen": f"{n}", "rejected": "no"} for n in range(40)])
    lines = "\n".join(preview_reward_model(load_config(RewardModelConfig, None, [f"data={pairs}"])))
    assert "rows: training" in lines
    assert "first row" in lines
    with pytest.raises(DataError):
        preview_sft(load_config(SftConfig, None, [f"data={tmp_path}/none.jsonl", "template=tiny"]))
