"""Code data sets by name and by their columns."""

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from dunwu.config.tasks import CodeTask, task_name
from dunwu.errors import DataError
from dunwu.tasks.code import KNOWN_CODE, Code
from dunwu.tasks.code_tests import CodeTests
from dunwu.tasks.make import make_task
from tests.config.named_task import parse_task

DATA = os.environ.get("DUNWU_DATA") or str(Path(__file__).resolve().parents[3] / "shared" / "data")

HUMANEVAL = {
    "id": "he-1",
    "prompt": 'from typing import List\n\ndef total(xs: List[int]) -> int:\n    """Add all."""\n',
    "entry_point": "total",
    "canonical_solution": "    return sum(xs)\n",
    "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n",
}
MBPP = {
    "id": "mb-1",
    "text": "Write a function to double a number. ",
    "code": "def helper(x):\n    return x\ndef double(x):\n    return 2 * helper(x)",
    "test_setup_code": "",
    "test_list": ["assert double(2) == 4", "assert double(3) == 6"],
    "challenge_test_list": [],
    "split": "train",
}
JAM = {
    "id": "jam-1",
    "statement": "Halve it.",
    "float_tolerance": 1e-3,
    "public_tests": [{"input": "1\n2\n", "output": "Case #1: 1\n"}],
    "private_tests": [{"subtask": "a", "input": "1\n3\n", "output": "Case #1: 1.5\n"}],
}
CONTEST = {
    "name": "1_A. Halves",
    "description": "Halve it.",
    "public_tests": {"input": ["2\n"], "output": ["1\n"]},
    "private_tests": {"input": ["4\n", "6\n"], "output": ["2\n", "3\n"]},
    "generated_tests": {"input": [], "output": []},
    "time_limit": {"seconds": 3, "nanos": 500_000_000},
    "memory_limit_bytes": 1024 * 2**20,
    "cf_rating": 1200,
}


def made(tmp_path, rows, **options):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Code(CodeTask(path=str(path), **options))


def only(task):
    (problem,) = [problem for members in task.problems.values() for problem in members]
    return problem, CodeTests.from_data(problem.data)


def test_humaneval_rows(tmp_path):
    task = made(tmp_path, [HUMANEVAL])
    problem, tests = only(task)
    assert (problem.id, problem.verifier, tests.mode, tests.entry) == ("he-1", "code", "function", "total")
    assert [case.expected for case in tests.cases] == ["3", "0"]
    assert tests.preamble == HUMANEVAL["prompt"]
    assert '"""Add all."""' in problem.text
    assert "candidate" not in problem.text
    assert task.solutions == {"he-1": HUMANEVAL["prompt"] + "    return sum(xs)\n"}


def test_mbpp_rows_show_one_test_and_hide_the_rest(tmp_path):
    problem, tests = only(made(tmp_path, [MBPP]))
    assert (tests.entry, [case.public for case in tests.cases]) == ("double", [True, False])
    assert "assert double(2) == 4" in problem.text
    assert "double(3)" not in problem.text


def test_contest_rows(tmp_path):
    _, jam = only(made(tmp_path, [JAM]))
    assert (jam.mode, jam.tolerance, [case.public for case in jam.cases]) == ("stdio", 1e-3, [True, False])
    problem, contest = only(made(tmp_path, [CONTEST], programming_language="cpp"))
    assert [(case.input, case.expected, case.public) for case in contest.cases] == [
        ("2\n", "1\n", True),
        ("4\n", "2\n", False),
        ("6\n", "3\n", False),
    ]
    assert (contest.limits.cpu_seconds, contest.limits.wall_seconds, contest.limits.memory_mib) == (3.5, 7.0, 1024)
    assert (contest.programming_language, problem.difficulty, problem.id) == ("cpp", 1200.0, "1_A. Halves")
    assert "C++17" in problem.text


def test_public_cases_are_kept_where_there_are_too_many(tmp_path):
    _, tests = only(made(tmp_path, [CONTEST], max_cases=2))
    assert [case.public for case in tests.cases] == [True, False]


def test_limits_of_the_task(tmp_path):
    _, tests = only(made(tmp_path, [JAM], cpu_seconds=5, memory_mib=99, total_seconds=7))
    assert (tests.limits.cpu_seconds, tests.limits.wall_seconds, tests.limits.memory_mib, tests.limits.total_seconds) == (5, 10, 99, 10)


def numbered(count, **columns):
    return [{**MBPP, "id": f"mb-{n}", "text": f"Write function {n}.", **columns} for n in range(count)]


def test_named_splits_are_kept(tmp_path):
    splits = ("train", "test", "validation", "prompt")
    task = made(tmp_path, [{**row, "split": splits[n % 4]} for n, row in enumerate(numbered(40))])
    assert {split: len(members) for split, members in task.problems.items()} == {"train": 20, "validation": 10, "test": 10}
    training = {task.train(index, 0).id for index in range(200)}
    assert training.isdisjoint(problem.id for split in ("validation", "test") for problem in task.held_out(split, 99))
    assert len(training) == 20


def test_rows_without_splits_are_split_by_text(tmp_path):
    rows = [{key: value for key, value in row.items() if key != "split"} for row in numbered(300)]
    task = made(tmp_path, rows)
    assert 15 < len(task.held_out("test", 999)) < 50
    assert sum(map(len, task.problems.values())) == 300


