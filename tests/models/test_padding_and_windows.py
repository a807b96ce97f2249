"""Configurations of real models that once crashed or were computed otherwise: a padding id without an embedding, sliding windows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MistralConfig, MistralForSequenceClassification, Qwen2Config, Qwen2ForCausalLM, Qwen2ForSequenceClassification

from dunwu.errors import ModelError
from dunwu.models.heads import load_scorer, scores
from dunwu.models.loading import load_model, padding_id, save_model
from dunwu.models.precision import attention, causal_attention
from dunwu.trainers.sft_scoring import packed_attention

SIZE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
WINDOW = 4


def with_padding(folder: Path, padding: int | None, world_tokenizer: Any, named: bool = True) -> str:
    torch.manual_seed(0)
    save_model(Qwen2ForCausalLM(Qwen2Config(vocab_size=len(world_tokenizer), **SIZE)), world_tokenizer, folder)
    return repad(folder, padding, named)


def repad(folder: Path, padding: int | None, named: bool) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"pad_token_id": padding}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if not named:
        described = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        described["pad_token"] = "[PAD]"  # added behind the vocabulary, as many guides have it
        (folder / "tokenizer_config.json").write_text(json.dumps(described), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("padding", [-1, None, 100_000])
def test_a_padding_that_the_model_does_not_embed(padding: int | None, named: bool, world_tokenizer: Any, tmp_path: Path) -> None:
    folder = with_padding(tmp_path / "model", padding, world_tokenizer, named)
    model, tokenizer = load_model(folder)
    size = model.config.vocab_size
    assert model.config.pad_token_id is None
    assert model.get_input_embeddings().padding_idx is None
    assert (tokenizer.pad_token_id >= size) is not named
    found = padding_id(tokenizer, model)
    assert found == (tokenizer.pad_token_id if named else tokenizer.eos_token_id)
    scorer, _ = load_scorer(folder, seed=0)
    assert scorer.config.pad_token_id == found
    ids = torch.tensor([[5, 6, 7], [5, 6, found]])
    torch.testing.assert_close(scores(scorer, ids)[1], scores(scorer, ids[1:, :2])[0], rtol=1e-5, atol=1e-6)  # bits differ with the batch
    save_model(scorer, tokenizer, tmp_path / "again")
    assert torch.equal(scores(load_scorer(str(tmp_path / "again"))[0], ids), scores(scorer, ids))


@pytest.mark.parametrize("padding", [-1, 100_000])
def test_training_goes_on_with_it(
    padding: int, taught_base: str, zero_config: Callable[..., Any], open_trainer: Any, tmp_path: Path
) -> None:
    model, tokenizer = load_model(taught_base)
    save_model(model, tokenizer, tmp_path / "base")
    repad(tmp_path / "base", padding, named=False)
    losses = []
    for number, base in enumerate((taught_base, str(tmp_path / "base"))):
        with open_trainer(tmp_path / str(number), zero_config(f"model={base}", "matmul_precision=float32")) as trainer:
            assert (trainer.tokenizer.pad_token_id >= trainer.policy.model.config.vocab_size) == bool(number)
            losses.append(trainer.step(1)["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


WINDOWED = {
    "mistral": lambda: MistralForSequenceClassification(MistralConfig(sliding_window=WINDOW, **COMMON)),
    "qwen2": lambda: Qwen2ForSequenceClassification(
        Qwen2Config(use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1, **COMMON)
    ),
}
COMMON = {"vocab_size": 50, "pad_token_id": 0, "num_labels": 1, "attn_implementation": "sdpa", **SIZE}


@pytest.mark.parametrize("family", WINDOWED)
def test_a_reward_model_with_a_sliding_window_is_trained_as_transformers_computes_it(family: str) -> None:
    torch.manual_seed(0)
    model = WINDOWED[family]().eval()
    for parameter in model.parameters():
        parameter.data.mul_(10)
    ids = torch.randint(1, 50, (2, 12))
    with torch.no_grad():
        expected = model(input_ids=ids).logits[:, 0]
        with attention(model):
            found = scores(model, ids)
        model.config.sliding_window = 100
        for layer in model.base_model.layers:
            layer.self_attn.sliding_window = None
        with attention(model):
            without = scores(model, ids)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(without, expected, atol=1e-3)


def test_a_window_counts_the_token_itself_also_among_packed_conversations() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, 9, 8) for heads in (4, 2, 2))
    mixed, _ = causal_attention(torch.nn.Identity(), query, key, value, None, sliding_window=1)
    assert torch.allclose(mixed, value.repeat_interleave(2, dim=1).transpose(1, 2))
    packed, _ = packed_attention(torch.nn.Identity(), query, key, value, None, packed_lengths=[4, 5], sliding_window=2)
    alone = [
        causal_attention(torch.nn.Identity(), *(x[:, :, at] for x in (query, key, value)), None, sliding_window=2)[0]
        for at in (slice(0, 4), slice(4, 9))
    ]
    assert torch.equal(packed, torch.cat(alone, dim=1))
    wide, _ = causal_attention(torch.nn.Identity(), query, key, value, None, sliding_window=9)
    assert torch.equal(wide, causal_attention(torch.nn.Identity(), query, key, value, None)[0])


@pytest.mark.parametrize("feature", ["softcap", "s_aux"])
def test_attention_that_is_not_computed_is_refused(feature: str) -> None:
    one = torch.zeros(1, 1, 2, 4)
    with pytest.raises(ModelError, match=feature):
        causal_attention(torch.nn.Identity(), one, one, one, None, **{feature: 30.0})
