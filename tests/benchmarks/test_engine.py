"""The engine benchmark runs with what is there, and its arithmetic is right. No speed is asserted: the machine may be busy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import engine
from benchmarks.checkpoints import Shape, texts, write_checkpoint
from benchmarks.results import Options
from dunwu.models.loading import load_tokenizer

ROW = {
    "load": "a",
    "model": "m",
    "sequences": 8,
    "mean_length": 4.0,
    "tokens_per_second": {"dunwu float32": 300.0, "dunwu bfloat16": 600.0, "transformers float32": 100.0, "transformers bfloat16": 50.0},
    "limits": {"float32": {"large": 3000.0}, "bfloat16": {"large": 1200.0}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "m"
    write_checkpoint(Shape(hidden=32, layers=1, heads=2, kv_heads=1, head_dim=16, intermediate=32), folder)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    """Two loads on a random model, float32 only, vLLM not there."""
    loads = {"full": engine.Load(str(folder), 16, 4, slots=16), "mixed": engine.Load(str(folder), 16, 40, mixed=True, slots=16)}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DUNWU_VLLM_PYTHON", raising=False)
        patch.setattr(engine, "measured", lambda shapes, *_: dict.fromkeys(shapes, RATES))
        return engine.measure(loads, engine.contenders(precisions=("float32",)), Options(repeats=1, threads=1))


RATES = {"bandwidth": 1e9, "float32": {"large": 1e9, "own": 1e9}, "bfloat16": {"large": 1e9, "own": 1e9}}


def test_who_is_there_draws_every_token_and_who_is_not_is_named(found: dict[str, Any]) -> None:
    full, mixed = found["rows"]
    assert list(full["tokens_per_second"]) == ["dunwu float32", "transformers float32"]
    assert full["mean_length"] == 4
    assert 1 <= mixed["mean_length"] < 40
    assert found["left_out"] == {"vllm float32": "set DUNWU_VLLM_PYTHON to the interpreter of an environment that has it"}
    assert found["versions"].keys() >= {"torch", "transformers"}


def test_the_table_has_a_line_for_every_load(found: dict[str, Any]) -> None:
    text = engine.as_table(found)
    assert text.count("| full |") == text.count("| mixed |") == 2


def test_ratios_and_shares() -> None:
    assert engine.against(ROW, "transformers", "float32") == 3
    assert engine.against(ROW, "transformers", "bfloat16") == 12
    assert engine.against(ROW, "transformers", "best") == 6
    assert engine.against(ROW, "vllm", "best") is None
    assert engine.shares(ROW) == [0.1, 0.5]


def test_an_order_has_the_sequences_in_groups(folder: Path) -> None:
    order = engine.Load("m", 16, 4).order(folder)
    assert (len(order["prompts"]), order["group"], order["stop"]) == (2, 8, [])
    assert order["prompts"][0] != order["prompts"][1]
    assert engine.Load("m", 1).order(folder)["group"] == 1
    assert engine.Load("m", 8, mixed=True).order(folder)["stop"] == [0]


def test_a_model_of_the_users_reads_text_in_its_own_tokens(folder: Path) -> None:
    loads = engine.loads_of(folder)
    assert list(loads) == ["1 x 128", "16 x 128", "64 x 128", "1 x 512", "16 x 512", "64 x 512", "mixed"]
    prompts = loads["64 x 512"].order(folder)["prompts"]
    assert [len(ids) for ids in prompts] == [64] * 8
    assert load_tokenizer(str(folder)).decode(prompts[0]).startswith(texts(1)[0][:20])
    with pytest.raises(SystemExit, match="2"):
        engine.main(["--model", str(folder / "none")])


def test_a_row_that_is_not_there_is_a_mistake_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        engine.main(["--only", "257"])
    assert "no row '257'; the rows are: 256, 64" in capsys.readouterr().err


def test_tokens_count_up_to_the_stop_token(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.syspath_prepend(str(Path(engine.__file__).parent / "workers"))
    from transformers_engine import drawn

    rows = torch.tensor([[5, 0, 1, 1], [5, 5, 5, 5], [0, 0, 1, 1]])
    assert drawn(rows, [0]) == 2 + 4 + 1
    assert drawn(rows, []) == 12
