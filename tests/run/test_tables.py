"""Rollouts to Parquet and back."""

from __future__ import annotations

import errno
import math
import os
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dunwu.errors import DataError, RunError
from dunwu.run.tables import holds_rollouts, read_rollouts, write_rollouts
from dunwu.types import Completion, Group, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict

PROBLEM = Problem("p1", "countdown", "用 3 5 得 8", "expression", None, "zh", 2.0, {"numbers": [3, 5], "target": 8})
PROMPT = Prompt(PROBLEM, "Q: 用 3 5 得 8\nA:", (1, 2, 3), "<think>")


def rollout(text: str = "3+5</think>", reward: Reward | None = None) -> Rollout:
    completion = Completion(TokenSequence.drawn((4, 5, 6), (-0.5, -0.25, -1e-8), 7), text, "stop")
    return Rollout(PROMPT, completion, reward or Reward(1.5, {"accuracy": 1.0, "format": 0.5}, Verdict(1.0, "correct", "8 = 8")))


FAILED = Reward(None, {"accuracy": None, "language": 0.25}, Verdict(None, "timeout", "5 s"))


def test_rows_come_back_as_they_went(tmp_path: Path):
    other = replace(PROMPT, problem=replace(PROBLEM, id="p2", difficulty=None, data={}))
    groups = [Group(PROMPT, (rollout(), rollout("x", FAILED))), Group(other, (replace(rollout(), prompt=other),))]
    path = tmp_path / "rollouts" / "step-00010.parquet"
    write_rollouts(path, groups, [0.5, None, -0.5], 10, lambda rollout: len(rollout.completion.text))
    rows = read_rollouts(path)
    first = rows[0]
    assert list(first) == [
        *("step", "problem_id", "task", "language", "difficulty", "problem", "verifier", "answer", "prompt", "prefill"),
        *("completion", "tokens", "thinking_tokens"),
        *("finish_reason", "policy_version", "reward", "reward_accuracy", "reward_format", "reward_language", "verdict", "verdict_detail"),
        *("advantage", "behaviour_logprobs", "data"),
    ]
    logprobs = first.pop("behaviour_logprobs")
    assert logprobs == pytest.approx([-0.5, -0.25, -1e-8], rel=1e-6)
    assert first == {
        "step": 10,
        "problem_id": "p1",
        "task": "countdown",
        "language": "zh",
        "difficulty": 2.0,
        "problem": "用 3 5 得 8",
        "verifier": PROBLEM.verifier,
        "answer": PROBLEM.answer,
        "prompt": "Q: 用 3 5 得 8\nA:",
        "prefill": PROMPT.prefill,
        "completion": "3+5</think>",
        "tokens": 3,
        "thinking_tokens": 11,
        "finish_reason": "stop",
        "policy_version": 7,
        "reward": 1.5,
        "reward_accuracy": 1.0,
        "reward_format": 0.5,
        "reward_language": None,
        "verdict": "correct",
        "verdict_detail": "8 = 8",
        "advantage": 0.5,
        "data": {"numbers": [3, 5], "target": 8},
    }
    assert rows[1]["reward"] is None
    assert rows[1]["reward_accuracy"] is None
    assert rows[1]["advantage"] is None
    assert rows[1]["verdict"] == "timeout"
    assert (rows[2]["problem_id"], rows[2]["difficulty"], rows[2]["data"], rows[2]["advantage"]) == ("p2", None, {}, -0.5)
    assert str(pq.read_schema(path).field("behaviour_logprobs").type.value_type) == "float"


def test_counts_may_be_given_and_must_fit(tmp_path: Path):
    groups = [Group(PROMPT, (rollout(), rollout()))]
    write_rollouts(tmp_path / "a", groups, [0.0, 0.0], 1, [2, 3])
    assert [row["thinking_tokens"] for row in read_rollouts(tmp_path / "a")] == [2, 3]
    with pytest.raises(AssertionError, match="1 advantages for 2 rollouts"):
        write_rollouts(tmp_path / "b", groups, [0.0], 1, [2, 3])
    with pytest.raises(AssertionError, match="1 thinking lengths for 2 rollouts"):
        write_rollouts(tmp_path / "b", groups, [0.0, 0.0], 1, [2])


def test_no_rollouts_make_an_empty_file_with_its_columns(tmp_path: Path):
    write_rollouts(tmp_path / "a", [], [], 1, [])
    assert read_rollouts(tmp_path / "a") == []
    assert "completion" in pq.read_schema(tmp_path / "a").names


def test_hostile_text_is_held(tmp_path: Path):
    text = "\ud800\x00\x1b[31m\u202e" + "9" * 10_000
    write_rollouts(tmp_path / "a", [Group(PROMPT, (rollout(text),))], [math.nan], 1, [0])
    row = read_rollouts(tmp_path / "a")[0]
    assert row["completion"] == "?" + text[1:]
    assert math.isnan(row["advantage"])


def test_a_torn_or_missing_file_is_named(tmp_path: Path):
    path = tmp_path / "a.parquet"
    write_rollouts(path, [Group(PROMPT, (rollout(),))], [0.0], 1, [0])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.parquet cannot be read"):
        read_rollouts(path)
    with pytest.raises(DataError, match=r"b\.parquet cannot be read"):
        read_rollouts(tmp_path / "b.parquet")


def test_disk_full_keeps_the_old_file_and_says_so(tmp_path: Path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.parquet"
    groups = [Group(PROMPT, (rollout(),))]
    write_rollouts(path, groups, [0.25], 1, [0])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"disk full while writing .*a\.parquet"):
        write_rollouts(path, groups, [0.5], 2, [0])
    assert [row["advantage"] for row in read_rollouts(path)] == [0.25]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.parquet"]


def test_values_of_tokens_are_optional_columns(tmp_path: Path):
    path, group = tmp_path / "a", Group(PROMPT, (rollout(), rollout("x")))
    known = {"token_characters": [1, 1, 9], "entropies": [0.5, 0.0, 1.25], "token_advantages": None}
    write_rollouts(path, [group], [0.0, 0.0], 1, [0, 0], [known, {"token_characters": None}])
    first, second = read_rollouts(path)
    assert (first["token_characters"], first["entropies"]) == ([1, 1, 9], [0.5, 0.0, 1.25])
    assert second["token_characters"] is second["entropies"] is None
    assert "token_advantages" not in first
    assert holds_rollouts(path)
