r"""Why no answer was read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dunwu.models.thinking import parse_completion
from dunwu.types import Completion, FinishReason, Problem, Prompt, Reason, Reward, Rollout, TokenSequence
from dunwu.verifiers.unread import CUT_OFF, NO_ANSWER, UNREADABLE, count_unread, describe_verdicts, hint, more_tokens, readable, why_unread
from dunwu.verifiers.verify import candidate, verify

FIVE = Problem("p", "t", "2+3?", "number", answer="5")


def rollout(text: str, finish: FinishReason = "stop", prefill: str = "") -> Rollout:
    verdict = verify(FIVE, candidate(FIVE, parse_completion(prefill + text)))
    return Rollout(
        Prompt(FIVE, "", (1,), prefill), Completion(TokenSequence.drawn((1,), (0.0,), 0), text, finish), Reward(verdict.score, {}, verdict)
    )


@pytest.mark.parametrize(
    ("text", "finish", "prefill", "why"),
    [
        ("<answer>5</answer>", "stop", "", ""),
        ("<answer>6</answer>", "stop", "", ""),
        ("The answer is 5.", "stop", "", NO_ANSWER),
        ("The answer is 5.", "length", "", CUT_OFF),
        ("<answer>1/0</answer>", "stop", "", UNREADABLE),
        (r"\boxed{5} or \boxed{6}", "stop", "", "several answers side by side"),
        ("I think 5", "stop", "<think>", "reasoning that never ends (no </think>)"),
        ("<answer>5", "stop", "", "an <answer> that never ends"),
        ("<answer> </answer>", "stop", "", "an empty answer"),
    ],
)
def test_reasons(text: str, finish: FinishReason, prefill: str, why: str) -> None:
    assert why_unread(rollout(text, finish, prefill)) == why


def test_describe_verdicts() -> None:
    counted = count_unread([NO_ANSWER, "", CUT_OFF, NO_ANSWER])
    assert counted == {NO_ANSWER: 2, CUT_OFF: 1}
    told = describe_verdicts({"unparsable": 20}, {NO_ANSWER: 20})
    assert told == rf"right 0 of 20, unparsable 20 of 20 ({NO_ANSWER} 20)"
    assert describe_verdicts({"correct": 3, "wrong": 1}, {}) == "right 3 of 4, wrong 1 of 4"


@pytest.mark.parametrize("template", ["auto", "chat", "r1-zero"])
@pytest.mark.parametrize(
    ("verdicts", "unread", "remedy"),
    [
        ({"unparsable": 20}, {NO_ANSWER: 20}, readable),
        ({"unparsable": 9, "wrong": 1}, {CUT_OFF: 8, NO_ANSWER: 1}, partial(more_tokens, 48)),
        ({"unparsable": 8, "correct": 2}, {NO_ANSWER: 8}, None),
        ({"unverified": 3}, {}, None),
        ({}, {}, None),
    ],
)
def test_a_remedy_where_almost_nothing_was_read(
    verdicts: dict[Reason, int], unread: dict[str, int], remedy: Callable[[str], str] | None, template: str
) -> None:
    found = hint(verdicts, unread, 48, template)
    assert found.endswith(remedy(template)) if remedy else found == ""
    assert ("choose a template" in found) == (remedy is not None and template == "r1-zero")
