"""The held-out measurements of an R1-Zero run: before training, every so many steps, and after it. One on disk is read, not repeated."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dunwu.analysis.sentences import percent
from dunwu.config.zero import ZeroConfig
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.session import EvaluationSession
from dunwu.evaluation.store import read_evaluation, write_evaluation
from dunwu.jobs.measure import set_names
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.run.directory import RunDirectory, read_metrics
from dunwu.run.reporter import Advance, Reporter
from dunwu.trainers.trackers import Track, no_tracker
from dunwu.trainers.train_loop import Show
from dunwu.verifiers.unread import describe_verdicts, hint

SECONDS = "evaluations/seconds.json"
CURVE = "evaluations/curve.json"
"""``{set: [{"step": 0, "pass_at_1": ..., ...}, ...]}``: all points over the same problems, those before and after training included."""
POINT = ("pass_at_1", "interval", "majority_at_k", "k", "problems", "mean_length", "thinking_length")
"""Headline numbers of a point of the curve."""
_STEP = re.compile(r"step-(\d{5,})-.+\.parquet")


@contextmanager
def session_during(config: ZeroConfig, model: CausalLM, tokenizer: Tokenizer, session: EvaluationSession) -> Iterator[EvaluationSession]:
    """The session for evaluations between steps: ``session``, except with staleness, where its engine samples ahead in a thread, with older
    weights; then one with an engine and verifiers of its own."""
    if not (config.grpo.staleness and config.evaluate_every):
        yield session
        return
    workers = config.reward_workers, config.reward_timeout
    with EvaluationSession.open(model, tokenizer, config.engine, config.template, config.max_prompt_tokens, *workers) as own:
        yield own


class _ProgressLine(Reporter):
    """Shows how many completions an evaluation has on the progress line of the steps."""

    def __init__(self, name: str, show: Show) -> None:
        self._name, self._show = name, show

    def progress(self, total: int, description: str, start: int = 0) -> AbstractContextManager[Advance]:
        return nullcontext(lambda done, metrics: self._show({"evaluating": f"{self._name} {done}/{total}"}))


class Evaluator:
    """Measures every eval set of a run, and keeps the results and what they cost on disk."""

    def __init__(self, run: RunDirectory, config: ZeroConfig, session: EvaluationSession, track: Track = no_tracker) -> None:
        self._run, self._config, self._session, self._track = run, config, session, track
        self._sets = dict(zip(set_names(config.evaluations), config.evaluations, strict=True))
        self.results: dict[str, dict[str, EvaluationResult]] = {}
        self._seconds: dict[str, float] = _read(run.path / SECONDS)
        self._curve: dict[str, list[dict[str, Any]]] = _read(run.path / CURVE)

    def measure(self, phase: str, step: int = 0) -> None:
        """Measure every eval set ``before`` training or ``after`` its last ``step``."""
        for name, config in self._sets.items():
            path = self._path(phase, name)
            if path.exists():
                result = read_evaluation(path)
            else:
                self._run.reporter.say(f"{phase}: at most {config.problems} held-out problems of {name}, {config.samples} completions each")
                result = self._measure(phase, path, name, partial(self._session.evaluate, config, self._run.reporter))
                found = result.summary()
                self._run.reporter.say(f"{phase}: {name}: {describe_verdicts(found['verdicts'], found['unread'])}")
                if advice := hint(found["verdicts"], found["unread"], config.sampling.max_tokens, self._config.template):
                    self._run.reporter.warn(f"{phase}: {name}: {advice}")
            self.results.setdefault(name, {})[phase] = result
            if self._config.evaluate_every:
                self._add_point(name, step, result.spread(self._config.evaluate_problems))

    def forget(self, phase: str) -> None:
        """Remove the measurements of a phase, to be made again."""
        for name in self._sets:
            self._path(phase, name).unlink(missing_ok=True)
        self._seconds.pop(f"evaluate_{phase}", None)

    def during(self, step: int, session: EvaluationSession, show: Show) -> None:
        """Measure every eval set after ``step`` if it is due, and drop what a resumed run measured after that step.

        Training is not affected: the seeds of completions are not those of rollouts, and nothing is drawn from a shared stream.
        """
        self._rewind(step)
        every = self._config.evaluate_every
        if every and step % every == 0 and 0 < step < self._config.grpo.steps:
            session.engine.load_weights(step)
            for name in self._sets:
                self._measure_step(step, name, session, show)

    def _measure_step(self, step: int, name: str, session: EvaluationSession, show: Show) -> None:
        path, config, problems = self._path(f"step-{step:05d}", name), self._sets[name], self._config.evaluate_problems
        if path.exists():
            result = read_evaluation(path)
        else:
            result = self._measure("during", path, name, partial(session.evaluate, config, _ProgressLine(name, show), problems))
        point = self._add_point(name, step, result)
        self._run.reporter.say(f"step {step}: {name}: {describe_point(point)}")

    def _measure(self, phase: str, path: Path, name: str, evaluate: Callable[[], EvaluationResult]) -> EvaluationResult:
        began = time.monotonic()
        result = replace(evaluate(), name=name)
        path.parent.mkdir(exist_ok=True)
        write_evaluation(path, result)
        key = f"evaluate_{phase}"
        # kept on disk, since a resumed run reads its measurements and would not know what they cost
        self._seconds[key] = self._seconds.get(key, 0.0) + time.monotonic() - began
        self._run.write_json(SECONDS, self._seconds)
        return result

    def _path(self, phase: str, name: str) -> Path:
        return self._run.path / "evaluations" / f"{phase}-{name}.parquet"

    def _add_point(self, name: str, step: int, result: EvaluationResult) -> Mapping[str, Any]:
        summary = result.summary()
        point = {"step": step, **{key: summary[key] for key in POINT}}
        known = self._curve.get(name, [])
        if point not in known:
            others = [each for each in known if each["step"] != step]
            self._curve[name] = sorted([*others, point], key=lambda each: int(each["step"]))
            self._run.write_json(CURVE, self._curve)
            self._track(step, {f"eval/{name}/{key}": value for key, value in point.items() if key != "step"})
        return point

    def _rewind(self, step: int) -> None:
        """Drop what was measured after ``step`` by steps that are trained again."""
        if self._run.finished:
            return
        for path in (self._run.path / "evaluations").glob("step-*.parquet"):
            if (match := _STEP.fullmatch(path.name)) and int(match[1]) > step:
                path.unlink()
        kept = {name: [point for point in points if point["step"] <= step] for name, points in self._curve.items()}
        if kept != self._curve:
            self._curve = kept
            self._run.write_json(CURVE, kept)

    def summary(self, seed: int, device: str) -> dict[str, Any]:
        """The contents of ``summary.json``."""
        sets = {name: {phase: result.summary() for phase, result in phases.items()} for name, phases in self.results.items()}
        rows = read_metrics(self._run.path)
        phases = {f"train_{key}": sum(row.get(f"time/{key}") or 0.0 for row in rows) for key in ("generate", "reward", "train")}
        seconds = {**self._seconds, "train": sum(row.get("step_time") or 0.0 for row in rows), **phases}
        rounded = {name: round(value, 1) for name, value in seconds.items()}
        return {**sets, "seconds": rounded, "seed": seed, "device": device}


def describe_point(point: Mapping[str, Any]) -> str:
    """``pass@1 31.0 % (27.1 to 35.2), majority@4 40.0 %``."""
    low, high = point["interval"] or (None, None)
    interval = f" ({100 * low:.1f} to {100 * high:.1f})" if low is not None and high is not None else ""
    majority = f", majority@{point['k']} {percent(point['majority_at_k'])}" if point["k"] > 1 else ""
    return f"pass@1 {percent(point['pass_at_1'])}{interval}{majority}"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found
