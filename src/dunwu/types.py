"""The data that flows through Dunwu: problems, prompts, completions, rollouts and groups.

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
AnswerForm = Literal["tags-or-boxed", "tags", "boxed", "####", "last-number", "boxed-or-last-number"]
VerifierName = Literal[
    "expression",
    "plain_number",
    "number",
    "math",
    "choice",
    "text",
    "names",
    "refusal",
    "json_schema",
    "instructions",
    "code",
    "reasoning_gym",
    "none",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One item of a task: the question, and everything needed to verify an answer.

    ``data`` is JSON-serialisable and specific to the task (``numbers``, ``target``, ``level``, ``human_seconds`` ...).
    ``difficulty`` orders problems within a task (higher is harder); ``None`` if unknown. ``turns``: the conversation that asks, if it is
    more than one user turn; ``text`` is then all of it.
    """

    id: str
    task: str
    text: str
    verifier: VerifierName
    answer: str | None = None
    language: Language = "en"
    difficulty: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    turns: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A problem rendered by its template, as the model reads it.

    ``prefill`` is the start of the completion that the template supplies (such as ``"<think>"``);
    completions are always parsed as ``prefill + completion.text``.
    """

    problem: Problem
    text: str
    token_ids: tuple[int, ...]
    prefill: str = ""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How an engine samples tokens. ``top_k=0``, ``top_p=1`` and ``min_p=0`` disable their filters; ``temperature=0`` is greedy."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    stop_token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A request to an engine: one completion of these tokens, sampled with this seed."""

    token_ids: tuple[int, ...]
    params: SamplingParams
    seed: int


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """The tokens after a prompt, of one or several turns. All four fields have one entry per token.

    ``sampled`` is true for tokens that the policy sampled, the stop token included; the others (text of a tool or user between two turns)
    are context and are not trained on. ``behaviour_logprobs``: natural log-probabilities under the distribution that the token was sampled
    from (after temperature and filters); 0 for other tokens. ``policy_versions``: the number of weight updates of the policy that sampled
    the token; -1 for other tokens.
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
        """Tokens that the policy did not sample."""
        return cls(tuple(ids), (False,) * len(ids), (0.0,) * len(ids), (-1,) * len(ids))

    def __add__(self, other: TokenSequence) -> TokenSequence:
        """This sequence followed by the other."""
        return TokenSequence(
            self.ids + other.ids,
            self.sampled + other.sampled,
            self.behaviour_logprobs + other.behaviour_logprobs,
            self.policy_versions + other.policy_versions,
        )

    def __len__(self) -> int:
        """The number of tokens, sampled or not."""
        return len(self.ids)

    @property
    def sampled_count(self) -> int:
        """The number of tokens that the policy sampled."""
        return sum(self.sampled)

    @property
    def last_turn(self) -> tuple[int, ...]:
        """The tokens behind the last one that the policy did not sample."""
        return self.ids[max((place + 1 for place, drawn in enumerate(self.sampled) if not drawn), default=0) :]

    @property
    def versions(self) -> set[int]:
        """The versions of the policies that sampled the tokens."""
        return {version for version, drawn in zip(self.policy_versions, self.sampled, strict=True) if drawn}


@dataclass(frozen=True, slots=True)
class Completion:
    """The tokens that follow a prompt, and their text; ``finish_reason`` is that of the last turn.

    Of a dialogue with a teacher, ``text`` is the last answer, ``earlier`` the answers before it, and ``tokens`` are those of all turns.
    """

    tokens: TokenSequence
    text: str
    finish_reason: FinishReason
    earlier: tuple[Exchange, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer, as a completion that ends with it, and the teacher's reply."""

    answer: Completion
    reply: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a verifier. ``score`` is ``None`` if the verifier itself failed (``timeout``, ``error``): excluded, never a silent 0.

    It is also ``None`` if a problem has no verifier (``unverified``). That is not a failure: accuracy does not apply.
    """

    score: float | None
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepReward:
    """The reward of one step of the reasoning; ``end`` is the index, from 0, of the step's last token in the completion."""

    end: int
    value: float


@dataclass(frozen=True, slots=True)
class Reward:
    """The reward of one rollout: the weighted ``total`` and its ``parts``; ``total`` is ``None`` if a part failed.

    ``failures`` gives the reason by part; it also holds a failed hidden check, which does not affect the total. ``steps`` are rewards of
    single reasoning steps (process supervision), in addition to the total.
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
