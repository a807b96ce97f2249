"""LoRA: low-rank adapters on a frozen model (Hu et al., arXiv 2106.09685). The one file that imports peft.

An adapted linear map computes, as in section 4.1 (Eq. 3 and its scale)::

    h = W x + (alpha / rank) * B A x        W (out, in) frozen, A (rank, in), B (out, rank)

B is initialised to 0, so the first policy is bit-identical to the base model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dunwu.config.blocks import LoraConfig
from dunwu.errors import CheckpointError, ConfigError, ModelError
from dunwu.models.protocols import LanguageModel

ADAPTER = "policy"
"""The adapter's name inside the model; peft's files leave it out."""
FOLDER = "adapter"
"""The adapter's subfolder beside merged weights. In their folder, transformers would apply it on top of them."""
WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
_PREFIX = "base_model.model."  # of every name in peft's files


def add_lora(model: LanguageModel, lora: LoraConfig, seed: int) -> None:
    """Freeze ``model`` and give it adapters, in place; A is drawn from ``seed``. Raises ``UserError`` if that is not possible."""
    try:
        import peft
    except ImportError as error:
        raise ConfigError("lora is set and `peft` is not installed: pip install 'dunwu[lora]'") from error
    linear = {name.rpartition(".")[2] for name, module in model.named_modules() if type(module) is nn.Linear}
    if missing := [target for target in lora.targets if target not in linear]:
        raise ModelError(f"model_type {model.config.model_type!r} has no linear map {missing[0]!r}; leave it out of lora.targets")
    settings = peft.LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=list(lora.targets), task_type="CAUSAL_LM")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(settings, model, ADAPTER)


def is_adapted(module: Any) -> bool:
    """True if a module is a linear map with an adapter of `add_lora`."""
    return ADAPTER in getattr(module, "lora_A", ())


def has_adapters(model: LanguageModel) -> bool:
    """True if the model has adapters of `add_lora`."""
    return any(map(is_adapted, model.modules()))


def base_parameters(model: LanguageModel) -> int:
    """The number of the model's parameters, without those of its adapters."""
    return sum(parameter.numel() for name, parameter in model.named_parameters() if ".lora_" not in name)


@torch.no_grad()
def effective_weight(linear: Any) -> Tensor:
    """The matrix ``W + (alpha / rank) * B A`` (out, in) of an adapted map, computed from its current values."""
    weight: Tensor = linear.base_layer.weight + linear.get_delta_weight(ADAPTER)
    return weight


def merged_state(model: LanguageModel) -> dict[str, Tensor]:
    """The state of a plain model equivalent to ``model`` with its adapters."""
    state = {name.replace(".base_layer.", "."): tensor for name, tensor in model.state_dict().items() if ".lora_" not in name}
    return state | {f"{name}.weight": effective_weight(module) for name, module in model.named_modules() if is_adapted(module)}


def save_adapter(model: LanguageModel, folder: Path) -> None:
    """Write only the adapter, which peft can load on top of the base model."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in _adapter(model).items()}, folder / WEIGHTS, {"format": "pt"})
    # peft writes its sets in an order that changes from process to process.
    settings = json.dumps(model.peft_config[ADAPTER].to_dict(), indent=2, sort_keys=True, default=sorted)
    (folder / SETTINGS).write_text(settings + "\n", encoding="utf-8")


@torch.no_grad()
def load_adapter(model: LanguageModel, folder: Path) -> None:
    """Copy a saved adapter into that of ``model``; raises ``CheckpointError`` if their names or shapes differ."""
    try:
        saved = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"adapter {folder / WEIGHTS} cannot be read ({error})") from error
    own = _adapter(model)
    if {name: tensor.shape for name, tensor in saved.items()} != {name: tensor.shape for name, tensor in own.items()}:
        raise CheckpointError(f"adapter {folder / WEIGHTS} was made with another rank or other targets than this model's")
    for name, tensor in own.items():
        tensor.copy_(saved[name])


def _adapter(model: LanguageModel) -> dict[str, Tensor]:
    """The adapter's parameters by their names in peft's files."""
    inner = f".{ADAPTER}."
    return {_PREFIX + name.replace(inner, "."): tensor for name, tensor in model.named_parameters() if inner in name}
