"""Adapters on a frozen model: what they compute, what the engine sees of them, and their files."""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from dunwu.config.blocks import LoraConfig
from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.errors import CheckpointError, ConfigError, ModelError
from dunwu.models.loading import load_model, load_weights_into, save_model
from dunwu.models.logprobs import token_logprobs
from dunwu.models.lora import FOLDER, add_lora, base_parameters, effective_weight, has_adapters, load_adapter, save_adapter
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.types import Problem, Prompt, SamplingParams

SETTINGS = LoraConfig(rank=3, alpha=6.0)
IDS = torch.tensor([[3, 9, 4, 11, 30, 7]])


def adapted(model: Any, settings: LoraConfig = SETTINGS, seed: int = 0, trained: bool = True) -> Any:
    """The model with adapters; ``trained``: B is no longer 0."""
    add_lora(model, settings, seed)
    if trained:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if ".lora_B." in name:
                    parameter.copy_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)))
    return model


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS).logits
    return found


def test_the_first_policy_is_the_base_to_the_bit(tiny_model: Any) -> None:
    before = logits(tiny_model)
    assert not has_adapters(tiny_model)
    assert torch.equal(logits(adapted(tiny_model, trained=False)), before)
    assert has_adapters(tiny_model)


def test_only_adapters_are_trained(tiny_model: Any) -> None:
    shapes = {name: p.shape for name, p in tiny_model.named_parameters() if p.ndim == 2 and name.endswith("_proj.weight")}
    adapted(tiny_model)
    trained = {name for name, parameter in tiny_model.named_parameters() if parameter.requires_grad}
    assert len(trained) == 2 * len(shapes)  # all projections of all layers, nothing else
    assert all(".lora_" in name for name in trained)
    weights = sum(parameter.numel() for parameter in tiny_model.parameters() if parameter.requires_grad)
    assert weights == sum(SETTINGS.rank * (rows + columns) for rows, columns in shapes.values())


def test_adapters_do_not_count_as_the_models_size(tiny_model: Any) -> None:
    before = sum(parameter.numel() for parameter in tiny_model.parameters())
    assert base_parameters(adapted(tiny_model)) == before


def test_the_effective_weight_is_the_formula(tiny_model: Any) -> None:
    adapted(tiny_model)
    q = tiny_model.model.layers[1].self_attn.q_proj
    a, b = q.lora_A["policy"].weight, q.lora_B["policy"].weight
    expected = q.base_layer.weight + 6.0 / 3 * b @ a
    torch.testing.assert_close(effective_weight(q), expected)
    x = torch.randn(5, 16)
    torch.testing.assert_close(q(x), x @ expected.T + q.bias)


def test_adapters_are_drawn_from_the_seed(tiny_model: Any) -> None:
    state = torch.get_rng_state()
    models = [adapted(deepcopy(tiny_model), seed=seed, trained=False) for seed in (1, 1, 2)]
    first, second, other = [model.model.layers[0].mlp.up_proj.lora_A["policy"].weight for model in models]
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("native", [False, True])
def test_the_engine_samples_the_policy_with_its_adapter(native: bool, tiny_model: Any, tiny_tokenizer: Any) -> None:
    """What the engine says of its tokens is what the trainer says of them, also after a change of the adapter; the base says otherwise."""
    engine = TorchEngine(adapted(tiny_model, trained=False), tiny_tokenizer, native=native)
    prompt = Prompt(Problem("p", "t", "", "number"), "", (5, 17, 9))
    for _ in range(2):
        [found] = engine.generate(group_requests([prompt], SamplingParams(max_tokens=12), 1, [4]))
        with_adapter = trainer_logprobs(tiny_model, prompt.token_ids + found.tokens.ids)
        torch.testing.assert_close(torch.tensor(found.tokens.behaviour_logprobs), with_adapter, atol=1e-4, rtol=0)
        with torch.no_grad():
            for name, parameter in tiny_model.named_parameters():
                if ".lora_B." in name:
                    parameter.add_(0.3)
    for module in tiny_model.modules():
        if hasattr(module, "enable_adapters") and hasattr(module, "lora_A"):
            module.enable_adapters(False)
    left_out = trainer_logprobs(tiny_model, prompt.token_ids + found.tokens.ids)
    assert (torch.tensor(found.tokens.behaviour_logprobs) - left_out).abs().max() > 1e-2


