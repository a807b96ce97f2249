"""Models with random weights, of the shape and family that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from dunwu.config.pretrain import Family, ModelShape
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.models.tokenizer_alignment import vocabulary

_CLASSES: Mapping[Family, tuple[Any, Any]] = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}


def new_model(shape: ModelShape, tokenizer: Tokenizer, seed: int) -> CausalLM:
    """A randomly initialised decoder with tied embeddings of all the tokenizer's tokens."""
    torch.manual_seed(seed)
    config, model = _CLASSES[shape.family]
    # Qwen3 has 128 as its default, whatever the width.
    head_dim = {"head_dim": shape.hidden // shape.heads} if shape.family == "qwen3" else {}
    made: CausalLM = model(
        config(
            vocab_size=vocabulary(tokenizer),
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            intermediate_size=shape.intermediate,
            max_position_embeddings=shape.max_positions,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            **head_dim,
        )
    )
    return made
