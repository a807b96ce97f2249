"""A reward model from start to finish: read the data, train, measure on held-out examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dunwu.analysis.live import live_page
from dunwu.analysis.report import REPORT, write_report
from dunwu.config.blocks import rate_in_words
from dunwu.config.reward_model import RewardModelConfig
from dunwu.data.first_rows import NO_DATA, preferences_taken
from dunwu.data.io.preferences import read_labelled, read_pairs
from dunwu.errors import ConfigError, DataError
from dunwu.jobs.headline import STOPPING, already_finished, chosen_facts
from dunwu.jobs.reward_model_quality import measure, notable_examples, show
from dunwu.jobs.stopping import stopping_at_once
from dunwu.models.bundled import BUNDLED_NAME, bundled_path
from dunwu.models.heads import load_scorer, set_label
from dunwu.models.loading import pick_device
from dunwu.models.lora import add_lora
from dunwu.models.native import check_ids
from dunwu.models.protocols import RewardHeadModel
from dunwu.run.dates import take_date
from dunwu.run.directory import RunDirectory, content_hash, read_metrics
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.step_manifest import step_folder
from dunwu.tasks.rows import data_files
from dunwu.trainers.reward_model import RewardModelTrainer
from dunwu.trainers.reward_model_examples import Example, Reader, make_examples
from dunwu.trainers.trackers import check_trackers, open_trackers
from dunwu.trainers.train_loop import Schedule, run_steps

EXAMPLES = "evaluations/examples.json"
SHOWN = ("accuracy", "loss", "held_out_accuracy", "tokens_per_second")


@stopping_at_once()
def run_reward_model(config: RewardModelConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET, chosen: str = "") -> Path:
    """Start or resume one run and return its directory; ``chosen`` says which values follow the model.

    Raises ``Interrupted`` when asked to stop, after saving.
    """
    check_trackers(config.report_to)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    take_date(out)
    data = _data_path(config)
    device = pick_device(config.device)
    model, tokenizer = load_scorer(config.model, device, seed=config.seed)
    set_label(model, config.criterion)
    if config.lora is not None:
        add_lora(model, config.lora, config.seed)
    train, held_out, counts = read_examples(config, data, Reader(tokenizer, model.config.pad_token_id))
    _check_rows([*train, *held_out], model)
    trainer = RewardModelTrainer(config, model, tokenizer, train, held_out, reporter)  # before the run directory: it may refuse the rows
    folder = bundled_path() if config.model == BUNDLED_NAME else Path(config.model)
    inputs = {"data": content_hash(data)} | ({"model": content_hash(folder)} if folder.is_dir() else {})
    files = {"data": {str(file): content_hash(file) for file in data_files(data)}, "model": {config.model: ""}}
    stored = config.model_dump(mode="json")
    with (
        RunDirectory.create(
            out, "reward-model", stored, config.seed, resume, inputs, files, config.resume_may_change, reporter=reporter
        ) as run,
        open_trackers(config.report_to, run) as track,
        live_page(run) as page,
    ):
        counts["never drawn, to balance lengths"] = trainer.batches.unused
        if already_finished(run, run.checkpoints / step_folder(trainer.steps)):
            return out
        run.note({"steps": trainer.steps, "data": counts})
        _announce(reporter, config, out, trainer, counts, str(device), chosen)
        schedule = Schedule(trainer.steps, config.save_every, config.keep_checkpoints, "reward-model", SHOWN)
        final = run_steps(run, trainer, schedule, page, track)
        agreements = trainer.agreements(held_out)
        figures = measure(held_out, agreements)
        if not run.finished:
            (run.path / EXAMPLES).parent.mkdir(exist_ok=True)
            run.write_json(EXAMPLES, {"examples": notable_examples(trainer, agreements)})
            run.write_json("summary.json", _summary(config, run, figures, counts, str(device)))
            run.finish({"checkpoint": final})
            write_report(run.path)
    show(reporter, figures)
    reporter.facts((("checkpoint", str(final)), ("report", str(out / REPORT))))
    return out


def read_examples(config: RewardModelConfig, data: Path, reader: Reader) -> tuple[list[Example], list[Example], dict[str, int]]:
    """Training examples, held-out examples, and counts of rows by fate. Raises ``DataError`` if either set is empty."""
    found = (read_pairs if config.criterion == "helpfulness" else read_labelled)(data, config.only, config.columns)
    train, train_out = make_examples(found.train, config.criterion, reader, config.max_tokens)
    held_out, held_out_out = make_examples(found.held_out, config.criterion, reader, config.max_tokens)
    counts = {"training": len(train), "held out": len(held_out), "in training too, dropped": found.leaked}
    counts |= {f"left out: {reason}": number for reason, number in sorted((train_out + held_out_out).items())}
    if not train or not held_out:
        rows = ", ".join(f"{name} {number}" for name, number in counts.items())
        raise DataError(f"{data} has no usable {'training' if not train else 'held-out'} rows ({rows}): add rows or raise max_tokens")
    return train, held_out, counts


def _data_path(config: RewardModelConfig) -> Path:
    if config.data is None:
        raise ConfigError(NO_DATA)
    return Path(config.data).expanduser()


def _check_rows(examples: list[Example], model: RewardHeadModel) -> None:
    check_ids((row for example in examples for row in example.rows), model.config.vocab_size)
    longest, positions = max(len(row) for example in examples for row in example.rows), model.config.max_position_embeddings
    if longest > positions:
        raise ConfigError(f"a row has {longest} tokens, more than the model's {positions} positions; set max_tokens to {positions} at most")


def _announce(
    reporter: Reporter, config: RewardModelConfig, out: Path, trainer: RewardModelTrainer, counts: dict[str, int], device: str, chosen: str
) -> None:
    unit = "pairs" if config.criterion == "helpfulness" else "answers"
    seen = "what the user reads" if config.criterion == "helpfulness" else "everything, including the chain of thought"
    reporter.say(f"Reward model for {config.criterion}: it sees {seen}.")
    rows = ", ".join(f"{name} {number:,}" for name, number in counts.items() if number)
    trained = sum(parameter.numel() for parameter in trainer.optimiser.parameters.values())
    balanced = " of balanced lengths" if config.balance_lengths else ""
    reporter.facts(
        (
            ("model", f"{config.model} ({trained:,} parameters trained)"),
            ("device", device),
            ("reads", preferences_taken(config)),
            ("data", f"{unit}: {rows}"),
            ("training", f"{trainer.steps} step{'' if trainer.steps == 1 else 's'} of {config.batch_size} {unit}{balanced}"),
            ("optimiser", rate_in_words(config)),
            ("run", str(out)),
            *chosen_facts(chosen),
        )
    )
    reporter.say(STOPPING)


def _summary(config: RewardModelConfig, run: RunDirectory, figures: dict[str, Any], counts: dict[str, int], device: str) -> dict[str, Any]:
    rows = read_metrics(run.path)
    seconds = {"train": round(sum(row["step_time"] for row in rows), 1)}
    tokens = sum(row["num_tokens"] for row in rows)
    return {
        "criterion": config.criterion,
        "held_out": figures,
        "data": counts,
        "tokens": tokens,
        "seconds": seconds,
        "seed": config.seed,
        "device": device,
    }
