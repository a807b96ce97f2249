"""Tiny random checkpoints of each supported family, and a tokenizer for them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.rollout.torch_engine.native.decoder import availability
from dunwu.types import Problem, Prompt

VOCAB = 100
SHAPE = {
    "vocab_size": VOCAB,
    "hidden_size": 48,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": None,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
FAMILIES: dict[str, Callable[[], Any]] = {
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE, tie_word_embeddings=True)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE, tie_word_embeddings=False)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, rope_parameters=LLAMA3_ROPE, mlp_bias=True, attention_bias=True)),
    "yarn": lambda: Qwen2ForCausalLM(
        Qwen2Config(
            **SHAPE, rope_parameters={"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 16}
        )
    ),
}


@pytest.fixture
def make_model() -> Callable[[str], Any]:
    """``make_model(family)``: random weights large enough that no two tokens tie and biases and norms matter."""

    def make(family: str) -> Any:
        torch.manual_seed(7)
        model = FAMILIES[family]().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                centre = 1.0 if parameter.ndim == 1 and bool((parameter == 1).all()) else 0.0
                parameter.copy_(centre + 0.3 * torch.randn_like(parameter))
        return model

    return make


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """Whole words w2 .. w99, with <pad> 0 and <eos> 1."""
    words = {"<pad>": 0, "<eos>": 1} | {f"w{i}": i for i in range(2, VOCAB)}
    inner = Tokenizer(models.WordLevel(words, unk_token="w2"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>")


@pytest.fixture
def make_prompts() -> Callable[..., list[Prompt]]:
    """``make_prompts(lengths, seed)``: random prompts of those lengths."""

    def make(lengths: list[int], seed: int = 0) -> list[Prompt]:
        generator = torch.Generator().manual_seed(seed)
        rows = [torch.randint(2, VOCAB, (length,), generator=generator).tolist() for length in lengths]
        return [
            Prompt(Problem(id=f"p{i}", task="t", text="", verifier="number"), text="", token_ids=tuple(row)) for i, row in enumerate(rows)
        ]

    return make


@pytest.fixture(scope="session")
def native_decoder() -> None:
    """Skips where `native/decode.c` cannot be built, and says why."""
    native, text = availability()
    if not native:
        pytest.skip(f"no native decoder: {text}")


@pytest.fixture(params=["torch", "native"])
def make_engine(request: pytest.FixtureRequest) -> Callable[..., TorchEngine]:
    """``make_engine(model, tokenizer, max_batch)``: the built-in engine, once with each of its decoders, in float32."""
    if request.param == "native":
        request.getfixturevalue("native_decoder")

    def make(model: Any, tokenizer: Any, max_batch: int = 512) -> TorchEngine:
        engine = TorchEngine(model, tokenizer, max_batch, native=request.param == "native")
        assert engine.decoder.startswith(request.param)
        return engine

    return make
