"""Distillation as a graph of stages: a teacher's rows, a student trained on them, and all of them measured alike.

::

    teacher-data --> student <-- student-base (a new student only)
    measured-teacher (a local one only), measured-before, measured-student --> table

The same stages can be written in a recipe of `dunwu run`, where several students may share the rows of a teacher.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from dunwu.config.data import LocalGenerator
from dunwu.config.defaults import ASKED, Following, ModelFacts, following, has_rows, is_set, of_adapters, template_of
from dunwu.config.distill import NEW_STUDENT, DistillConfig, Distilling, NewStudent, student_rate
from dunwu.config.load import load_following, read_mapping
from dunwu.config.overrides import apply_overrides, parse_overrides
from dunwu.config.presets import PresetValue
from dunwu.config.pretrain import ModelShape
from dunwu.config.tasks import CodeTask, DatasetTask, task_title
from dunwu.config.template import plain
from dunwu.config.zero import EvalConfig
from dunwu.data.io.conversations import conversation, is_bad
from dunwu.errors import ConfigError
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.models.facts import model_facts
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import make_pipeline
from dunwu.pipeline.run_models import model_of
from dunwu.tasks.forms import renamed
from dunwu.tasks.rows import first_row
from dunwu.text.answer_forms import DEFAULT, KEY

Json = dict[str, Any]
AnyDistilling = TypeVar("AnyDistilling", bound=Distilling)
DATA, BASE, STUDENT, TABLE = "teacher-data", "student-base", "student", "table"


def size_of(model: str) -> Any:
    """Its `dunwu.jobs.memory.Dimensions`, whose module imports torch; ``None`` if its config.json is not here."""
    from dunwu.jobs.memory import read_dimensions

    return read_dimensions(model)


def distill_pipeline(config: DistillConfig, name: str = "distill") -> Pipeline:
    """The graph of a complete configuration, whose models are folders or hub ids, as `read_distill` gives it."""
    stages = {DATA: rows_stage(config), **_student(config)}
    return make_pipeline({"name": name, "stages": stages | (_measured(config, stages) if config.evaluations else {})})


def rows_stage(config: Distilling) -> Json:
    """The stage that makes the teacher's rows; without a limit of their length, it is the student's."""
    rows = config.rows.model_dump(mode="json", exclude={"data", "columns"})
    rows["filters"]["max_tokens"] = config.rows.filters.max_tokens or _positions(config)
    rows["decontaminate"] += [_kept_out(name, each) for name, each in named_sets(config).items()]
    shared = {"model": config.model, "seed": config.seed}
    if config.stored is not None:
        kept = {key: rows[key] for key in ("filters", "near_duplicates", "decontaminate")}
        return {"work": "clean", **config.stored.model_dump(include={"data", "columns"}), **shared, **kept}
    local = isinstance(config.teacher, LocalGenerator)
    placed = {key: getattr(config, key) for key in ("device", "threads") if local and key not in config.teacher.model_fields_set}
    dumped = config.model_dump(mode="json", include={"tasks", "answer_form", "reward_workers", "reward_timeout"})
    return {"work": "rejection_sampling", "generator": {**config.teacher.model_dump(mode="json"), **placed}, **dumped, **shared, **rows}


def _positions(config: Distilling) -> int | None:
    """Tokens of the longest conversation that the student can be trained on; ``None`` if its config.json is not here."""
    if config.student is not None:
        most: int | None = config.student.max_positions
    else:
        size = size_of(config.model)
        most = size.positions or None if size else None
    return min(filter(None, (most, config.training.max_length)), default=None)


def named_sets(config: Distilling) -> dict[str, EvalConfig]:
    """The eval sets by names that a suite accepts."""
    named: dict[str, EvalConfig] = {}
    for each in config.evaluations:
        title = re.sub(r"[^A-Za-z0-9]+", "-", task_title(each.task)).strip("-")[:60] or each.task.kind
        names = itertools.chain([title], (f"{title}-{number}" for number in itertools.count(2)))
        named[next(name for name in names if name not in named)] = each
    return named


def _kept_out(name: str, held_out: EvalConfig) -> Json:
    """An eval set as one that the rows must not contain: of rows the whole split, of generated problems those that are measured."""
    keys = ("split", "seed") if isinstance(held_out.task, DatasetTask | CodeTask) else ("split", "seed", "problems")
    dumped = held_out.model_dump(mode="json")
    return {"name": name, "task": dumped["task"], **{key: dumped[key] for key in keys}}


def _student(config: DistillConfig) -> dict[str, Json]:
    training: Json = {"work": "sft", **machine(config), **config.training.model_dump(mode="json")}
    if isinstance(config.teacher, LocalGenerator) and config.method.kind != "text":
        training |= {"work": "distillation", "teacher": config.teacher.model, "method": config.method.model_dump(mode="json")}
    if config.student is None:
        return {STUDENT: {**training, "model": config.model, "inputs": {"data": DATA}}}
    return {BASE: base_stage(config, config.student), STUDENT: {**training, "inputs": {"data": DATA, "model": BASE}}}


def machine(config: Distilling) -> Json:
    """The keys of a stage that computes."""
    return {"device": config.device, "threads": config.threads, "seed": config.seed}


def base_stage(config: Distilling, student: NewStudent) -> Json:
    """The stage that makes a new student."""
    new = student.model_dump(mode="json", include=set(ModelShape.model_fields))
    base: Json = {"work": "new_model", "shape": new, "tokenizer": config.model, "seed": config.seed}
    seen = {"work": "pretrain", "tokens": student.tokens, "batch_tokens": student.batch_tokens, **machine(config)}
    return base | (seen if student.tokens else {})


def _measured(config: DistillConfig, stages: Mapping[str, Json]) -> dict[str, Json]:
    """The same suite of each model, prompted as it was trained, and the table."""
    suite = suite_stage(config)
    made: dict[str, Json] = {}
    if isinstance(config.teacher, LocalGenerator):
        made["teacher"] = suite | of_teacher(config.teacher)
    made["before"] = {**suite, **({"inputs": {"model": BASE}} if BASE in stages else {"model": config.model})}
    made["student"] = {**suite, "inputs": {"model": STUDENT}}
    inputs = {f"rows.{place}.path": f"measured-{name}" for place, name in enumerate(made)}
    table = {"work": "stage_table", "rows": [{"name": name} for name in made], "inputs": inputs}
    return {**{f"measured-{name}": each for name, each in made.items()}, TABLE: table}


def suite_stage(config: Distilling) -> Json:
    """The evaluation of a model, which is the same for all."""
    sets = {name: each.model_dump(mode="json") for name, each in named_sets(config).items()}
    workers = config.model_dump(mode="json", include={"device", "threads", "reward_workers", "reward_timeout"})
    return {"work": "suite", "reasoning": sets, **workers}


def of_teacher(teacher: LocalGenerator) -> Json:
    """The keys of a suite that are the teacher's."""
    return {"model": teacher.model, "template": plain(teacher.template), "engine": teacher.engine.model_dump()}


