"""What flows through Dunwu: problems become prompts, completions, rollouts and groups.

Shape legend, used as suffixes of tensor names everywhere:
``P`` prompts, ``G`` group size, ``B`` = P*G rollouts, ``T`` tokens, ``V`` vocabulary, ``D`` model width, ``H`` heads, ``L`` layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
class Request:
    """What an engine is asked for: one completion of these tokens, drawn with this seed."""

    token_ids: tuple[int, ...]
    params: SamplingParams
    seed: int


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """Tokens behind a prompt, of one turn or of several. All four fields have one entry per token.

    ``sampled`` is true on the tokens that the policy drew, the stop token included; the others (what a tool or a user says between two
    turns) are read and never learned. ``behaviour_logprobs``: the natural logarithm of the probability under the distribution that the
    token was drawn from (after temperature and filters); 0 where it was not drawn. ``policy_versions`` counts the weight updates behind the
    policy that drew it; -1 where it was not drawn.
    """

    ids: tuple[int, ...]
    sampled: tuple[bool, ...]
    behaviour_logprobs: tuple[float, ...]
    policy_versions: tuple[int, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.ids), len(self.sampled), len(self.behaviour_logprobs), len(self.policy_versions)}
        assert len(lengths) == 1, f"one entry per token in every field of a token sequence, not {sorted(lengths)}"

    @classmethod
    def drawn(cls, ids: Sequence[int], behaviour_logprobs: Sequence[float], policy_version: int) -> TokenSequence:
        """A turn of the policy."""
        return cls(tuple(ids), (True,) * len(ids), tuple(behaviour_logprobs), (policy_version,) * len(ids))

    @classmethod
    def given(cls, ids: Sequence[int]) -> TokenSequence:
        """What the policy did not write."""
        return cls(tuple(ids), (False,) * len(ids), (0.0,) * len(ids), (-1,) * len(ids))

    def __add__(self, other: TokenSequence) -> TokenSequence:
        """This sequence, then the other."""
        return TokenSequence(
            self.ids + other.ids,
            self.sampled + other.sampled,
            self.behaviour_logprobs + other.behaviour_logprobs,
            self.policy_versions + other.policy_versions,
        )

    def __len__(self) -> int:
        """The number of tokens, drawn or not."""
        return len(self.ids)

    @property
    def sampled_count(self) -> int:
        """The number of tokens that the policy drew."""
        return sum(self.sampled)

    @property
    def versions(self) -> set[int]:
        """The versions of the policies that drew them."""
        return {version for version, drawn in zip(self.policy_versions, self.sampled, strict=True) if drawn}


@dataclass(frozen=True, slots=True)
class Completion:
    """What follows a prompt: its tokens and their text; ``finish_reason`` is that of its last turn."""

    tokens: TokenSequence
    text: str
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's finding. ``score`` is ``None`` when the verifier itself failed (``timeout``, ``error``): excluded, never a silent 0.

    It is ``None`` too where a problem has no verifier (``unverified``), which is no failure: accuracy then does not apply.
    """

    score: float | None
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepReward:
    """The reward of one step of the reasoning; ``end`` is the place, from 0, of its last token in the completion."""

    end: int
    value: float


@dataclass(frozen=True, slots=True)
class Reward:
    """What the trainer gets for one rollout: the weighted ``total`` and its ``parts``; ``total`` is ``None`` when a part failed.

    ``failures`` says why, by part; a failed hidden check stands there too, and fails no total. ``steps`` are the rewards of steps of the
    reasoning (process supervision), which count beside the total.
    """

    total: float | None
    parts: Mapping[str, float | None]
    verdict: Verdict
    failures: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[StepReward, ...] = ()


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
