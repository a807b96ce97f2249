"""Format rewards."""

from __future__ import annotations

import pytest

from dunwu.rewards.form import OneBox, Reply, Summary, TagStructure
from dunwu.rewards.scope import Visible, look_at, narrow
from dunwu.types import Problem

PROBLEM = Problem(id="p", task="t", text="", verifier="number", answer="8")


@pytest.mark.parametrize(
    ("text", "tags", "box", "summary", "reply"),
    [
        ("<think>a</think><answer>8</answer>", 1, 0, 0, 1),
        ("<think>a</think> <answer>8</answer> ", 1, 0, 0, 1),
        ("<think>a</think>The answer is 8: <answer>8</answer>", 0, 0, 1, 1),
        (r"<think>a</think>We add both numbers: \boxed{8}", 0, 1, 1, 1),
        (r"<think>a</think>\boxed{8}", 0, 1, 0, 1),
        (r"<think>a</think>\boxed{}", 0, 0, 0, 1),
        (r"<think>\boxed{7}</think>It is $\boxed{8}$.", 0, 1, 0, 1),
        (r"<think>a</think>It may be \boxed{8} or else \boxed{9}.", 0, 0, 1, 1),
        (r"<think>a \boxed{8} never closed, many words", 0, 0, 0, 0),
        ("<think>a</think>因为三加五等于八 <answer>8</answer>", 0, 0, 1, 1),
        (r"<think>a</think><answer>We add both: \boxed{8}</answer>", 1, 1, 1, 1),
        ("8", 0, 0, 0, 1),
        ("", 0, 0, 0, 0),
        ("<answer>Hello!</answer>", 0, 0, 0, 1),
        ("<answer></answer>", 0, 0, 0, 0),
        ("<answer>Hello!", 0, 0, 0, 0),
        ("Hm.<think>a</think>Hello!", 0, 0, 0, 0),
        ("Hello!</think>", 0, 0, 0, 0),
        ("<think>a</think><think>b</think>Hello!", 0, 0, 1, 0),
    ],
)
def test_forms(text: str, tags: int, box: int, summary: int, reply: int) -> None:
    whole = look_at(text)
    found = (TagStructure()(PROBLEM, whole), OneBox()(PROBLEM, narrow(whole, Visible)), Summary()(PROBLEM, whole), Reply()(PROBLEM, whole))
    assert found == (tags, box, summary, reply)


def test_the_prefill_belongs_to_the_form() -> None:
    completion = "3 + 5</think><answer>8</answer>"
    assert TagStructure()(PROBLEM, look_at(completion)) == 0.0  # what forgetting the prefill gives, always
    assert TagStructure()(PROBLEM, look_at("<think>" + completion)) == 1.0


def test_how_much_is_a_summary() -> None:
    whole = look_at("<think>a</think>Add them: <answer>8</answer>")
    assert (Summary(2)(PROBLEM, whole), Summary(3)(PROBLEM, whole)) == (1.0, 0.0)
