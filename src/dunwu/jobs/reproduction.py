"""The stage that tests the paper's claims on the answers of trained models."""

from __future__ import annotations

import json
from pathlib import Path

from dunwu.config.reproduce import ReproductionConfig
from dunwu.errors import ConfigError
from dunwu.evaluation.answers import read_answers
from dunwu.evaluation.claims import models_of, trials_of
from dunwu.evaluation.reproduction import ABSENT, REPRODUCTION_JSON, REPRODUCTION_MD, Reproduction, cells, markdown, result, sentence
from dunwu.run.reporter import QUIET, Reporter


def run_reproduction(config: ReproductionConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Write the table of the claims into ``out``.

    Raises `ConfigError` for a model that is not measured, `DataError` for one without answers.
    """
    needed = [name for side in models_of(config.claims) for name in side.names(config.seeds)]
    if missing := next((name for name in needed if name not in config.measured), None):
        raise ConfigError(f"measured.{missing} is missing: the claims need it, or leave the claim out")
    measured = {name: read_answers(Path(config.measured[name])) for name in needed}
    rows = tuple(result(trial, measured, config.seeds) for trial in trials_of(config.claims))
    found = Reproduction(rows, config.seeds)
    text = json.dumps(found.as_json(), indent=2, ensure_ascii=False, allow_nan=False)
    (out / REPRODUCTION_JSON).write_text(text + "\n", encoding="utf-8")
    (out / REPRODUCTION_MD).write_text(markdown(found), encoding="utf-8")
    for row in rows:
        reporter.say(f"{row.verdict}: {row.says}: {', '.join(text for text in cells(row)[1:3] if text != ABSENT) or 'no figure'}")
    reporter.say(sentence(found))
    return out
