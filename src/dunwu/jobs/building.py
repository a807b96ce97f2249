"""The stages that build data sets: `dunwu.data` with models, tokenizers and a place on disk.

Stages in which a model writes are run directories: its texts are journalled as they arrive, and a stopped stage resumes from there. The
others take seconds and restart.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dunwu.config.data import Builder, EndpointGenerator, GeneratorConfig
from dunwu.config.data_replies import ColdStartConfig, PreferencesConfig, RejectionConfig
from dunwu.config.data_rows import CleaningConfig, DifficultyConfig, GeneralConfig, MixingConfig
from dunwu.data.builders.cleaning import clean_rows
from dunwu.data.builders.cold_start import build_cold_start
from dunwu.data.builders.difficulty import filter_by_difficulty
from dunwu.data.builders.drafts import CountTokens
from dunwu.data.builders.general import build_general
from dunwu.data.builders.mixing import mix_rows
from dunwu.data.builders.preference_pairs import build_preferences
from dunwu.data.builders.rejection_sampling import rejection_sample
from dunwu.data.generators.base import Open, Request
from dunwu.data.generators.cost import estimate
from dunwu.data.generators.make import make_generator
from dunwu.data.io.card import DataCard
from dunwu.data.io.data_set import DataSet
from dunwu.data.io.journal import Journalled, Progress
from dunwu.models.loading import load_tokenizer
from dunwu.run.atomic import atomic_folder
from dunwu.run.dates import take_date
from dunwu.run.directory import RunDirectory, content_hash
from dunwu.run.reporter import QUIET, Reporter, duration, eta

DATA, JOURNAL = "data", "written.jsonl"
SECONDS = 10.0
"""Seconds between two progress lines."""


def run_cold_start(config: ColdStartConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET) -> Path:
    """Run or resume a cold start; the data set is ``out/data``."""
    return _written(config, out, resume, reporter, "cold-start", lambda opener, count: build_cold_start(config, opener, count))


def run_rejection(config: RejectionConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET) -> Path:
    """Run or resume rejection sampling; the data set is ``out/data``."""
    return _written(config, out, resume, reporter, "rejection-sampling", lambda opener, count: rejection_sample(config, opener, count))


def run_preferences(config: PreferencesConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET) -> Path:
    """Make preference pairs, or resume making them; the data set is ``out/data``."""
    return _written(config, out, resume, reporter, "preferences", lambda opener, count: build_preferences(config, opener, count))


def run_difficulty(config: DifficultyConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET) -> Path:
    """Filter by difficulty, or resume filtering; the data set is ``out/data``."""
    return _written(config, out, resume, reporter, "difficulty", lambda opener, count: filter_by_difficulty(config, opener, count))


def run_general(config: GeneralConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET) -> Path:
    """Build general data, or resume building it; the data set is ``out/data``."""
    return _written(config, out, resume, reporter, "general", lambda opener, count: build_general(config, opener, count))


def run_cleaning(config: CleaningConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Write the cleaned rows and their card into the empty folder ``out``."""
    count = token_counter(config.model)
    reporter.say(_headline(clean_rows(config, count).write(out, count, config.seed)))
    return out


def run_mixing(config: MixingConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Write the mixture and its card into the empty folder ``out``."""
    count = token_counter(config.model)
    reporter.say(_headline(mix_rows(config, count).write(out, count, config.seed)))
    return out


def token_counter(model: str) -> CountTokens:
    """A function that counts the tokens of texts with the model's tokenizer."""
    tokenizer = load_tokenizer(model)

    def count(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]] if texts else []

    return count


def _written(
    config: Builder, out: Path, resume: bool, reporter: Reporter, kind: str, build: Callable[[Open, CountTokens], DataSet]
) -> Path:
    """Run a builder that queries models. Its run directory has the complete data set or none."""
    take_date(out)
    with RunDirectory.create(out, kind, config.model_dump(mode="json"), config.seed, resume, reporter=reporter) as run:
        if run.finished and run.manifest["outputs"]["data"] == content_hash(out / DATA):
            return out  # a data set damaged since is rebuilt from the journal
        count = token_counter(config.model)

        opened = list[Journalled]()

        def opener(generator: GeneratorConfig) -> Journalled:
            writer = make_generator(generator)
            earlier = _journals_beside(out) if isinstance(generator, EndpointGenerator) else ()
            opened.append(Journalled(writer, out / JOURNAL, _Progress(writer.name, generator, count, reporter), earlier))
            return opened[-1]

        made = _with_refused(build(opener, count), opened, reporter)
        with atomic_folder(out / DATA, reporter) as making:
            reporter.say(_headline(made.write(making, count, config.seed)))
        run.finish({"data": out / DATA})
    return out


def _journals_beside(out: Path) -> list[Path]:
    """The journals of a stage's folders for other configurations: after a change of a filter an endpoint's answers are still the answers
    to the same requests. A local model's are not, since its name does not change with its weights."""
    return sorted(path for path in out.absolute().parent.parent.glob(f"*/{out.name}/{JOURNAL}") if path.parent != out.absolute())


def _with_refused(made: DataSet, opened: Sequence[Journalled], reporter: Reporter) -> DataSet:
    """The data set with the models' refusals added to its facts; ``reporter`` gets a line for each model."""
    refused = {each.name: dict(sorted(each.refused.items())) for each in opened if each.refused}
    for name, reasons in refused.items():
        first, reason = next(iter(reasons.items()))
        reporter.say(f"{name} refused {len(reasons)} prompts, which are skipped; the first: {first}: {reason}")
    return replace(made, facts={**made.facts, "refused": refused}) if refused else made


class _Progress(Progress):
    """What is to be written and its cost, then a line now and then: how many are written, and how long the rest will take."""

    def __init__(self, name: str, config: GeneratorConfig, count: CountTokens, reporter: Reporter) -> None:
        self._name, self._config, self._count, self._reporter = name, config, count, reporter
        self._began = self._last = time.monotonic()
        self._before = 0

    def begin(self, missing: Sequence[Request], total: int) -> None:
        self._began, self._before = time.monotonic(), total - len(missing)
        there = f", {self._before:,} of them already written" if self._before else ""
        prompts = Counter("\n".join(turn.content for turn in request.chat) for request in missing)
        most = sum(request.sampling.max_tokens for request in missing)
        self._reporter.say(f"{self._name}: {total:,} answers{there}; {estimate(prompts, most, self._config, self._count)}")

    def advance(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= SECONDS:
            self._last = now
            left = duration(eta(done - self._before, total - self._before, now - self._began))
            self._reporter.say(f"{self._name}: {done} of {total} written, {left} left")


def _headline(card: DataCard) -> str:
    removed = sorted((step for step in card.filters if step.removed), key=lambda step: -step.removed)
    each = f" ({', '.join(f'{step.name} {step.removed:,}' for step in removed)})" if removed else ""
    total = sum(step.removed for step in removed)
    return f"{card.title}: {card.tokens['rows']:,} rows, {card.tokens['sum']:,} tokens; the filters removed {total:,}{each}"
