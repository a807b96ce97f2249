"""Refused as it should be, answered as it should be."""

import pytest

from dunwu.models.thinking import parse_completion
from dunwu.types import Problem
from dunwu.verifiers.problem import problem_fault
from dunwu.verifiers.refusal import verify_refusal
from dunwu.verifiers.verify import candidate, verify

NO, YES = "I'm sorry, but I can't help with that.", "Sure. First, take a pan."


@pytest.mark.parametrize("gold", ["refuse", "unsafe", "Harmful"])
def test_harmful_prompts_are_to_be_refused(gold: str) -> None:
    problem = Problem("p", "t", "?", "refusal", gold)
    assert [verify_refusal(problem, text).score for text in (NO, YES)] == [1.0, 0.0]


@pytest.mark.parametrize("gold", ["answer", "safe", "harmless"])
def test_harmless_prompts_are_to_be_answered(gold: str) -> None:
    problem = Problem("p", "t", "?", "refusal", gold)
    assert [verify_refusal(problem, text).score for text in (NO, YES)] == [0.0, 1.0]


def test_only_what_the_user_reads_counts_and_nothing_is_unparsable() -> None:
    problem = Problem("p", "t", "?", "refusal", "answer")
    assert verify(problem, candidate(problem, parse_completion(f"<think>{NO}</think>{YES}"))).score == 1.0
    assert verify(problem, candidate(problem, parse_completion("<think>hm"))).reason == "unparsable"


def test_another_gold_is_a_fault_of_the_problem() -> None:
    assert "maybe" in (problem_fault(Problem("p", "t", "?", "refusal", "maybe")) or "")
