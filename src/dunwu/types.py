"""What flows through Dunwu: problems become prompts, completions, rollouts and groups.

Shape legend, used as suffixes of tensor names everywhere:
``P`` prompts, ``G`` group size, ``B`` = P*G rollouts, ``T`` tokens, ``V`` vocabulary, ``D`` model width, ``H`` heads, ``L`` layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Split = Literal["train", "validation", "test"]
Language = Literal["en", "zh"]
FinishReason = Literal["stop", "length"]
Reason = Literal["correct", "wrong", "unparsable", "timeout", "error", "unverified"]
VerifierName = Literal[
    "expression", "plain_number", "number", "math", "choice", "text", "json_schema", "instructions", "code", "reasoning_gym", "none"
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One item of a task: what is asked, and all that is needed to verify an answer.

    ``data`` is JSON-able and belongs to the task (``numbers``, ``target``, ``level``, ``human_seconds`` ...).
    ``difficulty`` orders problems within a task (higher is harder); ``None`` where unknown.
    """

    id: str
    task: str
    text: str
    verifier: VerifierName
    answer: str | None = None
    language: Language = "en"
    difficulty: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A problem in its template, as the model reads it.

    ``prefill`` is the part of the completion that the template has already written (such as ``"<think>"``);
    parsing a completion always looks at ``prefill + completion.text``.
    """

    problem: Problem
    text: str
    token_ids: tuple[int, ...]
    prefill: str = ""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How an engine draws tokens. ``top_k=0``, ``top_p=1`` and ``min_p=0`` switch their filters off; ``temperature=0`` is greedy."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    stop_token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """Token ids the policy produced, the stop token included where one was produced.

    ``behaviour_logprobs`` has one natural logarithm per token, of the distribution the token was drawn from
    (after temperature and filters). ``policy_version`` counts weight updates.
    """

    token_ids: tuple[int, ...]
    text: str
    behaviour_logprobs: tuple[float, ...]
    finish_reason: FinishReason
    policy_version: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's finding. ``score`` is ``None`` when the verifier itself failed (``timeout``, ``error``): excluded, never a silent 0.

    It is ``None`` too where a problem has no verifier (``unverified``), which is no failure: accuracy then does not apply.
    """

    score: float | None
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reward:
    """What the learner gets for one rollout: the weighted ``total`` and its ``parts``; ``total`` is ``None`` when a part failed.

    ``failures`` says why, by part; a failed hidden check stands there too, and fails no total.
    """

    total: float | None
    parts: Mapping[str, float | None]
    verdict: Verdict
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollout:
    """A prompt, a completion and its reward. The advantage is computed per group and never overwrites the reward."""

    prompt: Prompt
    completion: Completion
    reward: Reward


@dataclass(frozen=True, slots=True)
class Group:
    """The G rollouts of one prompt."""

    prompt: Prompt
    rollouts: tuple[Rollout, ...]
