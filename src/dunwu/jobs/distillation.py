"""Distillation beside the teacher from start to finish: as fine-tuning (`dunwu.jobs.sft`), with a teacher that must fit the student."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dunwu.config.distill_methods import AttentionMethod, DistillationConfig, HiddenMethod, LogitsMethod
from dunwu.config.template import Template
from dunwu.data.io.chat_examples import Examples
from dunwu.data.io.token_file import TokenFile
from dunwu.errors import ConfigError
from dunwu.jobs.memory import Dimensions, model_files, read_dimensions
from dunwu.jobs.outside import model_folder
from dunwu.jobs.sft import Kind, train_on_rows
from dunwu.models.loading import load_model, load_tokenizer
from dunwu.models.own_template import learnable
from dunwu.models.precision import torch_precision
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.models.tokenizer_alignment import tokenizer_difference, vocabulary
from dunwu.rollout.base import Engine
from dunwu.run.directory import TOKENS, content_hash
from dunwu.run.reporter import QUIET, Reporter
from dunwu.trainers.budget import budget_of
from dunwu.trainers.distill import DistillTrainer
from dunwu.trainers.distill_scoring import last_layers, relation_heads
from dunwu.trainers.teacher_store import Stored, StoredExamples, missing, store, store_folder

SETS = ("data", "validation")


def run_distillation(config: DistillationConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET, chosen: str = "") -> Path:
    """As `dunwu.jobs.sft.run_sft`."""

    def check(student: CausalLM, tokenizer: Tokenizer) -> None:
        check_teacher(config, tokenizer)

    def make(student: CausalLM, tokenizer: Tokenizer, engine: Engine, sets: Mapping[str, TokenFile]) -> DistillTrainer:
        examples = _stored(config, out, student, min(vocabulary(tokenizer), student.config.vocab_size), sets, reporter)
        teacher = None if examples else load_model(config.teacher, student.device)[0]
        data, validation = ((examples or sets).get(name, ()) for name in SETS)
        budget = budget_of(config, "distillation", student)
        return DistillTrainer(config, student, tokenizer, engine, data, validation, reporter, teacher=teacher, budget=budget)

    says = "Distillation beside the teacher: the loss covers the assistant's turns, including reasoning and end token."
    settings = config.method.model_dump(mode="json", exclude={"kind", "sampling"}).items()
    method = ", ".join([config.method.kind, *(f"{key} {value}" for key, value in settings)])
    facts = (("teacher", config.teacher), ("method", method))
    return train_on_rows(config, out, resume, reporter, chosen, Kind("distillation", says, facts, check, make))


def check_teacher(config: DistillationConfig, tokenizer: Tokenizer) -> None:
    """Raise ``ConfigError`` if the student, which has ``tokenizer``, cannot learn from the teacher's inside."""
    _refuse_other_tokens(tokenizer, config.teacher)
    if (student := read_dimensions(config.model)) and (teacher := read_dimensions(config.teacher)):
        check_sizes(config.method, config.max_length, student, teacher)
        if teacher.vocabulary < (needed := min(vocabulary(tokenizer), student.vocabulary)):
            raise ConfigError(
                f"teacher = {config.teacher}: it embeds {teacher.vocabulary:,} tokens, and the student reads {needed:,}; take both from one"
                " family of models, or method=text"
            )


def check_tokenizers(student: str, template: Template, teacher: str) -> None:
    """The part of `check_teacher` that needs no model: raise ``ConfigError`` if two models, both on this machine, have other tokens."""
    if model_files(student) and model_files(teacher):
        tokenizer = load_tokenizer(student)
        tokenizer.eos_token = learnable(template, tokenizer).end  # as `TrainingTemplate.adopt`
        _refuse_other_tokens(tokenizer, teacher)


def _refuse_other_tokens(tokenizer: Tokenizer, teacher: str) -> None:
    if why := tokenizer_difference(tokenizer, load_tokenizer(teacher)):
        raise ConfigError(
            f"teacher = {teacher}: its tokenizer is not the student's ({why}); take a student with the teacher's, or method=text"
        )


def check_sizes(method: object, max_length: int | None, student: Dimensions, teacher: Dimensions) -> None:
    """Raise ``ConfigError`` for a student that is larger than its teacher, and layers or positions that the teacher does not have."""
    if student.parameters > teacher.parameters:
        raise ConfigError(
            f"the student has {student.parameters:,} parameters, the teacher {teacher.parameters:,}: take a larger teacher, or method=text"
        )
    longest = max_length or student.positions
    if teacher.positions and longest > teacher.positions:
        raise ConfigError(f"max_length = {longest}: the teacher has {teacher.positions} positions; set it to {teacher.positions} at most")
    if isinstance(method, HiddenMethod | AttentionMethod) and method.layers == "last":
        last_layers(method.last, student.layers, teacher.layers)
    if isinstance(method, AttentionMethod):
        relation_heads(method, (student.queries, student.heads), (teacher.queries, teacher.heads))


def _stored(
    config: DistillationConfig, out: Path, student: CausalLM, tokens: int, sets: Mapping[str, TokenFile], reporter: Reporter
) -> Mapping[str, Examples]:
    """The sets with the teacher's distributions over ``tokens``, written first where they are missing; empty without ``top_k``."""
    method = config.method
    if not isinstance(method, LogitsMethod) or not method.top_k:
        return {}
    root = out / TOKENS / "teacher" if method.stored is None else Path(method.stored).expanduser()
    precision, folder = torch_precision(config.matmul_precision, student.device), model_folder(config.teacher)
    how = Stored(min(method.top_k, tokens), method.temperature, tokens)
    taught = content_hash(folder) if folder else config.teacher
    folders = {name: store_folder(root, found.fingerprint, taught, precision, how) for name, found in sets.items()}
    if any(missing(sets[name], folders[name]) for name in sets):
        teacher, _ = load_model(config.teacher, student.device)
        for name, found in sets.items():
            store(found, folders[name], teacher, how, precision, reporter)
    return {name: StoredExamples(found, folders[name], how) for name, found in sets.items()}
