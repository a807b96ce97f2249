"""Supervised fine-tuning from start to finish: read the conversations, train, measure the held-out loss before and after."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dunwu.analysis.live import live_page
from dunwu.analysis.report import REPORT, write_report
from dunwu.config.blocks import rate_in_words
from dunwu.config.references import references
from dunwu.config.sft import SftConfig
from dunwu.config.template import Template, TemplateConfig
from dunwu.data.few_shot import examples, with_examples
from dunwu.data.first_rows import NO_DATA, conversations_taken
from dunwu.data.io.chat_examples import ExampleReader
from dunwu.data.io.token_file import TokenFile, token_file
from dunwu.data.prompts import written_date
from dunwu.errors import ConfigError
from dunwu.jobs.headline import already_finished, budget_facts, chosen_facts, final_checkpoint
from dunwu.jobs.outside import model_folder
from dunwu.jobs.stopping import stopping_at_once
from dunwu.models.chat import TrainingTemplate
from dunwu.models.loading import load_model, pick_device
from dunwu.models.lora import add_lora, base_parameters
from dunwu.models.own_template import learnable
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.rollout.base import Engine
from dunwu.rollout.build import build_engine
from dunwu.run.dates import take_date
from dunwu.run.directory import TOKENS, RunDirectory, content_hash, read_metrics
from dunwu.run.reporter import QUIET, Reporter
from dunwu.tasks.rows import data_files
from dunwu.trainers.budget import budget_of
from dunwu.trainers.sft import SftTrainer
from dunwu.trainers.trackers import check_trackers, open_trackers
from dunwu.trainers.train_loop import Schedule, run_steps

SHOWN = ("loss", "eval_loss", "mean_token_accuracy", "tokens_per_second")
BEFORE = "evaluations/before.json"
SUMMARY = "summary.json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A way of training on conversations: its name, a sentence and facts about it, what must hold before anything is written, and its
    trainer."""

    name: str
    says: str
    facts: tuple[tuple[str, str], ...]
    check: Callable[[CausalLM, Tokenizer], None]
    make: Callable[[CausalLM, Tokenizer, Engine, Mapping[str, TokenFile]], SftTrainer]


def run_sft(config: SftConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET, chosen: str = "") -> Path:
    """Start or resume one run and return its directory; ``chosen`` says which values follow the model.

    Raises ``Interrupted`` when asked to stop, after saving.
    """

    def make(model: CausalLM, tokenizer: Tokenizer, engine: Engine, sets: Mapping[str, TokenFile]) -> SftTrainer:
        validation = sets.get("validation", ())
        return SftTrainer(config, model, tokenizer, engine, sets["data"], validation, reporter, budget=budget_of(config, "sft", model))

    says = "Supervised fine-tuning: the loss covers the assistant's turns, including reasoning and end token."
    return train_on_rows(config, out, resume, reporter, chosen, Kind("sft", says, (), lambda model, tokenizer: None, make))


@stopping_at_once()
def train_on_rows(config: SftConfig, out: Path, resume: bool, reporter: Reporter, chosen: str, kind: Kind) -> Path:
    """Start or resume one run, as `run_sft`."""
    config = with_examples(config)
    check_trackers(config.report_to)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    torch.manual_seed(config.seed)
    take_date(out)
    device = pick_device(config.device)
    model, tokenizer = load_model(config.model, device)
    template = template_of(config, tokenizer)
    template.adopt(tokenizer, model)
    kind.check(model, tokenizer)
    readers = example_readers(config, template, tokenizer, model.config.max_position_embeddings)
    hashes, sets = inputs(config), dict[str, TokenFile]()

    def tokenise() -> dict[str, str]:
        for name, reader in readers.items():
            sets[name] = token_file(out / TOKENS / f"{name}.arrow", reader, hashes[name], model.config.vocab_size, reporter)
        return {f"{name}_tokens": found.fingerprint for name, found in sets.items()}

    if config.lora is not None:
        add_lora(model, config.lora, config.seed)
    engine = build_engine(config.engine, model, tokenizer)
    stored, may_change = config.model_dump(mode="json"), config.resume_may_change
    with (
        RunDirectory.create(out, kind.name, stored, config.seed, resume, hashes, files(config), may_change, tokenise, reporter) as run,
        open_trackers(config.report_to, run) as track,
        live_page(run) as page,
    ):
        trainer = kind.make(model, tokenizer, engine, sets)
        last = final_checkpoint(run, trainer.steps, trainer.budget)
        if already_finished(run, last):
            return out
        data = {name: asdict(found.counts) for name, found in sets.items()}
        arithmetic = {"generation": engine.decoder, "training": trainer.scorer.name}
        run.note({"steps": None if trainer.budget else trainer.steps, "data": data, "arithmetic": arithmetic})
        reporter.say(kind.says)
        reporter.facts(
            (
                *plan_facts(config, out, str(device), sets, trainer, template),
                *kind.facts,
                *budget_facts(trainer.budget),
                *chosen_facts(chosen),
            )
        )
        before = measure_before(run, trainer)
        if not last.exists():  # a finished run may be asked for more epochs
            run.reopen()
        often = config.save_every, config.keep_checkpoints
        schedule = Schedule(trainer.steps, *often, kind.name, SHOWN, budget=trainer.budget)
        final = run_steps(run, trainer, schedule, page, track)
        rows = read_metrics(run.path)
        if not run.finished:
            run.write_json(SUMMARY, summary(config, str(device), before, rows))
            run.finish({"checkpoint": final})
            write_report(run.path)
    reporter.facts((*conclusion(before, rows, final), ("report", str(out / REPORT))))
    return out


