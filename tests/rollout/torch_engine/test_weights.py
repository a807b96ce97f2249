"""Decoders that the built-in engine would compute wrongly are refused."""

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, Qwen2Config, Qwen2ForCausalLM

from dunwu.errors import ModelError
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.rollout.torch_engine.weights import decoder_weights

SMALL = {
    "vocab_size": 20,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 16,
}


def test_unknown_architecture_is_named(tokenizer: Any) -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(ModelError, match=r"'gpt2'.*qwen2, qwen3, llama"):
        TorchEngine(model, tokenizer)


def test_sliding_windows_are_refused(tokenizer: Any) -> None:
    model = Qwen2ForCausalLM(Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=4, max_window_layers=1))
    with pytest.raises(ModelError, match=r"sliding-window attention \(4 tokens\)"):
        TorchEngine(model, tokenizer)


def test_length_dependent_ropes_are_refused(tokenizer: Any) -> None:
    rope = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    with pytest.raises(ModelError, match="'dynamic'"):
        TorchEngine(Qwen2ForCausalLM(Qwen2Config(**SMALL, rope_parameters=rope)), tokenizer)


def test_replaced_linear_maps_are_refused(make_model: Callable[[str], Any], tokenizer: Any) -> None:
    class Adapted(nn.Linear):
        pass

    model = make_model("qwen2")
    model.model.layers[1].mlp.up_proj = Adapted(32, 48)
    with pytest.raises(ModelError, match=r"model\.layers\.1\.mlp\.up_proj is a Adapted"):
        TorchEngine(model, tokenizer)


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama"])
def test_the_view_holds_the_parameters_themselves(family: str, make_model: Callable[[str], Any]) -> None:
    model = make_model(family)
    weights = decoder_weights(model)
    seen = {weights.embedding.data_ptr(), weights.norm.data_ptr(), weights.head[0].data_ptr()}
    for layer in weights.layers:
        maps = (layer.q, layer.k, layer.v, layer.o, layer.gate, layer.up, layer.down)
        tensors = [tensor for affine in maps for tensor in affine] + [layer.attention_norm, layer.mlp_norm, layer.q_norm, layer.k_norm]
        seen |= {tensor.data_ptr() for tensor in tensors if tensor is not None}
    assert seen == {parameter.data_ptr() for parameter in model.parameters()}
