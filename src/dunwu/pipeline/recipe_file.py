"""Pipelines as YAML: `name`, and `stages` by name, each with its `work`, its `inputs` and the keys of its configuration."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dunwu.config.base import Config
from dunwu.config.defaults import Following, ModelFacts, following
from dunwu.config.load import load_following, read_mapping
from dunwu.config.overrides import Override, apply_overrides, parse_overrides
from dunwu.config.yaml_text import write_yaml
from dunwu.errors import ConfigError
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.stage_models import facts_of, made_facts, model_key, with_templates
from dunwu.pipeline.stages import KINDS

Json = dict[str, Any]


def read_pipeline(file: Path, overrides: Sequence[str] = ()) -> Pipeline:
    """The pipeline of a recipe, with overrides such as ``zero.grpo.steps=20``. Any mistake raises a one-line `ConfigError`."""
    return make_pipeline(read_mapping(file), parse_overrides(overrides), default_name=file.stem.lower(), source=f"{file}: ")


def with_overrides(pipeline: Pipeline, overrides: Sequence[str], keys: Path | None = None) -> Pipeline:
    """A pipeline made by a function, with the keys of a YAML file and then overrides applied."""
    of_file = [] if keys is None else list(_overrides_of("", read_mapping(keys)))
    source = f"{keys}: " if of_file and not overrides else ""
    return make_pipeline(pipeline_data(pipeline), [*of_file, *parse_overrides(overrides)], pipeline.name, source)


def _overrides_of(prefix: str, data: Json) -> Iterator[Override]:
    """One for each key; what has a `kind` is replaced as a whole. A stage without keys is one too, for `make_pipeline` to refuse."""
    for key, value in data.items():
        if isinstance(value, dict) and "kind" not in value and (value or prefix):
            yield from _overrides_of(f"{prefix}{key}.", value)
        else:
            yield Override(f"{prefix}{key}", value)


def dump_pipeline(pipeline: Pipeline) -> str:
    """The whole resolved pipeline as YAML; `read_pipeline` reads it back to an equal one."""
    return write_yaml(pipeline_data(pipeline))


def pipeline_data(pipeline: Pipeline) -> Json:
    """The pipeline as plain data, with every key of every configuration."""
    return {"name": pipeline.name, "stages": {stage.name: stage_data(stage) for stage in pipeline.stages}}


def stage_data(stage: Stage) -> Json:
    """A stage as plain data, without keys that inputs fill."""
    config = without(stage.work.as_set(), stage.inputs)
    return {"work": stage.kind, **({"inputs": dict(stage.inputs)} if stage.inputs else {}), **config}


def without(data: Json, keys: Sequence[str] | Mapping[str, Any]) -> Json:
    """A copy of ``data`` without the dotted ``keys``."""
    marked = apply_overrides(data, [Override(key, None) for key in keys], {})
    for key in keys:
        *parents, last = key.split(".")
        node: Any = marked
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node[part]
        del node[last]
    return marked


def make_pipeline(data: Json, overrides: Sequence[Override] = (), default_name: str = "pipeline", source: str = "") -> Pipeline:
    """The pipeline of plain data. Any mistake is a `ConfigError` of one line, which begins with ``source``."""
    _check_keys(data, source)
    stages = data["stages"]
    for override in overrides:
        name, _, key = override.key.partition(".")
        if name not in stages or not key:
            remedy = "give keys of this stage" if name in stages else f"start with a stage{_nearest(name, stages)} and a dot"
            raise ConfigError(f"{source}{override.key} = {override.value!r}: {remedy}")
    try:
        made = _Stages(stages, overrides)
        return Pipeline(str(data.get("name", default_name)), tuple(made.stage(name) for name in stages))
    except ConfigError as error:
        raise ConfigError(f"{source}{error}") from None


def _check_keys(data: Json, source: str) -> None:
    for key in data:
        if key not in ("name", "stages"):
            raise ConfigError(f"{source}unknown key {key}: a pipeline has name and stages")
    stages = data.get("stages")
    if not isinstance(stages, dict) or not stages:
        raise ConfigError(f"{source}stages is missing: give the stages by name, such as `stages: {{zero: {{work: zero}}}}`")
    for name, written in stages.items():
        if not isinstance(name, str) or not isinstance(written, dict):
            raise ConfigError(f"{source}stages.{name} = {str(written)[:80]!r}: expected a name and lines of `key: value`")


class _Stages:
    """Makes stages, those first whose models others take."""

    def __init__(self, written: Mapping[str, Json], overrides: Sequence[Override]) -> None:
        self._written, self._overrides = written, overrides
        self._made, self._open = dict[str, tuple[Stage, ModelFacts]](), list[str]()

    def stage(self, name: str) -> Stage:
        """The stage of this name. Any mistake raises a one-line `ConfigError`."""
        return self._with_facts(name)[0]

    def _with_facts(self, name: str) -> tuple[Stage, ModelFacts]:
        """The stage, and the facts of the model that it makes."""
        if name not in self._made:
            self._open.append(name)
            self._made[name] = self._make(name)
            self._open.remove(name)
        return self._made[name]

    def _made_by(self, name: str) -> ModelFacts:
        """The facts of the model of a stage; nothing is known in a cycle or of a stage that is missing, which the graph refuses."""
        return ModelFacts(tiny=False) if name not in self._written or name in self._open else self._with_facts(name)[1]

    def _make(self, name: str) -> tuple[Stage, ModelFacts]:
        data = dict(self._written[name])
        work, inputs = data.pop("work", None), data.pop("inputs", None) or {}
        tokens = []
        for override in (each for each in self._overrides if each.key.startswith(f"{name}.")):
            key = override.key.removeprefix(f"{name}.")
            if key.startswith("inputs."):
                inputs = {**inputs, key.removeprefix("inputs."): override.value}
            else:
                tokens.append(f"{key}={json.dumps(override.value, default=str)}")
        if not isinstance(inputs, dict) or not all(isinstance(text, str) for item in inputs.items() for text in item):
            raise ConfigError(f"stage {name}: inputs = {str(inputs)[:80]}: expected lines of `key: stage`, such as `model: base`")
        try:
            model = _model(work)
            key = model_key(model, data, inputs)
            given = [each.value for each in parse_overrides(tokens) if each.key == key]
            facts = facts_of({**data, **({key: given[-1]} if given else {})}, inputs, self._made_by, key)
            follow = following(str(work).replace("_", "-"), facts)
            config = _config(model, with_templates(data, inputs, self._made_by), inputs, tokens, follow)
        except ConfigError as error:
            raise ConfigError(f"stage {name}: {error}") from None
        stage = Stage(name, config, inputs, follow.context)
        return stage, made_facts(stage, facts)


def _config(model: type[Config], data: Json, inputs: Mapping[str, str], tokens: Sequence[str], follow: Following) -> Config:
    """Inputs go in as ``@STAGE``, so that a key without a default has a value."""
    for key in inputs:
        if _has(data, key) or any(_has(apply_overrides({}, [each], {}), key) for each in parse_overrides(tokens)):
            raise ConfigError(f"{key} is given twice, as an input and as a key: leave one of them out")
    given = [*tokens, *(f"{key}={json.dumps(f'@{source}')}" for key, source in inputs.items())]
    return load_following(model, None, given, follow, base=data)[0]


def _has(data: Any, key: str) -> bool:
    """True if ``data`` has the dotted ``key``."""
    for part in filter(None, key.split(".")):
        if isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        elif isinstance(data, dict) and part in data:
            data = data[part]
        else:
            return False
    return True


def _model(work: object) -> type[Config]:
    if isinstance(work, str) and work in KINDS:
        return KINDS[work]
    if work is None:
        raise ConfigError(f"work is missing: choose from {', '.join(KINDS)}")
    close = difflib.get_close_matches(str(work), KINDS, n=1)
    raise ConfigError(f"work = {str(work)[:80]!r}: expected {', '.join(KINDS)}" + (f"; did you mean {close[0]}?" if close else ""))


def _nearest(name: str, stages: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, stages, n=1)
    return f", such as {close[0]}," if close else f" ({', '.join(stages)})"
