"""`dunwu export`: a model's folder for the hub, with a chat template that asks as it was trained and a card that says how it was made."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from jinja2 import TemplateError
from transformers import GenerationConfig

from dunwu.analysis.model_card import QUESTION, Released, model_card
from dunwu.analysis.model_history import History
from dunwu.config.licences import UNKNOWN, check_licence
from dunwu.config.template import ASKS, TemplateConfig
from dunwu.config.yaml_text import write_yaml
from dunwu.data.prompts import prompt_template
from dunwu.errors import DataError, RunError
from dunwu.jobs.hub_push import check_push, push
from dunwu.jobs.llama_cpp import convert
from dunwu.jobs.stopping import stopping_at_once
from dunwu.models.bundled import RELEASE, trained_as
from dunwu.models.chat_text import apply_chat
from dunwu.models.heads import HEAD, load_scorer
from dunwu.models.hub_ids import local_folder
from dunwu.models.loading import check_folder, load_model, load_tokenizer, save_model, saved_dtype, stop_token_ids, stored_dtype
from dunwu.models.own_template import with_suffix
from dunwu.models.protocols import LanguageModel, Tokenizer
from dunwu.models.readme import README
from dunwu.models.served_template import block_for, served_template
from dunwu.run.atomic import atomic_folder, check_room, is_temporary
from dunwu.run.dates import take_date
from dunwu.run.reporter import QUIET, Reporter
from dunwu.text.answer_forms import FORMS, KEY, form_in
from dunwu.types import Problem

Dtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Export:
    """What to write. ``licence`` and ``dtype``: ``None`` for those of the base and of the files; ``push``: a repository of the hub."""

    out: Path
    name: str = ""
    licence: str | None = None
    dtype: Dtype | None = None
    push: str | None = None
    gguf: bool = False


@stopping_at_once()
def run_export(source: str, export: Export, history: History, reporter: Reporter = QUIET) -> Path:
    """Write the model of ``source`` (a checkpoint, another folder, a hub id) to the new folder ``export.out``, and return that.

    A reward model stays one. Raises ``ModelError`` for what cannot be loaded, ``RunError`` if ``out`` is taken or the disk is full, and,
    with the folder written, if the GGUF file or the push fails.
    """
    out = export.out
    if os.path.lexists(out):
        raise RunError(f"{out} exists: choose another --out, or remove it")
    licence = check_licence(export.licence) if export.licence else history.base.licence if history.base else UNKNOWN
    if export.push:
        check_push(export.push)
    _warn_of_leftovers(out, reporter)
    take_date(None, source)
    model, tokenizer, dtype = _load(source, export)
    check_room(out, sum(weight.numel() for weight in model.parameters()) * dtype.itemsize)
    released = _released(export, licence, model, tokenizer, dtype)
    if not released.criterion:
        released = _asking(released, source, history, model, tokenizer, reporter)
    with atomic_folder(out, reporter) as folder:
        save_model(model, tokenizer, folder, dtype)
        write_release(folder, source)
        (folder / README).write_text(model_card(released, history), encoding="utf-8")
        problem = _convert(folder, released, history) if export.gguf else ""
        check_folder(folder)
        load_tokenizer(str(folder))
    reporter.facts(released.in_words())
    if released.prompt:
        reporter.sample("the prompt", released.prompt)
    reporter.say(f"written: {out}; use it by --model {out}")
    if problem:
        raise RunError(f"{out} is written, without a GGUF file: {problem}")
    if export.push:
        push(out, export.push, reporter)
    return out


def _warn_of_leftovers(out: Path, reporter: Reporter) -> None:
    for path in sorted(out.parent.glob(f"{out.name}.*.tmp")) if out.parent.is_dir() else ():
        if is_temporary(path):
            reporter.warn(f"{path} is of an export that was killed or is still running: delete it if it was killed")


def _load(source: str, export: Export) -> tuple[LanguageModel, Tokenizer, torch.dtype]:
    """The model in the precision of its files where they are here, the tokenizer, and the precision to save."""
    folder = local_folder(source)
    scores = folder is not None and HEAD in check_folder(folder)[1]
    wanted = getattr(torch, export.dtype) if export.dtype else None if folder is None else stored_dtype(source)
    load: Callable[..., tuple[LanguageModel, Tokenizer]] = load_scorer if scores else load_model
    model, tokenizer = load(source, dtype=wanted or torch.float32)
    return model, tokenizer, wanted or saved_dtype(model, "loaded")


def _released(export: Export, licence: str, model: LanguageModel, tokenizer: Tokenizer, dtype: torch.dtype) -> Released:
    return Released(
        name=export.name or export.out.resolve().name,
        repository=export.push or "",
        licence=licence,
        licence_is_given=export.licence is not None,
        architecture=type(model).__name__,
        parameters=sum(weight.numel() for weight in model.parameters()),
        dtype=str(dtype).removeprefix("torch."),
        positions=int(model.config.max_position_embeddings),
        vocabulary=len(tokenizer),
        criterion="" if model.can_generate() else str(model.config.id2label[0]),
    )


def _asking(released: Released, source: str, history: History, model: LanguageModel, tokenizer: Tokenizer, reporter: Reporter) -> Released:
    """What the card says of prompts. The tokenizer gets the chat template of the last run, and the model its stop tokens and sampling."""
    question = _question(history)
    if (template := history.asked.get("template")) is not None:
        block = block_for(template)
        trained = _trained_prompt(block, tokenizer, question)
        tokenizer.chat_template = served_template(block, tokenizer)
        if _prompt(tokenizer, question) != trained:
            reporter.warn("the chat template does not ask as the run did: compare the prompt below with those of the run")
    stops = stop_token_ids(tokenizer, model)
    if not stops:
        reporter.warn("the model has no token that ends a completion: name one of its tokens as eos_token in tokenizer_config.json")
    sampling = _sampling(history.asked)
    _set_generation(model, stops, sampling)
    trained_with = trained_as(source)
    form = next((form for name, form in FORMS.items() if name == trained_with.get(KEY)), None)
    asks = form.asks.get("en", "") if form and _asks(trained_with) else ""
    return replace(
        released,
        prompt=_prompt(tokenizer, question if form_in(question) else with_suffix(question, asks)),
        stops=tuple(tokenizer.convert_ids_to_tokens(list(stops))),
        sampling=sampling,
        reads=form.reads if form else "",
        asks=asks,
    )


def _asks(trained: Mapping[str, Any]) -> bool:
    """True if problems are asked for their answer in a form."""
    return "template" in trained and block_for(trained["template"]).suffix == ASKS


def _question(history: History) -> str:
    """A problem of the run's own evaluation if it is short, else any question."""
    return history.pair.problem if history.pair and len(history.pair.problem) < 600 else QUESTION


