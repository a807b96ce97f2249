"""`dunwu verify rollout`: explains the reward of one completion, part by part."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro
from pydantic import Field

from dunwu.analysis.text import visible
from dunwu.cli.options import parse_options
from dunwu.cli.show import show
from dunwu.config.load import load_config, read_mapping
from dunwu.config.zero import ZeroConfig
from dunwu.errors import DataError
from dunwu.models.bundled import run_above
from dunwu.rewards.compose import ComposedReward
from dunwu.rewards.make import make_reward
from dunwu.rewards.outcome import compute
from dunwu.rewards.scope import look_at
from dunwu.tasks.gold import cell_text
from dunwu.text.answer_forms import as_read, form_of, in_form
from dunwu.text.surrogates import as_json
from dunwu.types import Problem, Reward, VerifierName
from dunwu.verifiers.problem import problem_fault


@dataclass(frozen=True)
class RolloutOptions:
    """Recompute the reward of one completion and explain it. Keys of the reward can be set too, such as reward=my.py:score and
    answer_form=boxed."""

    file: Annotated[Path, tyro.conf.Positional]
    """A run's rollouts/step-00010.parquet, a run directory (its newest rollouts), or JSON with problem ({"text", "verifier", "answer",
    "data", ...}) and completion."""
    row: Annotated[int, Field(ge=0)] = 0
    """Index of the rollout in a Parquet file, from 0."""
    json: bool = False
    """Print one JSON object."""


def run(arguments: Sequence[str]) -> int:
    """Prints the explanation, with the reward of the file's run or that of key=value."""
    options, rest = parse_options(RolloutOptions, "verify rollout", arguments)
    file = _newest(options.file) if options.file.is_dir() else options.file
    problem, text, recorded = _read(file, options.row)
    if fault := problem_fault(problem):
        raise DataError(f"{file}: {fault}: correct the problem")
    above = run_above(file.parent)
    kept = read_mapping(above / "config.yaml") if above else {}
    config = load_config(ZeroConfig, None, rest, {key: kept[key] for key in ("reward", "tripwire") if key in kept})
    problem = in_form(problem, config.answer_form) if any("answer_form" in word for word in rest) else problem
    composed = make_reward(config.reward, config.tripwire)
    reward = compute(composed, problem, text)
    if options.json:
        parts = {"parts": dict(reward.parts), "total": reward.total, "recorded": recorded}
        print(as_json({**parts, "verdict": reward.verdict.reason, "detail": reward.verdict.detail}))
    else:
        show("\n".join(explanation(problem, text, composed, reward, recorded)))
    return 0


def _newest(run: Path) -> Path:
    """The newest rollouts of a run."""
    found = sorted((run / "rollouts").glob("step-*.parquet"))
    if not found:
        raise DataError(f"{run} has no rollouts of a run (rollouts/step-*.parquet): give a Parquet file of rollouts or a JSON file")
    return found[-1]


def explanation(problem: Problem, text: str, composed: ComposedReward, reward: Reward, recorded: float | None) -> list[str]:
    """The problem, how the completion was parsed, and for each part its score, weight, contribution and scope."""
    parsed = look_at(text, composed.end_marker, form_of(problem).name).completion
    lines = [
        f"problem    {problem.id} ({problem.task}, verifier {problem.verifier}): {_short(problem.text)}",
        f"reasoning  {_short(parsed.reasoning)}",
        f"visible    {_short(parsed.visible)}",
        f"answer     {_short(parsed.answer)}",
        f"form       {parsed.problem or 'well-formed'}",
        f"verdict    {reward.verdict.reason}" + (f": {_short(reward.verdict.detail)}" if reward.verdict.detail else ""),
        "",
        f"{'part':<20}{'score':>8}{'weight':>8}{'adds':>8}  looks at",
    ]
    weights = {"accuracy": (composed.accuracy_weight, "answer")} | {p.name: (p.weight, p.scope.__name__.lower()) for p in composed.parts}
    for name, score in reward.parts.items():
        weight, scope = weights.get(name, (0.0, "whole; not learned from"))
        value = "-" if score is None else f"{score:.3f}"
        adds = "-" if score is None else f"{weight * score:.3f}"
        lines.append(f"{name:<20}{value:>8}{weight:>8g}{adds:>8}  {scope}")
    total = "none: the rollout is excluded from learning" if reward.total is None else f"{reward.total:.3f}"
    return [*lines, f"{'total':<36}{total:>8}", *_compared(reward.total, recorded)]


def _compared(total: float | None, recorded: float | None) -> list[str]:
    if recorded is None or (total is not None and abs(total - recorded) < 1e-6):
        return []
    why = "its reward had other parts, or one that needs tokens (overlong) or a model, or has changed since"
    return [f"The run recorded {recorded:.3f}: {why}."]


def _read(file: Path, row: int) -> tuple[Problem, str, float | None]:
    """Problem, prefill + completion, and the reward on record."""
    if file.suffix == ".parquet":
        from dunwu.run.tables import read_rollouts

        rows = read_rollouts(file)
        if not 0 <= row < len(rows):
            raise DataError(f"{file} has the rows 0 to {len(rows) - 1}: --row {row} is not among them")
        found = rows[row]
        return (
            as_read(_problem({**found, "id": found["problem_id"], "text": found["problem"]}), found["finish_reason"] == "length"),
            found["prefill"] + found["completion"],
            found["reward"],
        )
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return _problem(found["problem"]), str(found.get("prefill", "")) + str(found["completion"]), None
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}): give a Parquet file of rollouts or a JSON file") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{file} is not a rollout ({type(error).__name__}: {error}): JSON with problem and completion is needed") from error


def _problem(row: Mapping[str, Any]) -> Problem:
    if row["verifier"] not in get_args(VerifierName):
        raise ValueError(f"no verifier {row['verifier']!r}, there are {', '.join(get_args(VerifierName))}")
    named = {key: row[key] for key in ("language", "difficulty", "data") if row.get(key) is not None}
    if not isinstance(named.get("data", {}), Mapping):
        raise TypeError(f"data is a {type(named['data']).__name__}, not an object")
    if row.get("answer") is not None:
        named["answer"] = cell_text(row["answer"])
    return Problem(
        id=str(row.get("id", "problem")), task=str(row.get("task", "problem")), text=str(row["text"]), verifier=row["verifier"], **named
    )


def _short(text: str | None) -> str:
    if text is None:
        return "none"
    line = visible(" ".join(text.split()))
    return line if len(line) <= 240 else f"{line[:160]} ... {line[-70:]}"
