"""Distillation against reinforcement learning as a graph of stages: one student, every way, several seeds, at equal compute.

For each seed ``s``, and each ``way`` that is compared::

    teacher-data --> text-s       <-- student-base (a new student only)
    text-s       --> rl-s             ends when it has taken the FLOPs of text-s
    text-part-s  --> text-rl-s        ends when both have
    way-s        --> measured-way-s --> comparison

What learns beside the teacher does so on the rows of ``text-s`` for as many epochs, and therefore with the same FLOPs of the student; all
else ends with this budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from dunwu.config.compare import CompareConfig, Way
from dunwu.config.data import LocalGenerator
from dunwu.config.load import read_mapping
from dunwu.config.overrides import apply_overrides, parse_overrides
from dunwu.config.presets import PresetValue
from dunwu.errors import ConfigError
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.models.facts import model_facts
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import make_pipeline
from dunwu.pipeline.recipes.distill import (
    BASE,
    DATA,
    base_stage,
    check_inside,
    machine,
    of_teacher,
    read_distilling,
    rows_stage,
    suite_stage,
)

Json = dict[str, Any]
WAYS: tuple[Way, ...] = get_args(Way)
ASSISTANT, TABLE = "assistant", "comparison"
MORE_EPOCHS = 20
"""Times the epochs of text, at most: training ends with its budget."""


@dataclass(frozen=True, slots=True)
class Branch:
    """The stages of one way and seed; its last one makes the student that is measured."""

    stages: Mapping[str, Json]
    taught_by: tuple[str, ...] = (DATA,)
    """Shared stages whose compute counts as the teacher's."""

    @property
    def last(self) -> str:
        """The stage that makes the student."""
        return list(self.stages)[-1]


def compare_pipeline(config: CompareConfig, name: str = "compare") -> Pipeline:
    """The graph of a complete configuration, as `read_compare` gives it."""
    graph = _Graph(config)
    seeds = range(config.seed, config.seed + config.seeds)
    branches = {way: [graph.branch(way, seed) for seed in seeds] for way in ways_of(config)}
    stages = graph.shared(branches)
    for each in (branch for row in branches.values() for branch in row):
        stages |= {**each.stages, f"measured-{each.last}": graph.suite | {"inputs": {"model": each.last}}}
    return make_pipeline({"name": name, "stages": {**stages, TABLE: _table(branches)}})


class _Graph:
    """Makes the stages of one comparison."""

    def __init__(self, config: CompareConfig) -> None:
        assert isinstance(config.teacher, LocalGenerator), "the configuration has checked it"
        self.config, self.teacher = config, config.teacher
        self.suite, self.rows = suite_stage(config), rows_stage(config)
        self.part = min(config.training.epochs - 1, max(1, round(config.rl.text_share * config.training.epochs)))
        """Epochs of the text before RL."""

    def shared(self, branches: Mapping[Way, Sequence[Branch]]) -> dict[str, Json]:
        """What all seeds share."""
        base = {} if self.config.student is None else {BASE: base_stage(self.config, self.config.student)}
        assistant = self._assistant() if "progressive" in branches else {}
        measured = {"measured-teacher": self.suite | of_teacher(self.teacher), "measured-base": self._of_base(self.suite)}
        return {DATA: self.rows, **base, **assistant, **measured}

    def branch(self, way: Way, seed: int) -> Branch:
        """The stages of a way with a seed."""
        name = f"{way.replace('+', '-')}-{seed}"
        match way:
            case "text":
                return Branch({name: self._text(seed)})
            case "rl":
                return Branch({name: self._of_base(self._rl(seed, 1.0))}, taught_by=())
            case "rl-long":
                long = self._of_base(self._rl(seed, 1.0))
                return Branch({name: {**long, "inputs": {**long["inputs"], "budget_with.teacher": DATA}}}, taught_by=())
            case "dialogue":
                return Branch({name: self._of_base(self._dialogue(seed))}, taught_by=())
            case "text+rl":
                part, share = f"text-part-{seed}", 1 - self.part / self.config.training.epochs
                rest = self._rl(seed, share)
                rest["inputs"]["model"] = part
                return Branch({part: self._text(seed) | {"epochs": self.part}, name: rest})
            case "progressive":
                rows = {"data": f"{ASSISTANT}-data"}
                return Branch({name: self._in_budget(self._text(seed), seed, rows)}, taught_by=(DATA, *self._assistant()))
            case "on-policy":
                return Branch({name: self._in_budget(self._beside(way, seed), seed)})
        return Branch({name: self._beside(way, seed)})

    def _of_base(self, stage: Json) -> Json:
        """The stage, on the student before training."""
        if self.config.student is None:
            return {**stage, "model": self.config.model}
        return {**stage, "inputs": {**stage.get("inputs", {}), "model": BASE}}

    def _text(self, seed: int) -> Json:
        training = self.config.training.model_dump(mode="json")
        return self._of_base({"work": "sft", **machine(self.config), "seed": seed, **training, "inputs": {"data": DATA}})

    def _beside(self, way: Way, seed: int) -> Json:
        method = _method(self.config, way).model_dump(mode="json")
        return self._text(seed) | {"work": "distillation", "teacher": self.teacher.model, "method": method}

    def _in_budget(self, stage: Json, seed: int, inputs: Mapping[str, str] = MappingProxyType({})) -> Json:
        """The stage with as much compute as text, in whatever epochs that takes."""
        epochs = MORE_EPOCHS * self.config.training.epochs
        return {**stage, "epochs": epochs, "inputs": {**stage["inputs"], **inputs, "budget": f"text-{seed}"}}

    def _rl(self, seed: int, share: float) -> Json:
        config, rl = self.config, self.config.rl
        reading = config.model_dump(mode="json", include={"tasks", "answer_form", "reward_workers", "reward_timeout"})
        how = rl.model_dump(mode="json", exclude={"text_share"})
        budget: Json = {"budget_share": share, "inputs": {"budget": f"text-{seed}"}}
        return {"work": "zero", **machine(config), "seed": seed, **reading, **how, "evaluations": [], **budget}

    def _dialogue(self, seed: int) -> Json:
        stage, how = self._rl(seed, 1.0), self.config.dialogue
        part = {"kind": "teacher", "closeness": how.closeness, "weight": how.weight, "teacher": self.rows["generator"]}
        turns = {"dialogue": how.model_dump(exclude={"closeness", "weight"})} if how.turns > 1 else {}
        return {**stage, "reward": [*stage["reward"], part], **turns}

    def _assistant(self) -> dict[str, Json]:
        """The assistant learns from the teacher's rows, and answers the same problems in the teacher's place."""
        config, given = self.config, self.config.assistant
        text = self._text(config.seed)
        generator = {key: value for key, value in self.rows["generator"].items() if key not in ("model", "template")}
        made = {f"{ASSISTANT}-data": {**self.rows, "generator": generator, "inputs": {"generator.model": ASSISTANT}}}
        if given.model is not None or config.student is None:
            return {ASSISTANT: {**text, "model": given.model, "inputs": {"data": DATA}}, **made}
        shape = config.student.model_copy(update=given.model_dump(exclude={"model"}))
        text["inputs"]["model"] = f"{ASSISTANT}-base"
        return {f"{ASSISTANT}-base": base_stage(config, shape), ASSISTANT: text, **made}