def read_distill(file: Path | None, overrides: Sequence[str], fetch: bool) -> tuple[DistillConfig, Mapping[str, PresetValue]]:
    """As `read_distilling`, for a pair that can be distilled."""
    config, chosen = read_distilling(DistillConfig, "distill", file, overrides, fetch)
    if config.method.kind != "text":
        check_inside(config, config.method)
    return config, chosen


def read_distilling(
    model: type[AnyDistilling], command: str, file: Path | None, overrides: Sequence[str], fetch: bool
) -> tuple[AnyDistilling, Mapping[str, PresetValue]]:
    """The configuration, in which models that are runs have become their checkpoints, and the values in it that follow teacher and student,
    with their reasons. Any mistake raises a one-line ``UserError``."""
    data = apply_overrides({} if file is None else read_mapping(file), parse_overrides(overrides), {})
    if "teacher" not in data:
        raise ConfigError("the teacher is missing: name it with --teacher, such as --teacher runs/r1")
    follow = following(command, student := _facts(data.get("model"), fetch))
    values = {**follow.values, **_follow_student(data, student), **_follow_teacher(data, student, fetch)}
    # It cannot be merged below a block that has a kind.
    template = None if is_set(data, "teacher.template") else values.pop("teacher.template", None)
    given = [] if template is None else [f"teacher.template={json.dumps(template.value)}"]
    config, chosen = load_following(model, file, [*overrides, *given], Following(values, follow.context))
    config = _with_folders(config)
    if config.stored is not None:
        row = renamed(first_row(Path(config.stored.data).expanduser()), config.stored.columns)
        if not is_bad(row):
            conversation(row)  # rows without answers would all be dropped as too short
    return config, chosen | ({} if template is None else {"teacher.template": template})


