"""How close a completion is to the teacher's answer to the same problem. Computed in reward workers, as the answers of both are text.

Agreement asks the problem's own verifier, with the teacher's answer as the gold one: it says whether both answers mean the same, right or
wrong. Of countdown, where many answers are right, it is the value and the numbers of the teacher's expression.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import regex
from rapidfuzz.distance import Indel

from dunwu.models.thinking import ParsedCompletion
from dunwu.process.attempt import attempt
from dunwu.rewards.scope import look_at
from dunwu.text.answer_forms import as_read, form_of
from dunwu.types import Problem, Reward, Verdict
from dunwu.verifiers.choice import LETTERS
from dunwu.verifiers.expression import parse_expression
from dunwu.verifiers.verify import WHOLE_TEXTS, verify

TEACHER, CUT, CLOSENESS = "teacher", "cut", "closeness"
_TOKEN = regex.compile(r"\p{Nd}+|\p{Han}|[\p{L}\p{M}--\p{Han}]+|[^\p{L}\p{M}\p{Nd}\s]", regex.VERSION1)


@dataclass(frozen=True, slots=True)
class Closeness:
    """A job of the reward pool: ``data[TEACHER]`` of the problem is the teacher's completion, ``data[CUT]`` whether the student's was cut
    off, and the reward's only part is the score."""

    kind: Literal["answer", "overlap"]
    part_names: tuple[str, ...] = (CLOSENESS,)

    def __call__(self, problem: Problem, text: str) -> Reward:
        """The score of ``text`` (prefill + completion); ``None`` if the teacher's completion has nothing to compare with."""
        teacher = look_at(problem.data[TEACHER], "", form_of(problem).name).completion
        student = look_at(text, "", form_of(as_read(problem, problem.data[CUT])).name).completion
        score = agreement(problem, teacher, student) if self.kind == "answer" else overlap(thought(teacher), thought(student))
        return Reward(None, {CLOSENESS: score}, Verdict(1.0, "correct"))


def agreement(problem: Problem, teacher: ParsedCompletion, student: ParsedCompletion) -> float | None:
    """The verdict on the student's answer if the teacher's is right; ``None`` if the teacher's is missing or cannot be read."""
    if problem.verifier in WHOLE_TEXTS or teacher.answer is None:
        return None
    answer = teacher.answer

    def judged() -> Verdict:
        gold = as_gold(problem, answer)
        readable = verify(gold, answer)
        return verify(gold, student.answer) if readable.score == 1 else Verdict(None, "error", readable.detail)

    return attempt(judged, lambda message: Verdict(None, "error", message)).score


def as_gold(problem: Problem, answer: str) -> Problem:
    """The problem with ``answer`` as its gold answer. Raises ``ValueError`` or ``ZeroDivisionError`` if it cannot be one."""
    given = {key: value for key, value in problem.data.items() if key not in (TEACHER, CUT, "answers")}
    match problem.verifier:
        case "expression":
            made = parse_expression(answer.partition("=")[0])
            return replace(problem, data={**given, "numbers": list(made.numbers), "target": str(made.value)})
        case "choice":
            chosen = (letter for letter in LETTERS if verify(replace(problem, answer=letter), answer).score == 1)
            return replace(problem, answer=next(chosen, answer), data=given)
        case "reasoning_gym":
            return replace(problem, verifier="text", answer=answer, data={})
        case _:
            return replace(problem, answer=answer, data=given)


def thought(completion: ParsedCompletion) -> str:
    """The chain of thought; of a completion without one, all that it says."""
    return completion.visible if completion.reasoning is None else completion.reasoning


def overlap(teacher: str, student: str) -> float | None:
    """ROUGE-L (Lin, 2004), ``2 LCS / (n + m)``: LCS is the longest common subsequence of the texts' n and m words, numbers and symbols,
    in any case. ``None`` if the teacher's text has none."""
    gold, said = _TOKEN.findall(teacher.casefold()), _TOKEN.findall(student.casefold())
    return float(Indel.normalized_similarity(gold, said)) if gold else None
