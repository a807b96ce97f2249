"""What the values of a stage follow: the facts of the model that it takes, which an earlier stage may make. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dunwu.config.base import Config
from dunwu.config.defaults import ModelFacts, template_of
from dunwu.config.merge import MergeConfig
from dunwu.config.pipeline import FileConfig
from dunwu.config.pretrain import NewModelConfig, PretrainConfig
from dunwu.config.sft import SftConfig
from dunwu.config.template import plain
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ModelError
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.models.facts import model_facts
from dunwu.pipeline.graph import Stage

Json = dict[str, Any]
MadeBy = Callable[[str], ModelFacts]
"""The facts of the model that a stage makes, by its name."""


def facts_of(data: Mapping[str, Any], inputs: Mapping[str, str], made_by: MadeBy, key: str = "model") -> ModelFacts:
    """The facts of the model at ``key`` of a stage: that of another stage, or the one that ``data`` names; else that of its generator."""
    of_generator = next((each for each in inputs if each.endswith("generator.model")), key) if "model" not in data else key
    source = inputs.get(key, inputs.get(of_generator))
    holder = data.get("models", {}) if key.startswith("models.") else data
    return named_facts(holder.get(key.rpartition(".")[2])) if source is None else made_by(source)


def model_key(work: type[Config], data: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """The key of the model that a stage follows: of models to merge the first."""
    if not issubclass(work, MergeConfig):
        return "model" if "tokenizer" not in work.model_fields else "tokenizer"
    named = data.get("models")
    written = [f"models.{name}" for name in named] if isinstance(named, Mapping) else []
    return next((key for key in (*written, *inputs) if key.startswith("models.")), "models")


def named_facts(model: object) -> ModelFacts:
    """`model_facts`; nothing is known of a model that is not there, which running the stage will say."""
    try:
        return model_facts(str(model or BUNDLED_NAME), fetch=True)  # a resumed stage, whose model is cached, must know no more
    except (ModelError, RuntimeError):  # no such model, no such user in ~user
        return ModelFacts(tiny=False)


def made_facts(stage: Stage, taken: ModelFacts) -> ModelFacts:
    """The facts of the model that ``stage`` makes from one with the facts ``taken``; only a trainer's result is known."""
    work = stage.work
    if isinstance(work, FileConfig) and work.holds == "model":
        return named_facts(work.path)
    if isinstance(work, NewModelConfig | PretrainConfig):
        return ModelFacts(taken.tiny, positions=work.shape.max_positions, chat=taken.chat)
    if isinstance(work, MergeConfig):
        return taken
    if not isinstance(work, ZeroConfig | SftConfig):
        return ModelFacts(tiny=False)
    form = work.answer_form if isinstance(work, ZeroConfig) else None
    return replace(taken, template=plain(work.template), answer_form=form, chat=taken.chat or isinstance(work, SftConfig))


def with_templates(data: Json, inputs: Mapping[str, str], made_by: MadeBy) -> Json:
    """``data`` with the template of each local generator that names none: as its model was trained."""
    return {key: _followed(each, f"{key}.", inputs, made_by) for key, each in data.items()}


def _followed(data: Any, key: str, inputs: Mapping[str, str], made_by: MadeBy) -> Any:
    if isinstance(data, list):
        return [_followed(each, f"{key}{place}.", inputs, made_by) for place, each in enumerate(data)]
    if not isinstance(data, dict):
        return data
    found = {name: _followed(each, f"{key}{name}.", inputs, made_by) for name, each in data.items()}
    if data.get("kind") != "local" or "template" in data:
        return found
    return {**found, "template": template_of(facts_of(data, inputs, made_by, f"{key}model"))}
