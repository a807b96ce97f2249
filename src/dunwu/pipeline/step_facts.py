"""What a card says of one step's configuration: settings that matter, data, teachers. Names stay, places of this machine do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dunwu.analysis.model_history import Source
from dunwu.config.licences import OF_DATA, UNKNOWN
from dunwu.config.references import SUFFIXES
from dunwu.models.bundled import BUNDLED_NAME, bundled_path
from dunwu.models.readme import licence_of
from dunwu.pipeline.lineage import settings
from dunwu.tasks.code import KNOWN_CODE
from dunwu.tasks.dataset import KNOWN

Json = Mapping[str, Any]
ALWAYS = (
    *("seed", "epochs", "batch_size", "learning_rate", "final_learning_rate", "warmup_steps", "max_length", "tokens", "batch_tokens"),
    *("grpo.algorithm", "grpo.steps", "grpo.prompts_per_step", "grpo.group_size", "grpo.learning_rate", "grpo.beta", "grpo.inner_epochs"),
    *("sampling.max_tokens", "sampling.temperature", "lora", "answer_form", "criterion"),
    *("method.kind", "method.weight", "method.divergence", "method.temperature", "method.layers", "method.distance", "method.of"),
    "method.student_share",
)
"""Keys that are shown even with their default value."""
NEVER = re.compile(
    r"(model|data|validation|tasks?|evaluations|reward|template|columns|engine|device|threads|save_\w+|keep_checkpoints|sample_every|report_to"
    r"|reward_\w+|dump_\w+|evaluate_\w+|max_learning_rate|micro_batch_tokens|gradient_checkpointing|matmul_precision|files)(\..*)?"
    r"|decontaminate.*|(.*\.)?(url|key_env|concurrency|requests_per_minute|\w+_price|timeout|retries|max_refused|engine\..*|device|threads|model|data|path|function)"
)
"""Keys with a section of their own, and those that say how a machine works."""
TASKS = ("countdown", "game24", "arithmetic", "dataset", "reasoning_gym", "code", "environment", "chat")
HELD_OUT = ("evaluations", "validation", "decontaminate", "reasoning", "general", "helpfulness", "safety", "judge", "reward", "tripwire")
GENERATORS = ("local", "endpoint", "own")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(:[\w.-]+)?")


def shown_settings(kind: str, config: Json) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values: those of `ALWAYS`, and what differs from the defaults; then the reward in words."""
    chosen = {key: value for key in ALWAYS if (value := _at(config, key)) is not None} | dict(settings(kind, dict(config)))
    asked = kind not in ("sft", "distillation")  # which samples only to show something
    yield from ((key, placeless(value)) for key, value in chosen.items() if not NEVER.fullmatch(key) and (asked or key[:9] != "sampling."))
    if parts := config.get("reward"):
        yield "reward", " + ".join(f"{each['weight']:g} {placeless(each.get('function') or each['kind'])}" for each in parts)


def sources(config: Json, origins: Json, rows: int | None = None) -> Iterator[Source]:
    """The data of a step: its tasks and files. ``origins``: of a pipeline's stage, the inputs by dotted key (`Artefact.manifest`);
    ``rows``: how many there are in all, which is the number of a single source."""
    found = list(dict.fromkeys(_source(key, value, origins) for key, value in _data(config, origins)))
    only = len(found) == 1 and not found[0].made
    yield from (replace(each, rows=rows) if only else each for each in found)


def teachers(config: Json, origins: Json, local: Callable[[Path], Source]) -> Iterator[Source]:
    """The models that write data in a step, and that teach in it; ``local`` describes a folder of this machine."""
    for key, generator in generators(config):
        yield _teacher(origins.get(f"{key}.model", {}), generator, local)
    for key, value in _nodes(config, ""):
        if key.rpartition(".")[2] == "teacher" and (isinstance(value, str) or key in origins):
            yield _teacher(origins.get(key, {}), {"kind": "local", "model": value}, local)


def generators(config: Json) -> Iterator[tuple[str, Json]]:
    """What writes data in a step, by dotted key; judges do not."""
    for key, value in _nodes(config, ""):
        if isinstance(value, Mapping) and value.get("kind") in GENERATORS:
            yield key, value


