"""`dunwu lab RUN --probes`: a suite of small probes on every saved checkpoint, and which abilities emerge (`dunwu.evaluation.ability`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dunwu.config.load import read_mapping, validate
from dunwu.config.suite import SuiteConfig
from dunwu.data.tiny_world.probes import write_probe_rows
from dunwu.evaluation.ability import Checkpoint, ability_curve
from dunwu.evaluation.self_bleu import self_bleu, words
from dunwu.evaluation.suite import SuiteRow, accuracy, read_rows
from dunwu.jobs.lab_source import FOLDER, weights_hash
from dunwu.jobs.outside import outside_files
from dunwu.jobs.saved import Saved
from dunwu.jobs.stopping import stopping_at_once
from dunwu.jobs.suite import SUITE, SUMMARY, run_suite
from dunwu.run.atomic import atomic_file
from dunwu.run.directory import content_hash
from dunwu.run.reporter import QUIET, Reporter

PROBES = "probes.json"


@stopping_at_once()
def run_probes(
    saved: Sequence[Saved], suite: Path | None, out: Path, device: str = "auto", threads: int = 0, reporter: Reporter = QUIET
) -> None:
    """Measure every checkpoint, and write the curves to ``out/lab/probes.json``. What was measured before is read.

    ``suite``: a YAML file with the keys of a suite, which may set the template; by default the probes of the tiny world.
    """
    abilities: dict[str, dict[str, list[Checkpoint]]] = {}
    for place, each in enumerate(saved, start=1):
        config = _suite(suite, out, each, device, threads)
        folder = out / FOLDER / f"probes-{_key(config)}"
        if not (folder / SUITE / SUMMARY).exists():
            reporter.say(f"probes of {each.line}, {each.name} (checkpoint {place} of {len(saved)})")
            run_suite(config, folder, (folder / "manifest.json").exists(), reporter)
        for ability, values in ability_values(folder / SUITE).items():
            found = abilities.setdefault(each.line, {}).setdefault(ability, [])
            found.append(Checkpoint(each.name, each.flops, values))
    curves = {line: {name: ability_curve(found) for name, found in each.items()} for line, each in abilities.items()}
    with atomic_file(out / FOLDER / PROBES) as file:
        file.write((json.dumps(curves, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace"))


def _suite(file: Path | None, out: Path, saved: Saved, device: str, threads: int) -> SuiteConfig:
    """The suite of a checkpoint."""
    keys = _built_in(out) if file is None else read_mapping(file)
    asked = {"template": saved.template, **keys, "model": saved.model, "device": device, "threads": threads}
    return validate(SuiteConfig, asked, "probes: " if file is None else f"{file}: ")


def _built_in(out: Path) -> dict[str, Any]:
    """Probes of the tiny world, some hundred completions: knowledge (facts), reasoning (Countdown), generalisation (the Game of 24, whose
    target and numbers Countdown seldom has), safety."""
    rows = write_probe_rows(out / FOLDER / "rows")
    return {
        "reasoning": {
            "reasoning": {"task": {"kind": "countdown"}, "problems": 48, "samples": 4},
            "generalisation": {"task": {"kind": "game24"}, "problems": 48, "samples": 4},
        },
        "general": {"knowledge": {"task": {"kind": "dataset", "path": str(rows["knowledge"]), "verifier": "text"}, "samples": 2}},
        "safety": {"task": {"kind": "chat", "path": str(rows["safety"])}, "samples": 2},
    }


def _key(config: SuiteConfig) -> str:
    """The weights, the rows of files and all keys but those that say where they are or who computes."""
    files = {key: content_hash(each.path) for key, each in outside_files(config).items() if key != "model"}
    keys = config.model_dump(mode="json", exclude={"model", "device", "threads", "reward_workers"})
    for key in files:
        _forget(keys, key.split("."))
    text = json.dumps([weights_hash(config.model), files, keys], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _forget(keys: Any, path: list[str]) -> None:
    """Blank a path that a file's content stands for."""
    for name in path[:-1]:
        keys = keys[int(name)] if isinstance(keys, list) else keys[name]
    keys[path[-1]] = None


def ability_values(folder: Path) -> dict[str, dict[str, list[float]]]:
    """Values from 0 to 1 by ability and problem: accuracy by set; safety: harmful prompts refused and harmless ones answered; diversity:
    1 - self-BLEU of the completions of a reasoning problem."""
    found: dict[str, dict[str, list[float]]] = {}
    for file in sorted(folder.glob("*.parquet")):
        kind, _, name = file.stem.partition("-")
        rows = read_rows(file)
        if kind in ("reasoning", "general"):
            found[name] = _by_problem([(row.problem_id, accuracy(row)) for row in rows])
        if kind in ("harmful", "harmless"):
            good = [row.refused if kind == "harmful" else bool(row.visible) and not row.refused for row in rows]
            safe = [(f"{kind}/{row.problem_id}", float(value)) for row, value in zip(rows, good, strict=True)]
            found.setdefault("safety", {}).update(_by_problem(safe))
        if kind == "reasoning" and (diverse := _diversity(name, rows)):
            found.setdefault("diversity", {}).update(diverse)
    return found


def _by_problem(values: Sequence[tuple[str, float | None]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for problem, value in values:
        if value is not None:
            found.setdefault(problem, []).append(value)
    return found


def _diversity(name: str, rows: Sequence[SuiteRow]) -> dict[str, list[float]]:
    groups: dict[str, list[list[str]]] = {}
    for row in rows:
        groups.setdefault(f"{name}/{row.problem_id}", []).append(words(row.completion))
    alike = {problem: self_bleu(texts) for problem, texts in groups.items() if len(texts) > 1}
    return {problem: [1 - value] for problem, value in alike.items() if value is not None}
