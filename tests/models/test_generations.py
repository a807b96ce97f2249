"""Saved folders that transformers 4 and 5 read alike.

transformers 4.56.2 gave the very logits (a difference of 0) and ids of 5.23.0 from folders saved so, for all the rotary variants below.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from dunwu.models.loading import load_model, save_model, saved_dtype
from tests.models.tokenizers_of_kinds import byte_level

SIZE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
ROPES: dict[str, dict[str, Any]] = {
    "default": {},
    "linear": {"factor": 2.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 32},
    "llama3": LLAMA3,
}


def model_of(rope: str = "default", tied: bool = False) -> Any:
    torch.manual_seed(0)
    parameters = {"rope_type": rope, "rope_theta": 1e6, **ROPES[rope]}
    tokenizer = byte_level()
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 128, **SIZE}
    config = LlamaConfig(rope_parameters=parameters, tie_word_embeddings=tied, **sizes)
    return LlamaForCausalLM(config).eval(), tokenizer


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("rope", ROPES)
def test_the_rotary_base_stands_where_each_looks_for_it(rope: str, tmp_path: Path) -> None:
    model, tokenizer = model_of(rope)
    save_model(model, tokenizer, tmp_path)
    config = read(tmp_path / "config.json")
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 1e6
    assert config["rope_scaling"] == ({"rope_type": rope, **ROPES[rope]} if ROPES[rope] else None)
    assert AutoConfig.from_pretrained(tmp_path).rope_parameters == model.config.rope_parameters
    theirs, (ours, _) = AutoModelForCausalLM.from_pretrained(tmp_path), load_model(str(tmp_path))
    ids = torch.arange(100)[None]
    with torch.no_grad():
        assert torch.equal(theirs(ids).logits, model(ids).logits)
        assert torch.equal(ours(ids).logits, model(ids).logits)
    save_model(ours, tokenizer, tmp_path / "again")
    assert read(tmp_path / "again" / "config.json") == config


@pytest.mark.parametrize("rope", ["default", "yarn"])
def test_a_folder_as_transformers_4_wrote_it_is_read_and_saved_for_both(rope: str, tmp_path: Path) -> None:
    model, tokenizer = model_of(rope)
    save_model(model, tokenizer, tmp_path)
    new = read(tmp_path / "config.json")
    old = {name: value for name, value in new.items() if name not in ("rope_parameters", "dtype")}
    (tmp_path / "config.json").write_text(json.dumps(old))
    loaded, _ = load_model(str(tmp_path))
    assert loaded.config.rope_parameters == model.config.rope_parameters
    save_model(loaded, tokenizer, tmp_path / "again")
    assert read(tmp_path / "again" / "config.json") == new


def test_the_tokenizer_is_of_a_class_that_both_have(tmp_path: Path) -> None:
    model, tokenizer = model_of()
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    save_model(model, tokenizer, tmp_path)
    described = read(tmp_path / "tokenizer_config.json")
    assert described["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert described["additional_special_tokens"] == ["<|im_start|>", "<|im_end|>"]
    assert "extra_special_tokens" not in described
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.all_special_tokens == tokenizer.all_special_tokens
    assert again("a<|im_end|>")["input_ids"] == tokenizer("a<|im_end|>")["input_ids"]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("name", "dtype"), [("bfloat16", torch.bfloat16), ("float16", torch.float16), ("float32", torch.float32)])
def test_weights_are_rounded_and_said_to_be(name: str, dtype: torch.dtype, tied: bool, tmp_path: Path) -> None:
    model, tokenizer = model_of(tied=tied)
    save_model(model, tokenizer, tmp_path, dtype)
    weights = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {dtype}
    assert ("lm_head.weight" in weights) is not tied
    config = read(tmp_path / "config.json")
    assert (config["dtype"], config["torch_dtype"]) == (name, name)
    loaded, _ = load_model(str(tmp_path))
    assert loaded.dtype == torch.float32
    for key, parameter in loaded.named_parameters():
        assert torch.equal(parameter, model.get_parameter(key).to(dtype).float())
    assert saved_dtype(loaded, "loaded") == dtype
    assert saved_dtype(loaded, "float32") == torch.float32


def test_the_bundled_model_is_saved_in_full_and_a_new_one_as_it_is() -> None:
    assert saved_dtype(load_model("tiny")[0], "loaded") == torch.float32
    assert saved_dtype(model_of()[0].to(torch.bfloat16), "loaded") == torch.bfloat16
