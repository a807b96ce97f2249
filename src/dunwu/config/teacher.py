"""A teacher that answers during reinforcement learning: in the reward, and between two answers of the student."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dunwu.config.base import Config, Positive, Share, as_tuples
from dunwu.config.blocks import SamplingConfig
from dunwu.config.data import EndpointGenerator, GeneratorConfig, LocalGenerator, OwnGenerator


def _spelled_out(teacher: Any) -> Any:
    """The keys of a teacher that is only named, and the kind where none is given."""
    if isinstance(teacher, str):
        address, code = re.match("https?://", teacher), re.fullmatch(r".+\.py:\w+", teacher)
        teacher = {"url" if address else "function" if code else "model": teacher}
    if not isinstance(teacher, dict) or "kind" in teacher:
        return as_tuples(teacher)
    return as_tuples({"kind": "endpoint" if "url" in teacher else "own" if "function" in teacher else "local", **teacher})


Teacher = Annotated[
    Annotated[LocalGenerator | EndpointGenerator | OwnGenerator, Field(discriminator="kind")], BeforeValidator(_spelled_out)
]


class Asking(Config):
    """How a teacher is asked."""

    sampling: SamplingConfig | None = None
    """How its answers are sampled. null: as long as the student's, with DeepSeek-R1's temperature 0.6 and top_p 0.95."""
    ask_for_form: bool = False
    """Add to the teacher's prompt a request for the answer in the run's form, where the problem has none. For teachers that Dunwu did not
    train."""


class AskedTeacher(Asking):
    """A model that answers problems of a run, each once: its answers are kept in the run directory."""

    teacher: Teacher
    """The model: a run, a checkpoint, a local Hugging Face folder or a hub id; `{url: ..., model: NAME}` of an OpenAI-compatible endpoint;
    `file.py:function`; or a block with keys of its own. The template of a local one is that of its training, if it is not set."""

    @property
    def asks(self) -> tuple[GeneratorConfig, SamplingConfig | None, bool]:
        """What its answers depend on, besides the seed."""
        return self.teacher, self.sampling, self.ask_for_form


class Replies(Config):
    """What a teacher says between two answers of the student."""

    reply: Literal["hint", "solution", "conversation"] = "hint"
    """hint: the start of the teacher's own chain of thought on the problem, up to its final answer; solution: all of it, and the answer;
    conversation: what it writes when it reads the problem, the student's answer and `request`, without its chain of thought."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the teacher's chain of thought in the first hint; the second has twice as much, and so on."""
    request: str = "Check this answer. If it is wrong, give a hint, but not the answer."
    """What the teacher of a conversation is asked after each answer."""
    max_tokens: Positive = 128
    """Tokens between two answers, at most: the reply, which is cut, and what the template writes around it."""


class DialogueConfig(Asking, Replies):
    """The student answers a problem several times, and a teacher replies in between. What the teacher says is read and not learned."""

    turns: Annotated[int, Field(ge=2, le=8)] = 2
    """Answers of the student to each problem."""
    teacher: Teacher | None = None
    """The model that replies, as in the reward's part `teacher`; null: that of the reward's first such part, asked as there
    unless `sampling` or `ask_for_form` is set here."""
    discount: Share = 0.0
    """Weight of the reward of the last answer but one, its square that of the answer before, and so on; 0: the last answer's alone."""


class TeacherScore(AskedTeacher):
    """How close a completion is to the teacher."""

    closeness: Literal["answer", "overlap", "likelihood"] = "answer"
    """answer: 1 if the final answers are equivalent by the problem's verifier, else 0; no gold answer is needed. overlap: ROUGE-L of the
    chains of thought, from 0 to 1. likelihood: `exp` of the mean log-probability of a token under the teacher, from 0 to 1; of a local
    teacher only."""

    @model_validator(mode="after")
    def _with_probabilities(self) -> Self:
        if self.closeness == "likelihood" and not isinstance(self.teacher, LocalGenerator):
            raise ValueError(
                f"closeness = likelihood needs the teacher's probabilities, and teacher.kind = {self.teacher.kind} gives text only: set"
                " teacher.kind=local, or closeness to answer or overlap"
            )
        return self
