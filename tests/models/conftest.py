"""A tiny random model and its tokenizer."""

from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM


@pytest.fixture
def tiny_model() -> Any:
    """A Qwen2 of 2 layers with 50 words and tied embeddings."""
    torch.manual_seed(3)
    config = Qwen2Config(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
    )
    model = Qwen2ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.fixture
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Whole words w2 .. w49, with <pad> 0 and <eos> 1."""
    inner = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1} | {f"w{i}": i for i in range(2, 50)}, unk_token="w2"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>")