def trainer_logprobs(model: Any, ids: tuple[int, ...]) -> torch.Tensor:
    ids_BT = torch.tensor([ids])
    completion = torch.arange(len(ids))[None] >= 3
    return token_logprobs(model, ids_BT, torch.ones_like(ids_BT), completion)[0][0, 3:].detach()


def test_a_checkpoint_is_a_plain_model_with_the_adapter_beside_it(tiny_model: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    names = {name: (tensor.shape, tensor.dtype) for name, tensor in tiny_model.state_dict().items()}
    live = logits(adapted(tiny_model))
    save_model(tiny_model, tiny_tokenizer, tmp_path)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in merged.state_dict().items()} == names
    torch.testing.assert_close(logits(merged), live, atol=1e-4, rtol=1e-4)
    assert not has_adapters(load_model(str(tmp_path))[0])
    assert torch.equal(logits(tiny_model), live), "saving changes nothing"


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks transformers for it
def test_peft_reads_the_adapter_on_top_of_the_base(tiny_model: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    from peft import PeftModel

    save_model(tiny_model, tiny_tokenizer, tmp_path / "base")
    live = logits(adapted(tiny_model))
    save_model(tiny_model, tiny_tokenizer, tmp_path / "trained")
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    assert torch.equal(logits(PeftModel.from_pretrained(base, tmp_path / "trained" / FOLDER).eval()), live)
    settings = json.loads((tmp_path / "trained" / FOLDER / "adapter_config.json").read_text(encoding="utf-8"))
    assert settings["target_modules"] == sorted(SETTINGS.targets)  # always in one order


def test_an_adapter_comes_back_to_the_bit(tiny_model: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    live = logits(adapted(tiny_model))
    save_model(tiny_model, tiny_tokenizer, tmp_path)
    with torch.no_grad():
        for parameter in tiny_model.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    load_weights_into(tiny_model, tmp_path)
    assert torch.equal(logits(tiny_model), live)


def test_another_adapter_is_refused(tiny_model: Any, tmp_path: Path) -> None:
    adapted(tiny_model)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_adapter(tiny_model, tmp_path)
    save_adapter(tiny_model, tmp_path)
    tiny_model.model.layers[0].mlp.up_proj.lora_A["policy"].weight.data = torch.zeros(2, 16)
    with pytest.raises(CheckpointError, match="another rank or other targets"):
        load_adapter(tiny_model, tmp_path)


def test_without_peft_it_says_what_to_install(tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"pip install 'dunwu\[lora\]'"):
        add_lora(tiny_model, SETTINGS, 0)


def test_a_model_without_such_maps_is_refused() -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(ModelError, match=r"'gpt2' has no linear map 'q_proj'; leave it out of lora\.targets"):
        add_lora(model, SETTINGS, 0)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("lora.dropout=0.05", r"lora\.dropout is no longer a key: delete it"),
        ("lora.rank=0", r"lora\.rank = 0: expected greater than or equal to 1"),
        ("lora.targets=[lm_head]", r"lora\.targets\.0 = 'lm_head': expected q_proj"),
        ("lora.targets=[]", r"lora\.targets = \[\]: expected"),
        ("lora.ranks=4", r"unknown key lora\.ranks: did you mean lora\.rank\?"),
    ],
)
def test_mistakes_in_the_configuration(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(ZeroConfig, None, [override])


def test_it_is_off_by_default_and_on_by_any_key() -> None:
    assert load_config(ZeroConfig, None, []).lora is None
    assert load_config(ZeroConfig, None, ["lora.rank=4"]).lora == LoraConfig(rank=4)
