"""What the laboratory looks at: the completions that a run has stored, before and after training and at its saved steps."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

from dunwu.analysis.curves import Row, number
from dunwu.analysis.rundir import Run, check_run, read_run
from dunwu.analysis.sentences import PHASES
from dunwu.errors import DataError
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.rows import vote_key
from dunwu.evaluation.store import ALONE, WRITTEN, is_alone, read_evaluation
from dunwu.models.thinking import parse_completion
from dunwu.run.tables import read_rollouts
from dunwu.run.usage import count_parameters, training_usage
from dunwu.text.answer_forms import DEFAULT, KEY
from dunwu.types import AnswerForm

MOST_STEPS = 40
"""Saved steps that are read, spread evenly; the first and the last are always among them."""
MOST_NUMBERS = 8
"""Numbers of a puzzle whose combinations are followed."""
_COLUMNS = ("problem_id", "task", "language", "difficulty", "problem", "verifier", "prefill", "completion", "tokens", "thinking_tokens")
_MORE = ("verdict", "data")
_STEP = re.compile(r"step-(\d{1,9})")
_DURING = re.compile(r"step-(\d{1,9})-(.+)")


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Numbers that are each used once to make the target, as in Countdown and the Game of 24."""

    numbers: tuple[int, ...]
    target: int


@dataclass(frozen=True, slots=True)
class Chain:
    """One completion. ``problem`` names the problem; ``thought`` is the reasoning, or the whole text if it has no tags.

    ``right`` is ``None`` if the verifier failed, ``vote`` the key of the answer (``None``: unparsable).
    """

    problem: str
    question: str
    language: str
    difficulty: float | None
    human_seconds: float | None
    text: str
    thought: str
    tokens: int
    thinking_tokens: int
    right: int | None
    vote: str | None
    puzzle: Puzzle | None


Chains = Sequence[Chain]


@dataclass(frozen=True)
class Material:
    """The chains of a run. ``sets``: of each held-out set ``before`` and ``after`` training (of `dunwu eval`: ``evaluation``); ``during``:
    of each at steps between; ``steps``: of the rollouts of each saved step."""

    sets: Mapping[str, Mapping[str, Chains]] = field(default_factory=dict)
    steps: Mapping[int, Chains] = field(default_factory=dict)
    metrics: Sequence[Row] = ()
    missing: tuple[str, ...] = ()
    during: Mapping[str, Mapping[int, Chains]] = field(default_factory=dict)
    parameters: int = 0
    """Weights of the model; 0: unknown."""
    flops: Mapping[int, float] = field(default_factory=dict)
    """FLOPs of training so far, by step; empty if they are unknown."""

    @cached_property
    def phases(self) -> dict[str, list[Chain]]:
        """The chains of all sets by phase; a phase without any is absent.

        If any set has both phases, sets with one are left out.
        """
        found: dict[str, list[Chain]] = {}
        both = [phases for phases in self.sets.values() if all(phases.get(phase) for phase in PHASES)]
        for phases in both or self.sets.values():
            for phase, chains in phases.items():
                found.setdefault(phase, []).extend(chains)
        return {phase: found[phase] for phase in (*PHASES, ALONE) if found.get(phase)}

    @cached_property
    def moments(self) -> dict[str, Chains]:
        """The chains ``before`` and ``after`` training, or of the first and the last saved step where a run was not evaluated."""
        if self.phases or not self.steps:
            return dict(self.phases)
        ends = [min(self.steps), max(self.steps)]
        return {f"step {step}": self.steps[step] for step in dict.fromkeys(ends)}


def read_material(path: Path) -> Material:
    """Read a run directory, finished or not, or a folder of `dunwu eval --out`.

    Raises ``RunError`` if the folder is neither; what is corrupt is named in ``missing``.
    """
    if is_alone(path):
        result = read_evaluation(path / WRITTEN[0])
        return Material({result.name: {ALONE: [_measured(result.name, row) for row in result.rows]}})
    if path.is_dir():
        check_run(path)
    run = read_run(path)
    form = str(run.config.get("answer_form") or "")
    missing = [line for line in run.missing if line.startswith(("evaluations/", "metrics.jsonl"))]
    sets = {held_out.name: _evaluated(held_out.name, held_out.results) for held_out in run.sets if held_out.results}
    steps, during = _steps(run, form, missing), {name: _during(run, name, missing) for name in sets}
    parameters = _parameters(run.model)
    return Material(
        sets,
        steps,
        run.metrics.rows,
        tuple(missing),
        {name: found for name, found in during.items() if found},
        parameters,
        training_flops(run, parameters),
    )


def _parameters(model: Path) -> int:
    try:
        return count_parameters(model)
    except (OSError, ValueError, KeyError, TypeError, struct.error):  # a file that is cut short
        return 0


def training_flops(run: Run, parameters: int) -> dict[int, float]:
    """FLOPs of the steps so far, by step (`dunwu.run.usage`)."""
    rows, kind = run.metrics.rows, str(run.manifest.get("kind"))
    try:
        each = [float(training_usage(kind, run.config, parameters, [row]).flops) for row in rows] if parameters else []
    except (KeyError, TypeError, ValueError):  # a configuration or metrics that are not those of a run
        each = []
    return dict(zip((int(row["step"]) for row in rows), accumulate(each), strict=False))


