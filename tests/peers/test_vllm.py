"""vLLM loads our checkpoints as they are, and its greedy tokens are ours. Skipped where ``DUNWU_VLLM_PYTHON`` names no interpreter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.checkpoints import VOCABULARY, Shape, checkpoint, random_prompts, write_checkpoint
from benchmarks.peers import Contender, Workers
from benchmarks.step import texts

pytestmark = pytest.mark.skipif(not os.environ.get("DUNWU_VLLM_PYTHON"), reason="DUNWU_VLLM_PYTHON names no interpreter that has vLLM")

PROMPTS, TOKENS = 64, 100


def greedy(model: Path, prompts: list[list[int]], folder: Path) -> dict[str, list[list[int]]]:
    """Greedy completions without a stop token, by engine."""
    contenders = [Contender("dunwu", "float32"), Contender("vllm", "float32")]
    settings = {"model": str(model), "max_batch": PROMPTS, "max_length": 512, "device": "cpu"}
    with Workers(contenders, "engine", settings, 1, folder) as workers:
        assert workers.left_out == {}
        order = {"prompts": prompts, "group": 1, "tokens": TOKENS, "stop": [], "greedy": True, "turn": 0}
        return {name: worker.ask(**order)["ids"] for name, worker in workers.running.items()}


def test_the_bundled_model(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    folder = checkpoint("tiny", tmp_path)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    prompts = [tokenizer(text)["input_ids"] for text in texts(PROMPTS)]
    ours, theirs = greedy(folder, prompts, tmp_path).values()
    assert [len(ids) for ids in ours] == [TOKENS] * PROMPTS
    assert theirs == ours


def test_a_qwen2_that_we_saved(tmp_path: Path) -> None:
    write_checkpoint(Shape(hidden=128, layers=2, heads=4, kv_heads=2, head_dim=32, intermediate=256), tmp_path / "model")
    ours, theirs = greedy(tmp_path / "model", random_prompts(8, 16, VOCABULARY), tmp_path).values()
    assert theirs == ours
