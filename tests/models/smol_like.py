"""A model of one layer with a chat template like SmolLM2-Instruct's, which writes a system prompt of its own unless there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from dunwu.models.loading import save_model
from tests.models.tokenizers_of_kinds import byte_level

SMOL = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def smol_tokenizer() -> Any:
    """Byte-level, with ChatML's tokens."""
    tokenizer = byte_level()
    tokenizer.eos_token, tokenizer.pad_token, tokenizer.chat_template = "<|im_end|>", "<|im_end|>", SMOL
    return tokenizer


def save_smol(folder: Path, positions: int = 2048) -> str:
    """The model as a Hugging Face folder."""
    tokenizer = smol_tokenizer()
    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=positions, **size, **ids))
    save_model(model, tokenizer, folder)
    return str(folder)
