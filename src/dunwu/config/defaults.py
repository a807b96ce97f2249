"""Values that follow the model: what a job takes for a key that is not set.

The defaults of the configurations are the demo's. They suit the bundled `tiny` and the models trained from it, and would ruin any other: it
has the values of `OTHER_MODELS`. Whatever is set, in a recipe, a preset, an override or from Python, always wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from dunwu.config.presets import PresetValue

_CHAT = PresetValue("auto", "the tokenizer's chat template if it has one")
_WEIGHTS_WORTH_KEEPING = "the weights of a trained model are worth keeping"
_ADAPTERS = 10
"""Adapters need about this many times the learning rate of all weights: Schulman, "LoRA Without Regret", Thinking Machines, 2025."""
_EVALUATED: Mapping[str, PresetValue] = {
    "temperature": PresetValue(0.6, "DeepSeek-R1's evaluation, v1 section 3"),
    "top_p": PresetValue(0.95, "DeepSeek-R1's evaluation, v1 section 3"),
}
LENGTH = 1024
"""Tokens of the longest completion, or half of the model's positions if that is less."""
_LENGTH = PresetValue(LENGTH, "room to reason on one device; the papers' 32,768 needs many")


OTHER_MODELS: Mapping[str, Mapping[str, PresetValue]] = MappingProxyType(
    {
        "zero": {
            "tasks": PresetValue("countdown", "no task was named; such as --task gsm8k or --task rows.jsonl"),
            "template": _CHAT,
            "grpo.learning_rate": PresetValue(1e-6, "as DeepSeekMath and DAPO"),
            "sampling.max_tokens": _LENGTH,
        },
        "sft": {"template": _CHAT, "learning_rate": PresetValue(1e-5, _WEIGHTS_WORTH_KEEPING)},
        "reward-model": {"learning_rate": PresetValue(1e-5, _WEIGHTS_WORTH_KEEPING)},
        "eval": {**{f"sampling.{key}": value for key, value in _EVALUATED.items()}, "sampling.max_tokens": _LENGTH},
    }
)
"""By command and dotted key: the values for models other than those of the tiny world, with their reasons."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the values follow: is the model of the tiny world, the template it was trained with, and its positions, as far as known."""

    tiny: bool = True
    template: str | None = None
    positions: int | None = None


@dataclass(frozen=True, slots=True)
class Following:
    """The values of a command for a model, by dotted key, and the context in which its configuration is validated."""

    values: Mapping[str, PresetValue]
    context: Mapping[str, Any]

    def unset(self, data: Mapping[str, Any]) -> dict[str, PresetValue]:
        """The values of keys that ``data`` does not set; with ``lora`` the learning rate is that of adapters."""
        unset = {key: value for key, value in self.values.items() if not _is_set(data, key)}
        return unset if data.get("lora") is None else {key: _of_adapters(key, value) for key, value in unset.items()}


TINY = Following({}, {"wording": "short"})


def _of_adapters(key: str, chosen: PresetValue) -> PresetValue:
    if not key.endswith("learning_rate") or not isinstance(chosen.value, float):
        return chosen
    return PresetValue(round(_ADAPTERS * chosen.value, 12), f"{_ADAPTERS} times that of all weights, as LoRA adapters need")


def following(command: str, facts: ModelFacts) -> Following:
    """What the keys of ``command`` follow for a model with these ``facts``."""
    trained = {} if facts.template is None or command != "zero" else {"template": template_of(facts)}
    if facts.tiny:
        return replace(TINY, values=trained)
    values = {**OTHER_MODELS.get(command, {}), **trained}
    if "sampling.max_tokens" in values and facts.positions and facts.positions // 2 < LENGTH:
        values["sampling.max_tokens"] = PresetValue(facts.positions // 2, "half of the model's positions")
    return Following(values, {"wording": "full", "evaluated": {key: each.value for key, each in _EVALUATED.items()}})


def followed(command: str, keys: Iterable[str]) -> dict[str, Any]:
    """The keys of ``command`` whose values follow the model, with those for models other than the tiny world's."""
    chosen = {key: each.value for key, each in OTHER_MODELS.get(command, {}).items()}
    evaluated = {f"evaluations.0.sampling.{key}": each.value for key, each in _EVALUATED.items()}
    return {key: value for key in keys if (value := {**evaluated, **chosen}.get(key, "full" if key.endswith(".wording") else None))}


def template_of(facts: ModelFacts) -> PresetValue:
    """The template to prompt a model with."""
    if facts.template is not None:
        return PresetValue(facts.template, "as it was trained")
    return PresetValue("tiny", "the tiny world's") if facts.tiny else _CHAT


def in_words(chosen: Mapping[str, PresetValue]) -> str:
    """The chosen values with their reasons, as overrides that a user may copy."""
    if not chosen:
        return ""
    values = ", ".join(f"{key}={_written(each.value)} ({each.source})" for key, each in chosen.items())
    return f"{values}; each can be set as KEY=VALUE"


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_set(data: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(data, Mapping) or part not in data:
            return data is not None and not isinstance(data, Mapping)
        data = data[part]
    return True
