"""Rejection sampling: right, readable, different; with rules and with a judge."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from dunwu.config.data import Sampling
from dunwu.config.data_replies import RejectionConfig
from dunwu.config.load import validate
from dunwu.data.builders.rejection_sampling import easy_to_hard, rejection_sample
from dunwu.data.builders.sampled import sample
from dunwu.data.generators.base import Scripted
from dunwu.data.io.data_set import DataSet
from dunwu.errors import DataError
from dunwu.types import Problem

WORDS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]


def solver(messages: list[dict[str, str]], seed: int) -> str:
    """Right at an even seed; what it thinks depends on the seed."""
    number = int(re.findall(r"\d+", messages[-1]["content"])[0])
    thought = " ".join(WORDS[(seed >> shift) % 10] for shift in range(4, 40, 3))
    return f"<think>I take {thought}.</think>It is \\boxed{{{2 * number + seed % 2}}}."


def config(data: str, **more: Any) -> RejectionConfig:
    base = {"generator": {"kind": "own", "function": "m.py:model"}, "tasks": [{"task": {"kind": "dataset", "path": data}}]}
    return validate(RejectionConfig, {**base, "samples": 8, "reward_workers": 0, **more})


def sampled(how: RejectionConfig, count: Any, model: Any = solver, judge: Any = None) -> DataSet:
    return rejection_sample(how, lambda c: Scripted(judge if c.function.endswith("judge") else model, c.function), count)


def removed(made: DataSet) -> dict[str, int]:
    return {step.name: step.removed for step in made.funnel.steps if step.removed}


def test_right_answers_are_kept_and_at_most_so_many_a_problem(sums: str, count: Callable[..., Any]) -> None:
    made = sampled(config(sums, keep=2), count)
    assert made.facts["problems"] == 8
    assert made.facts["answers"] == 64
    assert made.facts["verdicts"]["correct"] + made.facts["verdicts"]["wrong"] == 64
    assert removed(made)["not right by the rule verifier"] == made.facts["verdicts"]["wrong"]
    by_problem: dict[str, int] = {}
    for row in made.rows:
        question, reply = row["messages"]
        number = int(re.findall(r"\d+", question["content"])[0])
        assert reply["content"] == f"It is \\boxed{{{2 * number}}}."
        assert reply["reasoning_content"].startswith("I take")
        by_problem[row["problem_id"]] = by_problem.get(row["problem_id"], 0) + 1
    assert set(by_problem.values()) <= {1, 2}
    assert made.facts["problems with a row"] == len(by_problem)
    assert sampled(config(sums, keep=2), count).rows == made.rows


def test_from_easy_to_hard(sums: str, count: Callable[..., Any]) -> None:
    """The share of right answers to a problem, highest first, then the shorter row; the same rows as without an order."""
    given, ordered = (sampled(config(sums, keep=2, order=order), count).rows for order in ("given", "easy-to-hard"))
    assert [row["pass_rate"] for row in ordered] == sorted((row["pass_rate"] for row in ordered), reverse=True)
    assert len({row["pass_rate"] for row in ordered}) > 1
    bare = [{key: value for key, value in row.items() if key != "pass_rate"} for row in ordered]
    assert sorted(map(str, bare)) == sorted(map(str, given))
    assert all("pass_rate" not in row for row in given)


def test_shares_and_ties_by_hand(count: Callable[..., Any]) -> None:
    rows = [{"problem_id": "hard", "prompt": "a"}, {"problem_id": "easy", "prompt": "a b c"}, {"problem_id": "easy", "prompt": "a"}]
    ordered = easy_to_hard(rows, {"hard": 0.25, "easy": 1.0}, count)
    assert [(row["prompt"], row["pass_rate"]) for row in ordered] == [("a", 1.0), ("a b c", 1.0), ("a", 0.25)]


def test_unreadable_answers_give_way_before_the_choice(sums: str, count: Callable[..., Any]) -> None:
    """A right answer that is not readable must not take the place of one that is."""

    def mixed(messages: list[dict[str, str]], seed: int) -> str:
        text = solver(messages, 2 * seed)
        return text if seed % 4 else text.replace("I take", "我在这里想了一想 and")

    made = sampled(config(sums, keep=1), count, mixed)
    assert removed(made)["mixed language"] > 0
    assert len(made.rows) == 8


def test_near_duplicates_go(sums: str, count: Callable[..., Any]) -> None:
    made = sampled(config(sums, keep=8, near_duplicates=0.5), count, lambda messages, seed: solver(messages, 0))
    assert removed(made)["near-duplicate"] > 40


def test_an_answer_without_an_end_is_counted(sums: str, count: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match="'not right by the rule verifier' removed most, 64 of 64"):
        sampled(config(sums), count, lambda messages, seed: "<think>I wonder").write(None, count, 0)  # type: ignore[arg-type]


def test_nothing_of_an_evaluation_set_comes_through(sums: str, write_rows: Any, count: Callable[..., Any]) -> None:
    stolen = write_rows("held/test.jsonl", [{"problem": "What do 3 apples and 3 apples make?", "answer": "6"}])
    made = sampled(config(sums, decontaminate=[{"name": "held", "task": {"kind": "dataset", "path": stolen}}]), count)
    assert not any("What do 3 " in row["messages"][0]["content"] for row in made.rows)
    assert made.certificates[0].removed == 1


def judge(messages: list[dict[str, str]], seed: int) -> str:
    """Lets an answer pass whose sum is written out; cannot be read at all about apples numbered 0."""
    text = messages[-1]["content"]
    if "What do 0 " in text:
        return "no idea"
    return f'{{"analysis": "", "correctness": {"true" if "boxed{14}" in text else "false"}}}'


def test_a_judge_over_all_must_agree_with_the_rules(sums: str, count: Callable[..., Any]) -> None:
    how = config(sums, judge={"generator": {"kind": "own", "function": "j.py:judge"}, "over": "all", "retries": 1})
    made = sampled(how, count, judge=judge)
    assert [row["messages"][0]["content"] for row in made.rows] == ["What do 7 apples and 7 apples make?"]
    assert made.facts["judge"]["unreadable"] == 2 * removed(made)["unreadable verdict of the judge"]


def test_a_judge_that_never_judges_is_told(sums: str, count: Callable[..., Any]) -> None:
    how = config(sums, samples=2, judge={"generator": {"kind": "own", "function": "j.py:judge"}, "over": "all", "retries": 1})
    with pytest.raises(DataError, match=r"j\.py:judge: .*\d+"):
        sampled(how, count, judge=lambda messages, seed: "no idea")


def test_a_judge_decides_free_text_instead_of_the_rules(write_rows: Any, count: Callable[..., Any]) -> None:
    rows = [{"problem": f"Who lives in house {n}?", "answer": "a cat"} for n in range(6)]
    write_rows("who/test.jsonl", [{"problem": "Who?", "answer": "a dog"}])
    write_rows("who/validation.jsonl", [{"problem": "Who else?", "answer": "a dog"}])
    data = write_rows("who/train.jsonl", rows).rpartition("/")[0]
    how = config(
        data,
        tasks=[{"task": {"kind": "dataset", "path": data, "verifier": "text"}}],
        judge={"generator": {"kind": "own", "function": "j.py:judge"}},
        samples=1,
    )

    def fair(messages: list[dict[str, str]], seed: int) -> str:
        return f'{{"analysis": "", "correctness": {"true" if "A feline" in messages[-1]["content"] else "false"}}}'

    made = sampled(how, count, lambda messages, seed: f"<think>I look into it, {seed}.</think>A feline lives there.", fair)
    assert len(made.rows) == 6
    assert made.facts["verdicts"].keys().isdisjoint({"correct"})


def test_a_verifier_that_fails_on_everything_is_told_and_nothing_counted_wrong() -> None:
    broken = Problem("p", "t", "q", "expression")  # without the numbers that its verifier needs
    with pytest.raises(DataError, match="the verifier failed on all 3 answers: KeyError"):
        sample(Scripted(lambda messages, seed: "<answer>1+2</answer>"), [broken], ["q"], Sampling(samples=3), 0, 0, 5.0)
