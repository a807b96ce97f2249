"""The engine benchmark runs, and its arithmetic is right. No speed is asserted: the machine may be busy."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "engine.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_engine", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A random Qwen2 of one layer that stops at every second token by its own generation_config."""
    torch.manual_seed(0)
    shape = {"vocab_size": 4, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128}
    model = Qwen2ForCausalLM(Qwen2Config(**shape, **heads, pad_token_id=0, eos_token_id=1))
    model.generation_config.eos_token_id = [1, 2, 3]
    inner = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1, "w": 2, "x": 3}, unk_token="w"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    model.save_pretrained(tmp_path / "model")
    PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>").save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_it_runs_and_both_draw_every_token(
    benchmark: ModuleType, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "engine.json"
    benchmark.main(["--model", str(checkpoint), "--prompts", "2", "--group", "2", "--tokens", "4", "--device", "cpu", "--out", str(out)])
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["settings"]["tokens"] == 4
    assert [len(result["single"][name]) for name in ("dunwu", "transformers")] == [3, 3]
    medians = result["tokens_per_second"]
    assert result["ratio"] == pytest.approx(medians["dunwu"] / medians["transformers"])
    assert "| transformers |" in capsys.readouterr().out


def test_turns_alternate_and_the_first_is_not_counted(benchmark: ModuleType) -> None:
    order: list[tuple[str, int]] = []
    runs = {name: (lambda turn, name=name: order.append((name, turn))) for name in ("a", "b")}
    rates = benchmark.by_turns(runs, tokens=10, repeats=2, device=torch.device("cpu"))
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert [len(found) for found in rates.values()] == [2, 2]