def check_inside(config: Distilling, method: object) -> None:
    """Raise ``ConfigError`` for a student that cannot learn from the teacher's inside, as far as both are on this machine."""
    if not isinstance(config.teacher, LocalGenerator):
        return
    from dunwu.jobs.distillation import check_sizes, check_tokenizers

    check_tokenizers(config.model, config.training.template, config.teacher.model)
    if (student := student_size(config)) and (teacher := size_of(config.teacher.model)):
        check_sizes(method, config.training.max_length, student, teacher)


def student_size(config: Distilling) -> Any:
    """As `size_of`; a new student has as many tokens as `model`."""
    known, new = size_of(config.model), config.student
    if known is None or new is None:
        return known
    shape = {"layers": new.layers, "width": new.hidden, "queries": new.hidden, "keys": new.hidden * new.kv_heads // new.heads}
    return replace(known, **shape, inner=new.intermediate, heads=new.heads, tied=True, positions=new.max_positions)


def _facts(model: object, fetch: bool) -> ModelFacts:
    return model_facts(model_of(str(model or BUNDLED_NAME)), fetch)


def _follow_student(data: Json, student: ModelFacts) -> dict[str, PresetValue]:
    """The paper's learning rate for a student that has learned something before; ours for a new one."""
    if isinstance(data.get("student"), dict):
        return dict(NEW_STUDENT)
    if student.tiny:
        return {}
    size = size_of(model := model_of(str(data["model"])))
    rate = student_rate(model, size.parameters if size else None)
    training = data.get("training")
    adapters = isinstance(training, dict) and training.get("lora") is not None
    return {"training.learning_rate": of_adapters("training.learning_rate", rate) if adapters else rate}


def _follow_teacher(data: Json, student: ModelFacts, fetch: bool) -> dict[str, PresetValue]:
    """How a local teacher was trained; others are asked for the answer in its form, if the problems do not do it."""
    teacher = data.get("teacher")
    if not isinstance(teacher, dict) or teacher.get("kind") not in ("local", "endpoint", "own"):
        return {}
    local = teacher["kind"] == "local"
    facts = _facts(teacher.get("model"), fetch) if local else ModelFacts(tiny=False)
    values = {"teacher.template": PresetValue(template_of(facts), "as the teacher was trained")} if local else {}
    if facts.template is not None or facts.tiny:
        form = facts.answer_form or DEFAULT
        return values | ({} if form == DEFAULT else {KEY: PresetValue(form, "as the teacher was trained")})
    if student.tiny or not has_rows(data):
        return values
    return {**values, KEY: ASKED[KEY], "rows.ask_for_form": PresetValue(True, "the problems do not ask for the answer in a form")}


def _with_folders(config: AnyDistilling) -> AnyDistilling:
    """Models that are runs, as the folders of their checkpoints."""
    folders: Json = {"model": model_of(config.model)}
    if isinstance(config.teacher, LocalGenerator):
        folders["teacher"] = config.teacher.model_copy(update={"model": model_of(config.teacher.model)})
    return config.model_copy(update=folders)


def notes(config: Distilling) -> list[str]:
    """What may surprise, though it works."""
    if not isinstance(config.teacher, LocalGenerator):
        return []
    same = config.student is None and config.model == config.teacher.model
    if isinstance(config, DistillConfig) and config.method.kind != "text" and same:
        return [f"note: teacher and student are one model: method = {config.method.kind} only keeps the student where it is"]
    teacher, student = size_of(config.teacher.model), student_size(config)
    if teacher is None or student is None or student.parameters <= teacher.parameters:
        return []
    return [
        f"note: the student has {student.parameters:,} parameters, the teacher {teacher.parameters:,}; distillation usually goes from a"
        " large model to a small one"
    ]
