"""The judge with the ground truth: what can be read, what is asked again, and that it sees no chain of thought."""

from __future__ import annotations

from typing import Any

import pytest

from dunwu.config.data import OwnGenerator
from dunwu.config.data_replies import JudgeConfig
from dunwu.data.builders.sampled import Sampled
from dunwu.data.generators.base import Scripted, TextCompletion
from dunwu.data.judges.correctness import ground_truth, judge_correctness, read_correctness
from dunwu.types import Problem, Verdict

HOW = JudgeConfig(generator=OwnGenerator(function="judge.py:judge"), retries=2)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Both are four. {"analysis": "same", "correctness": true}', True),
        ('<think>{"analysis": "no", "correctness": false}</think>{"analysis": "yes {really}", "correctness": "Correct"}', True),
        ('```json\n{"correctness": "incorrect", "analysis": "no"}\n```', False),
        ('{"analysis": {"a": 1}, "correctness": true}', None),
        ('{"analysis": "x"}', None),
        ('{"correctness": true}', None),
        ('{"analysis": "x", "correctness": 1}', None),
        ('{"analysis": "x", "correctness": "perhaps"}', None),
        ('{"analysis": "x", "correctness": true} {"analysis": "x", "correctness": false}', None),
        ('{"analysis": "x", "correctness": true} but I may be wrong', None),
        ('{"analysis": "x", "correctness": true', None),
        ("it is right", None),
        ("[" * 100_000, None),
        ("", None),
    ],
)
def test_reading(text: str, found: bool | None) -> None:
    assert read_correctness(text) is found


def sampled(text: str, question: str = "What is {it}?") -> Sampled:
    return Sampled(Problem("p", "t", question, "text", "a cat"), TextCompletion(text), Verdict(0.0, "wrong"))


def test_garbage_is_asked_again_with_another_seed_then_dropped() -> None:
    asked: list[tuple[str, int]] = []

    def judge(messages: list[dict[str, str]], seed: int) -> str:
        text = messages[0]["content"]
        asked.append((text, seed))
        if "never" in text:
            return "hm"
        return f'{{"analysis": "", "correctness": {"true" if "feline" in text else "false"}}}' if seed > 4 else "{}"

    answers = [sampled("<think>secret</think>a feline"), sampled("a dog"), sampled("never")]
    verdicts, counts = judge_correctness(answers, Scripted(judge), HOW, 4)
    assert verdicts == [True, False, None]
    assert counts == {"requests": 3 + 3 + 1, "unreadable": 3 + 1 + 1}
    assert {seed for _, seed in asked} == {4, 5, 6}
    assert not any("secret" in text for text, _ in asked)
    assert all("What is {it}?" in text and "a cat" in text for text, _ in asked)


def test_a_judgement_that_was_cut_off_is_none() -> None:
    class CutOff:
        name, independent = "cut", True

        def complete(self, requests: Any, on_completion: Any) -> list[TextCompletion]:
            return [TextCompletion('{"analysis": "", "correctness": true}', finished=False) for _ in requests]

    assert judge_correctness([sampled("a cat")], CutOff(), HOW, 0)[0] == [None]


def test_the_ground_truth() -> None:
    assert ground_truth(Problem("p", "t", "q", "text", None, data={"answers": ["a", "b"]})) == "a or b"
