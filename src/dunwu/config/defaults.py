"""Values that follow the model: what a job takes for a key that is not set.

The defaults of the configurations are the demo's. They suit the bundled `tiny` and the models trained from it, and would ruin any other: it
has the values of `OTHER_MODELS`. Whatever is set, in a recipe, a preset, an override or from Python, always wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from dunwu.config.presets import PresetValue
from dunwu.config.task_names import task_list
from dunwu.config.template import ASKS, form_asked
from dunwu.errors import ConfigError
from dunwu.text.answer_forms import DEFAULT, KEY

_CHAT = PresetValue("auto", "the tokenizer's chat template if it has one")
_AS_TRAINED = "as it was trained"
_WEIGHTS_WORTH_KEEPING = "the weights of a trained model are worth keeping"
_ADAPTERS = 10
"""Adapters need about this many times the learning rate of all weights: Schulman, "LoRA Without Regret", Thinking Machines, 2025."""
_EVALUATED: Mapping[str, PresetValue] = {
    "temperature": PresetValue(0.6, "DeepSeek-R1's evaluation, v1 section 3"),
    "top_p": PresetValue(0.95, "DeepSeek-R1's evaluation, v1 section 3"),
}
LENGTH = 1024
"""Tokens of the longest completion, or half of the model's positions if that is less."""
_ON_ROWS: Mapping[str, PresetValue] = {"template": _CHAT, "learning_rate": PresetValue(1e-5, _WEIGHTS_WORTH_KEEPING)}
_LENGTH = PresetValue(LENGTH, "room to reason on one device; the papers' 32,768 needs many")


OTHER_MODELS: Mapping[str, Mapping[str, PresetValue]] = MappingProxyType(
    {
        "zero": {
            "tasks": PresetValue("countdown", "no task was named; such as --task gsm8k or --task rows.jsonl"),
            "template": _CHAT,
            "grpo.learning_rate": PresetValue(1e-6, "as DeepSeekMath and DAPO"),
            "sampling.max_tokens": _LENGTH,
        },
        "distill": {"training.template": _CHAT, "rows.sampling.max_tokens": _LENGTH},
        "compare": {
            "training.template": _CHAT,
            "rl.grpo.learning_rate": PresetValue(1e-6, "as DeepSeekMath and DAPO"),
            **dict.fromkeys(("rows.sampling.max_tokens", "rl.sampling.max_tokens", "on_policy.sampling.max_tokens"), _LENGTH),
        },
        "sft": _ON_ROWS,
        "distillation": _ON_ROWS,
        "reward-model": {"learning_rate": PresetValue(1e-5, _WEIGHTS_WORTH_KEEPING)},
        "eval": {"template": _CHAT, **{f"sampling.{key}": value for key, value in _EVALUATED.items()}, "sampling.max_tokens": _LENGTH},
        "evaluate": {"template": _CHAT},
        "suite": {"template": _CHAT},
    }
)
"""By command or kind of stage, and dotted key: the values for models other than those of the tiny world, with their reasons."""
_PROMPTED = ("zero", "eval", "evaluate", "suite")
"""What prompts a model as it was trained, and asks a chat model of others for an answer in a form."""
ASKED: Mapping[str, PresetValue] = {
    "template": PresetValue({"suffix": ASKS}, "the tokenizer's chat template, and a request for the answer in its form"),
    KEY: PresetValue("boxed-or-last-number", "a box, as asked, else the last number: small models ignore the request"),
}
"""For a chat model and problems that may not ask for a form: they agree, and the format reward follows them."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the values follow, as far as known: is the model of the tiny world, its positions, has its tokenizer a chat template, and of the
    run that trained it the template (as in a configuration) and the form of answers."""

    tiny: bool = True
    template: Any = None
    positions: int | None = None
    chat: bool = False
    answer_form: str | None = None