def _trained_prompt(block: TemplateConfig, tokenizer: Tokenizer, question: str) -> str:
    """The prompt that the last run made of a question; empty if its template refuses one."""
    block = block.model_copy(update={"suffix": ""}) if block.suffix == ASKS else block
    try:
        return prompt_template(block, tokenizer).prompt(Problem("question", "", question, "text")).text
    except DataError:
        return ""


def _prompt(tokenizer: Tokenizer, question: str) -> str:
    """The prompt that the chat template makes of a question; empty without a template, or if it refuses one."""
    try:
        return apply_chat(tokenizer, [{"role": "user", "content": question}], True) if tokenizer.chat_template else ""
    except TemplateError:
        return ""


def _sampling(asked: Mapping[str, Any]) -> dict[str, Any]:
    """How the last run sampled its first eval set, or samples at all; empty without a run."""
    evaluations = asked.get("evaluations") or [{}]
    found = evaluations[0].get("sampling") or asked.get("sampling") or {}
    return {key: found[key] for key in ("temperature", "top_p", "top_k", "min_p", "max_tokens") if key in found}


def _set_generation(model: LanguageModel, stops: tuple[int, ...], sampling: Mapping[str, Any]) -> None:
    """All tokens that end a completion, and with a run its sampling instead of the base's, which may penalise repetition."""
    old = model.generation_config
    if sampling:
        drawn = {key: sampling[key] for key in ("temperature", "top_p", "top_k") if key in sampling}
        drawn = {"do_sample": True, **drawn} if sampling.get("temperature") else {}
        model.generation_config = GenerationConfig(bos_token_id=old.bos_token_id, pad_token_id=old.pad_token_id, **drawn)
    model.generation_config.eos_token_id = list(stops) if len(stops) > 1 else next(iter(stops), None)


def write_release(folder: Path, source: str) -> None:
    """What our own commands need beside the chat template, so that they ask as the run did."""
    trained = trained_as(source)
    if "template" not in trained:
        return
    kept = {"template": {"suffix": ASKS} if _asks(trained) else "auto", **({KEY: trained[KEY]} if KEY in trained else {})}
    (folder / RELEASE).write_text(write_yaml(kept), encoding="utf-8")


def _convert(folder: Path, released: Released, history: History) -> str:
    """Add a GGUF file, which the card then names; returns why there is none."""
    try:
        file = convert(folder, folder.name, released.dtype)
    except RunError as error:
        return str(error)
    (folder / README).write_text(model_card(replace(released, gguf=file), history), encoding="utf-8")
    return ""
