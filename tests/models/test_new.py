"""New models: each family is what transformers makes of its name, and a seed gives the same weights again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from dunwu.config.load import validate
from dunwu.config.pretrain import ModelShape, NewModelConfig
from dunwu.errors import ConfigError
from dunwu.jobs.new_model import run_new_model
from dunwu.models.loading import load_model
from dunwu.models.new import new_model
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.types import Request, SamplingParams

SHAPE = {"hidden": 32, "layers": 2, "heads": 2, "kv_heads": 1, "intermediate": 48, "max_positions": 64}
FAMILIES = ("llama", "qwen2", "qwen3")


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_saved_and_loaded_by_transformers(family: str, tmp_path: Path) -> None:
    config = validate(NewModelConfig, {"shape": {"family": family, **SHAPE}, "seed": 3})
    folder = run_new_model(config, tmp_path)
    model, tokenizer = load_model(str(folder))
    assert type(model).__name__.lower() == f"{family}forcausallm"
    assert model.config.model_type == family
    assert model.model.layers[0].self_attn.head_dim == 16
    assert (model.model.layers[0].self_attn.q_proj.bias is not None) == (family == "qwen2")
    assert model.config.vocab_size == len(tokenizer)
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([tokenizer("3 + 4 = 7")["input_ids"]])
    assert torch.equal(theirs(ids).logits, model(input_ids=ids, use_cache=False).logits)
    again = new_model(config.shape, tokenizer, 3).state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_engine_samples_from_each_family(family: str, world_tokenizer: Any) -> None:
    model = new_model(validate(ModelShape, {"family": family, **SHAPE}), world_tokenizer, 0)
    engine = TorchEngine(model, world_tokenizer, native=False)
    [completion] = engine.generate([Request((1, 2, 3), SamplingParams(max_tokens=5), 0)])
    assert 1 <= len(completion.tokens.ids) <= 5


@pytest.mark.parametrize("wrong", [{"hidden": 34}, {"heads": 3}, {"kv_heads": 3}, {"family": "gpt2"}])
def test_a_shape_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        validate(ModelShape, {**SHAPE, **wrong})
