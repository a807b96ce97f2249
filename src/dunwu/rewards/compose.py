"""The reward of a rollout: the weighted sum of the verdict on its answer and any number of named parts.

DeepSeek-R1 adds its rewards (arXiv 2501.12948, sections 2.2.2 and 2.3.2): accuracy + format, later + language consistency.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic

from dunwu.process.attempt import attempt
from dunwu.rewards.scope import Scope, Whole, look_at, narrow
from dunwu.text.answer_forms import form_of
from dunwu.types import Problem, Reward, Verdict
from dunwu.verifiers.verify import candidate, verify

ACCURACY, HIDDEN = "accuracy", "hidden"


@dataclass(frozen=True, slots=True)
class Part(Generic[Scope]):
    """``score(problem, scope)`` returns a finite float, or ``None`` if the part does not apply. It sees nothing but ``scope``.

    ``tasks`` names the tasks it applies to; empty means all. A score that raises is a failed reward, never a 0.
    """

    name: str
    scope: type[Scope]
    score: Callable[[Problem, Scope], float | None]
    weight: float = 1.0
    tasks: tuple[str, ...] = ()

    def __call__(self, problem: Problem, whole: Whole) -> float | None:
        """The unweighted score; ``None`` if the part does not apply."""
        if self.tasks and problem.task not in self.tasks:
            return None
        return self.score(problem, narrow(whole, self.scope))


@dataclass(frozen=True, slots=True)
class ComposedReward:
    """``accuracy_weight * accuracy + sum of weight * score`` over the parts that apply; ``None`` if one failed or none applies.

    The answer always gets a verdict, so that runs without accuracy in their reward report it too; if ``accuracy_weight`` is 0, a failed
    verifier does not fail the reward. ``hidden`` is a check that is never part of the sum: it is computed for the share ``hidden_share``
    of the rollouts, chosen by their text, and becomes the part ``hidden`` of the result (see `dunwu.rewards.tripwire`).
    """

    accuracy_weight: float = 1.0
    parts: tuple[Part[Any], ...] = ()
    accuracy_tasks: tuple[str, ...] = ()
    end_marker: str = ""
    """Text of the end token if completions contain it; see `parse_completion`."""
    hidden: Part[Any] | None = None
    hidden_share: float = 1.0

    def __post_init__(self) -> None:
        assert len(set(self.part_names)) == len(self.part_names), f"two parts of one name in {self.part_names}"

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of all parts, in the order of the result."""
        return (ACCURACY, *(part.name for part in self.parts), *((HIDDEN,) if self.hidden else ()))

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the parts; the hidden check has none."""
        return {ACCURACY: self.accuracy_weight, **{part.name: part.weight for part in self.parts}}

    def __call__(self, problem: Problem, text: str) -> Reward:
        """The reward of ``text`` (prefill + completion)."""
        whole = look_at(text, self.end_marker, form_of(problem).name)
        verdict = verify(problem, candidate(problem, whole.completion))
        applies = problem.verifier != "none" and (not self.accuracy_tasks or problem.task in self.accuracy_tasks)
        accuracy = verdict.score if applies else None
        scores: dict[str, float | None] = {ACCURACY: accuracy}
        failures: dict[str, str] = {}
        if verdict.score is None and applies and self.accuracy_weight:
            failures[ACCURACY] = f"{verdict.reason}: {verdict.detail}"
        total = self.accuracy_weight * accuracy if accuracy is not None and self.accuracy_weight else None
        for part in self.parts:
            score, failure = _score(part, problem, whole)
            scores[part.name] = score
            if score is not None and part.weight:
                total = (total or 0.0) + part.weight * score
            if failure:
                failures[part.name] = failure
                verdict = Verdict(None, "error", failure)
        reward = Reward(None if failures else total, scores, verdict, failures)
        return reward if self.hidden is None else self._with_hidden(self.hidden, reward, problem, whole)

    def _with_hidden(self, hidden: Part[Any], reward: Reward, problem: Problem, whole: Whole) -> Reward:
        """``reward`` with the hidden check among its parts; if the check fails, the reward does not."""
        score, failure = _score(hidden, problem, whole) if self._sampled(problem, whole.text) else (None, "")
        failures = {**reward.failures, HIDDEN: failure} if failure else reward.failures
        return replace(reward, parts={**reward.parts, HIDDEN: score}, failures=failures)

    def _sampled(self, problem: Problem, text: str) -> bool:
        """A function of the rollout alone, so that a resumed run checks the same ones."""
        return zlib.crc32(f"{problem.id} {text}".encode("utf-8", "surrogatepass")) < self.hidden_share * 2**32


def _score(part: Part[Any], problem: Problem, whole: Whole) -> tuple[float | None, str]:
    """The score and, if the part failed, the reason."""

    def checked() -> tuple[float | None, str]:
        score = part(problem, whole)
        if score is not None and not math.isfinite(score):
            raise ValueError(f"{score!r} is not finite")
        return score, ""

    return attempt(checked, lambda message: (None, f"part {part.name}: {message}"))
