"""The limits are the formulas', and the shapes the checkpoints'."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.checkpoints import SHAPES, VOCABULARY, Shape, write_checkpoint
from benchmarks.results import Options

TINY = Shape(hidden=4, layers=1, heads=2, kv_heads=1, head_dim=2, intermediate=8, vocabulary=10)


def test_weights_and_operations_by_hand() -> None:
    # queries and output 4x4 each, keys and values 2x4 each, three matrices of 8x4, the head 10x4
    assert TINY.weights == 16 + 8 + 8 + 16 + 3 * 32 + 40
    # each of 2 heads: 2 multiplications and additions with the key and with the value, for each of 5 tokens
    assert machine.flops_per_token(TINY, 5) == 2 * 184 + 2 * 2 * 2 * 2 * 5
    # 3 sequences, 5 tokens, key and value of one head
    assert machine.bytes_per_step(TINY, 3, 5, 2) == 2 * (184 + 3 * 5 * 2 * 2)


def test_limits_follow_the_rates() -> None:
    rates = {"bandwidth": 976.0, "float32": {"large": 896.0, "own": 448.0}}
    assert machine.bytes_per_step(TINY, 3, 5, 4) == 976
    assert machine.limit(rates, "float32", TINY, 3, 5) == {"large": 2.0, "own": 1.0, "memory": 3.0}


def test_middle_takes_the_median_of_every_figure() -> None:
    answers = [{"a": value, "b": {"c": -value}} for value in (1.0, 5.0, 2.0)]
    assert machine.middle(answers) == {"a": 2.0, "b": {"c": -2.0}}


@pytest.mark.parametrize(("name", "millions"), [("5.9M", 5.9), ("35M", 35.4)])
def test_the_models_are_as_large_as_their_names(name: str, millions: float) -> None:
    assert SHAPES[name].weights / 1e6 == pytest.approx(millions, abs=0.05)


def test_a_checkpoint_tells_its_shape_and_its_tokenizer_spells(tmp_path: Path) -> None:
    from dunwu.models.loading import load_model

    shape = Shape(hidden=32, layers=1, heads=2, kv_heads=1, head_dim=16, intermediate=32)
    write_checkpoint(shape, tmp_path / "m")
    assert Shape.of(tmp_path / "m") == shape
    model, tokenizer = load_model(str(tmp_path / "m"))
    assert model.config.vocab_size == len(tokenizer) == VOCABULARY == 82
    text = "User: Use 3,4,5 to make 12.\nAssistant:"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.slow
def test_it_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    found = machine.measure({"t": TINY}, Options(repeats=1, threads=1))
    (row,) = found["rows"]
    assert all(rate > 0 for rate in (row["rates"]["bandwidth"], row["rates"]["float32"]["own"], row["rates"]["bfloat16"]["large"]))
    assert machine.as_table(found).count("| t |") == 2