@dataclass(frozen=True, slots=True)
class Following:
    """The values of a command for a model, by dotted key, and the context in which its configuration is validated."""

    values: Mapping[str, PresetValue]
    context: Mapping[str, Any]
    asks: bool = False
    """True for a chat model that no run of ours has trained: problems that do not ask for an answer in a form are asked for `ASKED`."""

    def unset(self, data: Mapping[str, Any]) -> dict[str, PresetValue]:
        """The values of keys that ``data`` does not set; with ``lora`` the learning rate is that of adapters."""
        values = {**self.values, **self._form(data)}
        unset = {key: value for key, value in values.items() if not is_set(data, key)}
        return unset if data.get("lora") is None else {key: of_adapters(key, value) for key, value in unset.items()}

    def _form(self, data: Mapping[str, Any]) -> Mapping[str, PresetValue]:
        """The form of answers that the template asks for, or both, which agree."""
        given = data.get("template")
        if given is None and self.asks and has_rows(data):
            return ASKED
        if given is None and KEY in self.values:
            return {}
        form = form_asked(given or (self.values["template"].value if "template" in self.values else None))
        return {} if form is None or (form == DEFAULT and KEY not in self.values) else {KEY: PresetValue(form, "as the template asks")}


TINY = Following({}, {"wording": "short"})


def has_rows(data: Mapping[str, Any]) -> bool:
    """True if problems are worded by somebody else, who may not have asked for an answer in a form."""
    sources = data.get("tasks") or data.get("task")
    try:
        return any(each["task"]["kind"] in ("dataset", "reasoning_gym") for each in task_list(sources))
    except (ConfigError, TypeError, KeyError):  # for whoever validates it
        return False


def of_adapters(key: str, chosen: PresetValue) -> PresetValue:
    """A learning rate as adapters need it; other values as they are."""
    if not key.endswith("learning_rate") or not isinstance(chosen.value, float):
        return chosen
    return PresetValue(round(_ADAPTERS * chosen.value, 12), f"{_ADAPTERS} times that of all weights, as LoRA adapters need")


def following(command: str, facts: ModelFacts) -> Following:
    """What the keys of ``command`` follow for a model with these ``facts``."""
    trained = _trained(facts) if command in _PROMPTED else {}
    measured = {KEY: facts.answer_form} if command in ("evaluate", "suite") and facts.answer_form != DEFAULT else {}
    if facts.tiny:
        return replace(TINY, values=trained, context={**TINY.context, **measured})
    values = {**OTHER_MODELS.get(command, {}), **trained}
    for key in [key for key in values if key.endswith("sampling.max_tokens")]:
        if facts.positions and facts.positions // 2 < LENGTH:
            values[key] = PresetValue(facts.positions // 2, "half of the model's positions")
    context: dict[str, Any] = {"wording": "full", "evaluated": {key: each.value for key, each in _EVALUATED.items()}}
    return Following(values, {**context, **measured}, command in ("zero", "eval") and facts.chat and facts.template is None)


def followed(command: str, keys: Iterable[str]) -> dict[str, Any]:
    """The keys of ``command`` whose values follow the model, with those for models other than the tiny world's."""
    chosen = {key: each.value for key, each in OTHER_MODELS.get(command, {}).items()}
    evaluated = {f"evaluations.0.sampling.{key}": each.value for key, each in _EVALUATED.items()}
    return {key: value for key in keys if (value := {**evaluated, **chosen}.get(key, "full" if key.endswith(".wording") else None))}


def _trained(facts: ModelFacts) -> dict[str, PresetValue]:
    """The template and the form of answers that a run has trained the model with."""
    form = {} if facts.answer_form in (None, DEFAULT) else {KEY: PresetValue(str(facts.answer_form), _AS_TRAINED)}
    return {} if facts.template is None else {"template": PresetValue(facts.template, _AS_TRAINED), **form}


def template_of(facts: ModelFacts) -> Any:
    """The template to prompt a model with."""
    return facts.template or ("tiny" if facts.tiny else _CHAT.value)


def in_words(chosen: Mapping[str, PresetValue]) -> str:
    """The chosen values with their reasons, as overrides that a user may copy."""
    if not chosen:
        return ""
    values = ", ".join(f"{key}={_written(each.value)} ({each.source})" for key, each in chosen.items())
    return f"{values}; each can be set as KEY=VALUE"


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:g}" if isinstance(value, float) else str(value)


def is_set(data: Any, key: str) -> bool:
    """True if ``data`` has a value at a dotted key."""
    for part in key.split("."):
        if not isinstance(data, Mapping) or part not in data:
            return data is not None and not isinstance(data, Mapping)
        data = data[part]
    return True
