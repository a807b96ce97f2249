"""What we see inside tiny models of three families against what transformers says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from dunwu.algorithms.distillation_layers import relation, visible_tokens
from dunwu.errors import ModelError
from dunwu.models.layer_states import layer_states
from dunwu.models.precision import checkpoint_activations

FAMILIES = {
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {}),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"head_dim": 6}),
    "llama": (LlamaConfig, LlamaForCausalLM, {}),
}
SHAPE = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4}
IDS = torch.randint(0, 50, (2, 9), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(9) < torch.tensor([[9], [6]])


def make(family: str, **settings: Any) -> Any:
    config, model, more = FAMILIES[family]
    torch.manual_seed(3)
    made = model(config(**SHAPE, num_key_value_heads=2, **more, **settings)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_states_equal_those_of_transformers(family: str) -> None:
    model = make(family)
    found = layer_states(model, IDS, (1, 3))
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    expected = model(input_ids=IDS, attention_mask=MASK.long(), output_hidden_states=True, output_attentions=True)
    model.set_attn_implementation(before)
    assert len(found.hidden) == len(expected.hidden_states) == 4
    for ours, theirs in zip(found.hidden, expected.hidden_states, strict=True):
        torch.testing.assert_close(ours[MASK], theirs[MASK], atol=1e-5, rtol=1e-4)
    assert found.attention.keys() == {1, 3}
    for layer, states in found.attention.items():
        ours = relation(states.query_BHTd, states.key_BKTd, 4, visible_tokens(MASK)).exp()
        rows = MASK[:, None, :, None].expand_as(ours)
        torch.testing.assert_close(ours[rows], expected.attentions[layer - 1][rows], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.lm_head(found.hidden[-1])[MASK], expected.logits[MASK], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_values_are_those_of_the_layer(family: str) -> None:
    model = make(family)
    found, layer = layer_states(model, IDS, (2,)), model.model.layers[1]
    values = layer.self_attn.v_proj(layer.input_layernorm(found.hidden[1])).view(2, 9, 2, -1).transpose(1, 2)
    torch.testing.assert_close(found.attention[2].value_BKTd, values)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_gradients_reach_the_layers_below(checkpointed: bool) -> None:
    model = make("qwen3").train()
    plain = layer_states(model, IDS, (2,)).attention[2]
    (plain.value_BKTd.square().sum() + plain.query_BHTd.square().sum()).backward()
    expected = model.model.embed_tokens.weight.grad.clone()
    model.zero_grad()
    if checkpointed:
        checkpoint_activations(model)
    states = layer_states(model, IDS, (2,))
    (states.attention[2].value_BKTd.square().sum() + states.attention[2].query_BHTd.square().sum()).backward()
    torch.testing.assert_close(model.model.embed_tokens.weight.grad, expected)
    assert model.model.layers[2].self_attn.v_proj.weight.grad is None


def test_what_cannot_be_seen_is_refused() -> None:
    with pytest.raises(ModelError):
        layer_states(make("llama"), IDS, (4,))
    window = make("qwen2", use_sliding_window=True, sliding_window=4, max_window_layers=0)
    assert layer_states(window, IDS[:, :4], (1,)).attention
    with pytest.raises(ModelError):
        layer_states(window, IDS, (1,))