def languages(config: Json) -> Iterator[str]:
    """Languages of the tasks."""
    for _, value in _nodes(config, ""):
        if isinstance(value, Mapping) and (value.get("kind") in TASKS or "languages" in value):
            named = value.get("languages") or [value.get("language")]
            yield from (each for each in named if isinstance(each, str))


def placeless(value: Any) -> Any:
    """A value of a configuration with the last part of each path, and without addresses; a hub id and any other text stay."""
    if isinstance(value, Mapping):
        return {key: placeless(inner) for key, inner in value.items() if key not in ("url", "key_env")}
    if isinstance(value, list | tuple):
        return [placeless(inner) for inner in value]
    return _name(value) if isinstance(value, str) else value


def is_hub_id(text: str) -> bool:
    """True for ``owner/name`` that is no path here."""
    return _HUB_ID.fullmatch(text) is not None and not text.endswith(SUFFIXES) and not Path(text).expanduser().exists()


def _name(text: str) -> str:
    local = text.startswith(("/", "~/", "./", "../")) or text.endswith(SUFFIXES) or ".py:" in text
    written = "/" in text and "\n" not in text and not any(mark in text for mark in ("://", " ", "<"))
    return Path(text).name if (local or (written and not is_hub_id(text))) and "\n" not in text else text


def _at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, Mapping) else None
    return config


def _nodes(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Every value below, with its dotted key, outermost first; not what only measures or rewards."""
    yield key, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, inner in items:
        if name not in HELD_OUT:
            yield from _nodes(inner, f"{key}.{name}" if key else str(name))


def _data(config: Json, origins: Json) -> Iterator[tuple[str, Any]]:
    """Tasks, files by the key `data`, and sources that are generated."""
    for key, value in _nodes(config, ""):
        is_task = isinstance(value, Mapping) and value.get("kind") in (*TASKS, "tiny")
        is_file = key.rpartition(".")[2] == "data" and (isinstance(value, str) or key in origins)
        if is_task or is_file:
            yield key, value


def _source(key: str, value: Any, origins: Json) -> Source:
    task = value if isinstance(value, Mapping) else {"kind": "dataset", "path": value}
    origin = origins.get(f"{key}.path" if isinstance(value, Mapping) else key, {})
    if "stage" in origin:
        return Source(f"rows of the stage {origin['stage']}", made="see that stage")
    match task["kind"]:
        case "tiny":
            return Source("general tasks of Dunwu", "mit", made="generated")
        case "reasoning_gym":
            return Source(f"reasoning-gym: {task.get('name')}", OF_DATA["reasoning_gym"], made="generated")
        case "environment":
            return Source(_name(str(task.get("function"))))
        case "dataset" | "chat" | "code":
            return _rows(str(origin.get("path") or task.get("dataset") or task.get("path") or UNKNOWN))
        case kind:
            return Source(f"{kind} of Dunwu", OF_DATA.get(kind, UNKNOWN), made="generated")


def _rows(name: str) -> Source:
    """A data set by its name, hub id or path."""
    hub = KNOWN[name].hub_id if name in KNOWN else KNOWN_CODE[name].hub_id if name in KNOWN_CODE else name if is_hub_id(name) else None
    if hub is not None or name in KNOWN_CODE:
        plain = (hub or "").partition(":")[0]
        return Source(name, OF_DATA.get(name, OF_DATA.get(plain, UNKNOWN)), hub=plain)
    return Source(_name(name), licence_of(Path(name).expanduser()))


def _teacher(origin: Json, generator: Json, local: Callable[[Path], Source]) -> Source:
    if "stage" in origin:
        return Source(f"the model of the stage {origin['stage']}", made="see that stage")
    if generator["kind"] == "own":
        return Source(_name(str(generator.get("function"))))
    place = str(origin.get("path") or generator.get("model") or UNKNOWN)
    if generator["kind"] == "endpoint":
        return Source(f"{_name(place)}, at an endpoint")
    if place == BUNDLED_NAME:
        return Source(place, licence_of(bundled_path()))
    folder = Path(place).expanduser()
    return local(folder) if folder.is_dir() else Source(_name(place))
