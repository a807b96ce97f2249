"""Makes the reward of a run from its configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, assert_never

from dunwu.config.references import references
from dunwu.config.rewards import (
    AccuracyPart,
    AnyPart,
    EnvironmentPart,
    FormatPart,
    LanguagePart,
    ModelPartConfig,
    OwnPart,
    RepetitionPart,
    RulePart,
    TeacherPart,
    TripwireConfig,
    WordLimitPart,
)
from dunwu.config.teacher import DialogueConfig
from dunwu.errors import ConfigError
from dunwu.models.bundled import BUNDLED_NAME, newest_checkpoint
from dunwu.process.code_hash import file_code_hash
from dunwu.process.own_code import load_function
from dunwu.rewards.compose import ACCURACY, HIDDEN, ComposedReward, Part
from dunwu.rewards.environment import EnvironmentScore, load_environment
from dunwu.rewards.form import OneBox, Reply, Summary, TagStructure
from dunwu.rewards.language import LanguageConsistency
from dunwu.rewards.length import WordLimit
from dunwu.rewards.own import OwnFunction
from dunwu.rewards.repetition import Repetition
from dunwu.rewards.scope import SCOPES, Reasoning, Visible, Whole
from dunwu.rewards.strict import strictly_right
from dunwu.run.directory import content_hash


def make_reward(configs: Sequence[AnyPart], tripwire: TripwireConfig | None = None, end_marker: str = "") -> ComposedReward:
    """The configured reward of one rollout, without reward models, teachers and custom functions that see the whole group: the trainer adds
    those (`dunwu.trainers.group_rewards`).

    Raises `ConfigError` for two parts with the same name and for functions that cannot be loaded.
    """
    accuracy = next((config for config in configs if isinstance(config, AccuracyPart)), None)
    models = [config.kind for config in configs if isinstance(config, ModelPartConfig)]
    teachers = [config.name for config in configs if isinstance(config, TeacherPart)]
    comparing = [config for config in configs if isinstance(config, OwnPart) and config.sees == "group"]
    parts = tuple(
        make_part(config)
        for config in configs
        if config is not accuracy and config not in comparing and not isinstance(config, ModelPartConfig | TeacherPart)
    )
    for config in comparing:
        load_function(config.function)
    names = [ACCURACY, *(part.name for part in parts), *models, *teachers, *map(own_name, comparing)]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"reward has two parts named {double!r}: give one of them another name, such as name: {double}-2")
    if HIDDEN in names:
        raise ConfigError(f"a part of the reward is named {HIDDEN!r}, a name reserved for the tripwire: rename it")
    if tripwire is not None and tripwire.part not in names:
        raise ConfigError(f"tripwire.part = {tripwire.part!r} is not a part of the reward: choose from {', '.join(names)}")
    if tripwire is not None and tripwire.part in models and tripwire.mode == "disagreement":
        raise ConfigError(f"tripwire.part = {tripwire.part!r}: a model's score is neither right nor wrong; set tripwire.mode to divergence")
    return ComposedReward(
        accuracy_weight=accuracy.weight if accuracy else 0.0,
        parts=parts,
        accuracy_tasks=accuracy.tasks if accuracy else (),
        end_marker=end_marker,
        hidden=_hidden_check(tripwire) if tripwire else None,
        hidden_share=tripwire.share if tripwire else 1.0,
    )


def make_part(config: RulePart) -> Part[Any]:
    """One part other than accuracy. A custom function is loaded here once, so that its errors show before the run starts."""
    weight, tasks = config.weight, config.tasks
    match config:
        case FormatPart():
            return _format_part(config)
        case LanguagePart():
            return Part("language", Reasoning, LanguageConsistency(config.target), weight, tasks)
        case RepetitionPart():
            return Part("repetition", Whole, Repetition(config.words), weight, tasks)
        case WordLimitPart():
            return Part("words", Whole, WordLimit(config.free, config.limit), weight, tasks)
        case OwnPart():
            load_function(config.function)
            return Part(own_name(config), SCOPES[config.scope], OwnFunction(config.function), weight, tasks)
        case EnvironmentPart():
            load_environment(config.function)
            return Part(config.name, Whole, EnvironmentScore(config.function), weight, tasks)
        case AccuracyPart():
            raise ConfigError("reward has accuracy twice: remove one of them")
        case _:
            assert_never(config)


def refuse_unknown_tasks(configs: Sequence[AnyPart], trained: Sequence[str], evaluated: Callable[[], Sequence[str]] = list) -> None:
    """Raise `ConfigError` for a part limited to a task that the run does not have: it would silently never apply.

    ``trained`` names the tasks of training; ``evaluated`` returns those of evaluations and is only called for other names.
    """
    for place, config in enumerate(configs):
        unknown = [name for name in config.tasks if name not in trained]
        known = list(dict.fromkeys([*trained, *evaluated()])) if unknown else []
        if wrong := next((name for name in unknown if name not in known), None):
            raise ConfigError(f"reward.{place}.tasks: {wrong!r} is not a task of this run: choose from {', '.join(known)}")


def own_name(config: OwnPart) -> str:
    """The name of the part in metrics."""
    return config.name or config.function.rpartition(":")[2]


def _format_part(config: FormatPart) -> Part[Any]:
    weight, tasks = config.weight, config.tasks
    match config.form:
        case "tags":
            return Part("format", Whole, TagStructure(), weight, tasks)
        case "boxed":
            return Part("format-boxed", Visible, OneBox(), weight, tasks)
        case "summary":
            return Part("format-summary", Whole, Summary(), weight, tasks)
        case "reply":
            return Part("format-reply", Whole, Reply(), weight, tasks)


def own_files(
    configs: Sequence[AnyPart], tripwire: TripwireConfig | None = None, dialogue: DialogueConfig | None = None
) -> dict[str, Path]:
    """Custom files and model folders of the reward and of a dialogue, by their configuration key: inputs of the run, so that a change is
    noticed."""
    functions = {f"reward.{i}": config.function for i, config in enumerate(configs) if isinstance(config, OwnPart | EnvironmentPart)}
    if tripwire is not None and tripwire.function is not None:
        functions["tripwire"] = tripwire.function
    files = {key: Path(function.rpartition(":")[0]).expanduser() for key, function in functions.items()}
    models = {f"reward.{i}": Path(config.model).expanduser() for i, config in enumerate(configs) if isinstance(config, ModelPartConfig)}
    return files | {key: folder for key, folder in models.items() if folder.is_dir()} | dict(_of_teachers(configs, dialogue))


def _of_teachers(configs: Sequence[AnyPart], dialogue: DialogueConfig | None) -> Iterator[tuple[str, Path]]:
    """Code and models of teachers."""
    teachers = {f"reward.{i}.teacher": config.teacher for i, config in enumerate(configs) if isinstance(config, TeacherPart)}
    if dialogue is not None and dialogue.teacher is not None:
        teachers["dialogue.teacher"] = dialogue.teacher
    for teacher_key, teacher in teachers.items():
        for key, text, kind in references(teacher, teacher_key):
            path = Path(text.rpartition(":")[0]).expanduser() if kind == "code" else newest_checkpoint(Path(text).expanduser())
            if path.exists() and not (kind == "model" and text == BUNDLED_NAME):
                yield key, path


def own_hash(path: Path) -> str:
    """Hash of one of `own_files`: of code, its syntax tree counts."""
    return file_code_hash(path) if path.is_file() else content_hash(path)


def _hidden_check(tripwire: TripwireConfig) -> Part[Any]:
    if tripwire.function is None:
        return Part(HIDDEN, Whole, strictly_right)
    load_function(tripwire.function)
    return Part(HIDDEN, Whole, OwnFunction(tripwire.function))