def test_the_same_text_is_one_problem(tmp_path):
    task = made(tmp_path, [{**MBPP, "split": "train"}, {**MBPP, "id": "again", "split": "test"}, {**MBPP, "id": "third", "split": "test"}])
    assert task.duplicates == 2
    assert [problem.id for problem in task.held_out("test", 9)] == ["again"]
    with pytest.raises(DataError, match="no training problems"):
        task.train(0, 0)


def test_forgeable_problems_are_for_evaluation_only(tmp_path):
    forgeable = {"code": "class Box: pass\ndef area(b):\n    return 1", "test_list": ["assert area(Box()) == 1"]}
    rows = [*numbered(3), {**MBPP, **forgeable, "id": "boxed"}, {**MBPP, **forgeable, "id": "held", "text": "other", "split": "test"}]
    task = made(tmp_path, rows)
    assert task.forgeable == 2
    assert "boxed" not in {task.train(index, 3).id for index in range(50)}
    (held,) = task.held_out("test", 9)
    assert held.data["forgeable"] is True
    assert task.train(0, 0).data["forgeable"] is False


def test_rows_without_tests_are_skipped(tmp_path):
    task = made(tmp_path, [JAM, {**JAM, "id": "none", "public_tests": [], "private_tests": []}])
    assert task.skipped == 1


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        ({"question": "q", "answer": "1"}, {}, r"row 1: columns question, answer match no known code data set"),
        ({**MBPP, "test_list": ["assert double("]}, {}, "row 1: SyntaxError"),
        ({**MBPP, "test_list": []}, {}, "row 1: ValueError: the tests call no function of the solution"),
        ({**MBPP, "test_list": ["assert other(1) == 2"]}, {}, "call no function of the solution"),
        ({**HUMANEVAL, "test": "def check(candidate):\n    pass\n"}, {}, "without an assert"),
        ({**HUMANEVAL, "entry_point": "not a name"}, {}, "name the function"),
        ({**JAM, "public_tests": [{"input": 1, "output": "x"}]}, {}, "row 1: input: expected a valid string"),
        ({**JAM, "public_tests": [{"stdin": ""}]}, {}, "row 1: KeyError: 'input'"),
        ({**JAM, "checker": "magic"}, {}, "row 1: checker"),
    ],
)
def test_bad_rows(tmp_path, row, options, message):
    with pytest.raises(DataError, match=message) as caught:
        made(tmp_path, [row], **options)
    assert "\n" not in str(caught.value)


def test_functions_are_python_only(tmp_path):
    tests = only(made(tmp_path, [MBPP], programming_language="cpp"))[1]
    assert tests.programming_language == "python"


@pytest.mark.parametrize("options", [{}, {"dataset": "mbpp", "path": "x.jsonl"}, {"dataset": "apps"}, {"path": "x", "cpu_seconds": 0}])
def test_impossible_configurations(options):
    with pytest.raises(ValidationError):
        CodeTask(**options)


@pytest.mark.parametrize("name", [*KNOWN_CODE, "code:problems.jsonl"])
def test_names(name):
    assert task_name(parse_task(name)) == name


def test_code_jam_is_not_on_the_hub(monkeypatch):
    monkeypatch.delenv("DUNWU_DATA", raising=False)
    with pytest.raises(DataError, match="not on the hub: set DUNWU_DATA"):
        make_task(CodeTask(dataset="gcj"))


def test_humaneval_is_for_evaluation_only(tmp_path, monkeypatch):
    monkeypatch.setenv("DUNWU_DATA", str(tmp_path))
    (tmp_path / "humaneval").mkdir()
    rows = [json.dumps({**HUMANEVAL, "id": f"he-{n}", "prompt": HUMANEVAL["prompt"].replace("all", str(n))}) for n in range(20)]
    (tmp_path / "humaneval" / "train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    task = Code(CodeTask(dataset="humaneval"))
    assert len(task.held_out("test", 99)) == 20
    assert len(task.held_out("test", 5, seed=1)) == 5
    with pytest.raises(DataError, match="'humaneval' is for evaluation only"):
        task.train(0, 0)
    with pytest.raises(DataError, match="no validation problems"):
        task.held_out("validation", 1)


FIGURES = {
    "humaneval": (164, 0, 8, 0),
    "mbpp": (973, 7, 8, 384),
    "mbpp_sanitized": (399, 3, 3, 118),
    "gcj": (311, 0, 0, None),
    "codecontests": (20, 0, 0, None),
}
"""Problems, forgeable ones, those in assert mode, and the training split where it is published."""


@pytest.mark.parametrize("dataset", FIGURES)
def test_the_published_data_sets(dataset, monkeypatch):
    if not Path(DATA, KNOWN_CODE[dataset].local).exists():
        pytest.skip(f"no {KNOWN_CODE[dataset].local} below {DATA}")
    monkeypatch.setenv("DUNWU_DATA", DATA)
    task = Code(CodeTask(dataset=dataset))
    problems = [problem for members in task.problems.values() for problem in members]
    asserts = sum(problem.data["mode"] == "assert" for problem in problems)
    total, forgeable, kept, training = FIGURES[dataset]
    assert (len(problems), task.forgeable, asserts) == (total, forgeable, kept)
    assert training is None or len(task.problems["train"]) == training