def template_of(config: SftConfig, tokenizer: Tokenizer) -> TrainingTemplate:
    """The template that the rows are rendered with. Raises ``ConfigError`` for one that cannot be learned from."""
    return learnable(config.template, tokenizer, examples(config.template) if isinstance(config.template, TemplateConfig) else ())


def example_readers(config: SftConfig, template: TrainingTemplate, tokenizer: Tokenizer, positions: int) -> dict[str, ExampleReader]:
    """Readers of ``data`` and, if set, ``validation``. Raises ``UserError`` for a maximum length beyond the model's positions."""
    longest = config.max_length or positions
    if longest > positions:
        raise ConfigError(f"max_length = {longest}: the model has {positions} positions; set it to {positions} at most")
    how = (template, tokenizer, longest, config.overlong, config.columns)
    return {name: ExampleReader(path, *how) for name, path in paths(config).items()}


def paths(config: SftConfig) -> dict[str, Path]:
    """The files or folders of ``data`` and, if set, ``validation``. Raises ``ConfigError`` if there is no data."""
    if config.data is None:
        raise ConfigError(NO_DATA)
    named = {"data": config.data, "validation": config.validation}
    return {name: Path(path).expanduser() for name, path in named.items() if path is not None}


def inputs(config: SftConfig) -> dict[str, str]:
    """Hashes of the models' folders and of the files."""
    models = {key: model_folder(text) for key, text, kind in references(config) if kind == "model"}
    folders = {**models, **paths(config)}
    return {name: content_hash(path) for name, path in folders.items() if path}


def files(config: SftConfig) -> dict[str, dict[str, str]]:
    """The files of each input with their hashes."""
    found = {name: {str(file): content_hash(file) for file in data_files(path)} for name, path in paths(config).items()}
    return {**found, "model": {config.model: ""}}


def measure_before(run: RunDirectory, trainer: SftTrainer) -> dict[str, float]:
    """Validation metrics of the untrained model; measured once, as a resumed run no longer has it. Empty without a validation set."""
    path = run.path / BEFORE
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        run.write_json(BEFORE, trainer.evaluate() if trainer.validation else {})
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def summary(config: SftConfig, device: str, before: dict[str, float], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The contents of ``summary.json``."""
    after = {name: rows[-1][name] for name in before}
    return {
        **({"validation": {"before": before, "after": after}} if before else {}),
        "loss": {"first": rows[0]["loss"], "last": rows[-1]["loss"]},
        "num_tokens": sum(row["num_tokens"] for row in rows),
        "seconds": {"train": round(sum(row["step_time"] for row in rows), 1)},
        "seed": config.seed,
        "device": device,
    }


def plan_facts(
    config: SftConfig, run: Path, device: str, sets: dict[str, TokenFile], trainer: SftTrainer, template: TrainingTemplate
) -> Iterator[tuple[str, str]]:
    """Facts about a run before it starts."""
    yield "model", f"{config.model} ({base_parameters(trainer.model):,} parameters)"
    if lora := config.lora:
        yield "trained", f"LoRA adapters of rank {lora.rank}, alpha {lora.alpha:g}, on {', '.join(lora.targets)}; the base is frozen"
    yield "device", f"{device}, {trainer.scorer.name}"
    day = written_date(config.template, trainer.tokenizer)
    yield "template", _template_in_words(config.template, template) + (f"; it writes the date {day}, also after a resume" if day else "")
    yield "reads", conversations_taken(config)
    for name, found in sets.items():
        yield name, str(found.counts)
    epochs = f"{(n := config.epochs)} epoch{'' if n == 1 else 's'}"
    updates = f"{(n := trainer.updates_per_epoch)} update{'' if n == 1 else 's'}"
    yield "training", f"{epochs} of {updates} of {config.batch_size} conversations"
    yield "optimiser", rate_in_words(config)
    yield "run", str(run)


def _template_in_words(asked: Template, template: TrainingTemplate) -> str:
    if isinstance(asked, str):
        return template.note or asked
    return ", ".join([template.note or asked.layout, *asked.added()])


def conclusion(before: dict[str, float], rows: list[dict[str, Any]], final: Path) -> Iterator[tuple[str, str]]:
    """Facts about the result."""
    yield "loss", f"{_loss(rows[0]['loss'])} at the first update, {_loss(rows[-1]['loss'])} at the last"
    if before:
        yield "held out", f"loss {_loss(before['eval_loss'])} before, {_loss(rows[-1]['eval_loss'])} after"
    yield "checkpoint", str(final)


def _loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"