def _during(run: Run, name: str, missing: list[str]) -> dict[int, Chains]:
    """The evaluations of a held-out set between the steps, at most `MOST_STEPS`."""
    paths = (run.path / "evaluations").glob("step-*.parquet")
    numbered = sorted((int(match[1]), path) for path in paths if (match := _DURING.fullmatch(path.stem)) and match[2] == name)
    found: dict[int, Chains] = {}
    for step, path in evenly(numbered, MOST_STEPS):
        try:
            found[step] = [_measured(name, row) for row in read_evaluation(path).rows]
        except DataError:
            missing.append(f"evaluations/{path.name} cannot be read.")
    return found


def _steps(run: Run, form: str, missing: list[str]) -> dict[int, Chains]:
    paths = sorted((run.path / "rollouts").glob("step-*.parquet"))
    numbered = sorted((int(found[1]), path) for path in paths if (found := _STEP.fullmatch(path.stem)))
    chosen = evenly(numbered, MOST_STEPS)
    if len(chosen) < len(numbered):
        missing.append(f"rollouts/: {len(chosen)} of {len(numbered)} saved steps are analysed, spread evenly.")
    steps: dict[int, Chains] = {}
    for step, path in chosen:
        try:
            rows = read_rollouts(path, [*_COLUMNS, *_MORE])
            steps[step] = [_rolled(row, form) for row in rows]
        except (DataError, KeyError, TypeError, ValueError, RecursionError):
            missing.append(f"rollouts/{path.name} cannot be read.")
    return {step: chains for step, chains in steps.items() if chains}


def evenly(items: Sequence[Any], most: int) -> list[Any]:
    """At most ``most`` of the items at equal distances, the first and the last among them."""
    count = len(items)
    return list(items) if count <= most else [items[round(i * (count - 1) / (most - 1))] for i in range(most)]


def _evaluated(name: str, results: Mapping[str, EvaluationResult]) -> dict[str, Chains]:
    return {phase: [_measured(name, row) for row in results[phase].rows] for phase in PHASES if phase in results}


def _measured(name: str, row: EvaluationRow) -> Chain:
    return Chain(
        problem=f"{name}/{row.problem_id}",
        question=row.text,
        language=row.language,
        difficulty=row.difficulty,
        human_seconds=row.human_seconds,
        text=row.completion,
        thought=_thought(row.completion),
        tokens=row.tokens,
        thinking_tokens=row.thinking_tokens,
        right=None if row.score is None else row.correct,
        vote=row.vote,
        puzzle=puzzle_in(row.text),
    )


def _rolled(row: Mapping[str, Any], form: str) -> Chain:
    text, verdict, data = f"{row['prefill'] or ''}{row['completion']}", str(row["verdict"]), dict(row["data"])
    known = cast(AnswerForm, data.get(KEY) or form or DEFAULT)
    answer = parse_completion(text, "", known).answer
    return Chain(
        problem=f"{row['task']}/{row['problem_id']}",
        question=str(row["problem"]),
        language=str(row["language"]),
        difficulty=number(row["difficulty"]),
        human_seconds=number(data.get("human_seconds")),
        text=text,
        thought=_thought(text),
        tokens=int(row["tokens"]),
        thinking_tokens=int(row["thinking_tokens"]),
        right={"correct": 1, "wrong": 0, "unparsable": 0, "timeout": 0}.get(verdict),
        vote=None if verdict == "unparsable" else vote_key(answer, row["verifier"]),
        puzzle=_puzzle(data),
    )


def _thought(text: str) -> str:
    reasoning = parse_completion(text).reasoning
    return text if reasoning is None else reasoning


def _puzzle(data: Mapping[str, Any]) -> Puzzle | None:
    numbers, target = data.get("numbers"), data.get("target")
    if not isinstance(numbers, list) or len(numbers) > MOST_NUMBERS or any(type(each) is not int for each in (*numbers, target)):
        return None
    return Puzzle(tuple(numbers), cast(int, target))


_LIST = r"(\d{1,9}(?:,\d{1,9}){1,7})"
_QUESTIONS = (
    re.compile(rf"Use {_LIST} to make (\d{{1,9}})\.", re.ASCII),
    re.compile(rf"用(?:数字)?{_LIST}算出(\d{{1,9}})。", re.ASCII),
)
_FULL = re.compile(rf"Make (\d{{1,9}}) from the numbers {_LIST}\.", re.ASCII)


def puzzle_in(question: str) -> Puzzle | None:
    """The puzzle of a question in the wordings of `dunwu.tasks.wording`: an evaluation stores the text of a problem only."""
    for pattern in _QUESTIONS:
        if found := pattern.search(question):
            return Puzzle(tuple(map(int, found[1].split(","))), int(found[2]))
    found = _FULL.search(question)
    return Puzzle(tuple(map(int, found[2].split(","))), int(found[1])) if found else None
