"""Decontamination: what an evaluation set owns and what it does not, and a certificate that says what was compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dunwu.config.data import EvaluationSet
from dunwu.config.tasks import CountdownTask, DatasetTask, Game24Task
from dunwu.data.builders.certificate import Benchmark, is_clean, ngrams, open_benchmarks, text_shares_multiset, words
from dunwu.errors import DataError
from dunwu.tasks.make import make_task
from dunwu.tasks.splits import GAME24_HELD_OUT
from dunwu.types import Problem

LONG = "A farmer has seven red hens and each of them lays three eggs in a week"
PROBLEM = Problem(
    "hens", "farm", LONG, "number", "21", data={"solution": "Seven hens times three eggs is twenty one eggs for the whole week"}
)


@pytest.mark.parametrize(
    ("question", "others", "clean"),
    [
        (f"Look: {LONG.upper()}!", [], False),
        ("Something else.", [f"I remember this: {LONG}, so 21."], False),
        ("Something else.", ["seven hens times three eggs is twenty one eggs for me"], False),
        ("A farmer has seven red hens and each of us sings.", [], True),  # nine words in common
        ("How many?", ["21"], True),  # the answer 21 is nobody's
    ],
)
def test_ten_words_in_common_are_a_hit(question: str, others: list[str], clean: bool) -> None:
    benchmark = Benchmark("farm", [PROBLEM])
    assert is_clean([benchmark], question, others) is clean
    assert (benchmark.certificate.compared, benchmark.certificate.removed) == (1, int(not clean))
    assert [hit["with"] for hit in benchmark.certificate.hits] == ([] if clean else ["hens"])


def test_a_short_question_is_found_where_it_stands_alone() -> None:
    benchmark = Benchmark("short", [Problem("w", "t", "Who are you?", "text", "me")])
    assert not is_clean([benchmark], "who are you", [])
    assert is_clean([benchmark], "Tell me, who are you?", [])


def test_the_numbers_of_a_puzzle_are_found_in_any_order_and_words() -> None:
    (problem,) = make_task(Game24Task()).held_out("test", 1)
    numbers = problem.data["numbers"]
    (benchmark,) = open_benchmarks([EvaluationSet(name="24", task=Game24Task(), problems=1)])
    assert not is_clean([benchmark], f"Reach 24 from {', '.join(map(str, numbers[::-1]))}, please.", [])
    assert is_clean([benchmark], "Reach 24 from 1, 1, 1, 1, please.", [])
    assert is_clean([benchmark], "Another one.", [", ".join(map(str, numbers))])  # left-over numbers of a search are no puzzle


def test_every_set_counts_every_row() -> None:
    sets = [Benchmark("a", [PROBLEM]), Benchmark("b", [PROBLEM])]
    assert not is_clean(sets, LONG, [])
    assert [each.certificate.removed for each in sets] == [1, 1]


def test_the_hash_is_of_the_set(tmp_path: Path) -> None:
    def certified(rows: list[dict[str, str]], seed: int = 0) -> str:
        file = tmp_path / "test.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (found,) = open_benchmarks([EvaluationSet(name="x", task=DatasetTask(path=str(file)), seed=seed)])
        return found.certificate.sha256

    rows = [{"problem": "one", "answer": "1"}, {"problem": "two", "answer": "2"}]
    assert certified(rows) == certified(rows, seed=1)
    assert certified(rows) != certified([*rows, {"problem": "three", "answer": "3"}])
    assert certified(rows) != certified([rows[0], {"problem": "two", "answer": "3"}])


def test_training_problems_of_a_generated_task_are_clean_of_its_test_set() -> None:
    (benchmark,) = open_benchmarks([EvaluationSet(name="countdown", task=CountdownTask(), problems=300)])
    task = make_task(CountdownTask())
    assert all(is_clean([benchmark], task.train(index, 0).text, []) for index in range(200))
    assert all(not is_clean([benchmark], problem.text, []) for problem in task.held_out("test", 300))


def test_a_set_that_cannot_be_had_is_told() -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_benchmarks([EvaluationSet(name="x", task=DatasetTask(path="nowhere.jsonl"))])


def test_a_worked_solution_is_the_benchmarks_too(tmp_path: Path) -> None:
    """Of such a row the problem keeps the number alone."""
    worked = "He walks four miles each day of the week so that is 28 miles.\n#### 28"
    file = tmp_path / "test.jsonl"
    file.write_text(json.dumps({"question": "How far does he walk?", "answer": worked}) + "\n", encoding="utf-8")
    (benchmark,) = open_benchmarks([EvaluationSet(name="walk", task=DatasetTask(path=str(file)))])
    assert not is_clean([benchmark], "Tell me.", ["I know: he walks four miles each day of the week, so that is it."])


RESERVED = sorted(GAME24_HELD_OUT)[50]


def test_text_shares_multiset():
    a, b, c, d = RESERVED
    assert text_shares_multiset(f"Use {d},{a},{c},{b} to make 99.")
    assert text_shares_multiset(f"一行\n用{d}，{a}、{c}, {b}算出24。")
    assert not text_shares_multiset(f"Use {a},{b},{c} to make {d}.")
    assert not text_shares_multiset(f"Use {a},{b},{c},{d},1 to make 9.")
    assert text_shares_multiset("Use 2,1.", {(1, 2)})
    assert not text_shares_multiset("9" * 5000 + ",1,2,3")


def test_words():
    assert words("Tom's 3 apples, 12.5 kg!") == ["tom", "s", "3", "apples", "12", "5", "kg"]
    assert words("小明有3个") == ["小", "明", "有", "3", "个"]


def test_ngram_counts():
    assert len(ngrams(" ".join(map(str, range(12))))) == 3
    assert ngrams("one two three") == {("one", "two", "three")}
    assert ngrams("!!") == set()