def _method(config: CompareConfig, way: Way) -> Any:
    return getattr(config, way.replace("-", "_"))


def _table(branches: Mapping[Way, Sequence[Branch]]) -> Json:
    """The stage that reads all suites and costs."""
    inputs = {"references.base": "measured-base", "references.teacher": "measured-teacher"}
    for row, runs in enumerate(branches.values()):
        for place, each in enumerate(runs):
            at = f"rows.{row}.runs.{place}"
            inputs |= {f"{at}.suite": f"measured-{each.last}"}
            inputs |= {f"{at}.student.{name}": name for name in each.stages}
            inputs |= {f"{at}.teacher.{name}": name for name in each.taught_by}
    rows: list[Json] = [{"name": way, "runs": [{} for _ in runs]} for way, runs in branches.items()]
    return {"work": "comparison", "rows": rows, "inputs": inputs}


def ways_of(config: CompareConfig) -> list[Way]:
    """The ways that are compared, in the order of the table. Raises ``ConfigError`` for one that is named and does not fit."""
    unfit = dict(_unfit(config))
    if wrong := next((way for way in config.ways or () if way in unfit), None):
        raise ConfigError(f"ways has {wrong}: {unfit[wrong]}")
    return [way for way in WAYS if way == "text" or (way not in unfit and (config.ways is None or way in config.ways))]


def notes(config: CompareConfig) -> list[str]:
    """The ways that are left out, with the reason."""
    return [] if config.ways else [f"not compared: {way}: {reason}" for way, reason in _unfit(config)]


def _unfit(config: CompareConfig) -> Iterator[tuple[Way, str]]:
    """The ways that do not fit teacher and student, with the reason."""
    inner: tuple[Way, ...] = ("logits", "on-policy", "hidden", "attention")
    for way in inner:
        try:
            check_inside(config, _method(config, way))
        except ConfigError as error:
            yield way, str(error).replace("method=text", f"leave {way} out")
    if config.student is None and config.assistant.model is None:
        yield "progressive", "a student that exists needs an assistant that exists: set assistant.model, or leave progressive out"
    if config.training.epochs == 1:
        yield "text+rl", "training.epochs = 1 cannot be divided between text and RL: set it to 2 or more, or leave text+rl out"


def read_compare(file: Path | None, overrides: Sequence[str], fetch: bool) -> tuple[CompareConfig, Mapping[str, PresetValue]]:
    """As `read_distilling`. In the tiny world the student is a new one, unless another is named."""
    data = apply_overrides({} if file is None else read_mapping(file), parse_overrides(overrides), {})
    tiny = "model" not in data and model_facts(BUNDLED_NAME).tiny
    new = ["student={}"] if tiny and "student" not in data else []
    config, chosen = read_distilling(CompareConfig, "compare", file, [*new, *overrides], fetch)
    ways_of(config)
    return config, chosen
