import datetime
import json
import os
from pathlib import Path

import pytest

from dunwu.config.tasks import DatasetTask
from dunwu.errors import DataError
from dunwu.tasks.dataset import Dataset


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def made(path, **options):
    return Dataset(DatasetTask(path=path, **options))


def sums(count):
    return [{"problem": f"What is {n} + 1?", "answer": n + 1} for n in range(count)]


def test_one_file_is_split_by_text(tmp_path):
    task = made(write(tmp_path / "sums.jsonl", sums(1000)))
    train = {task.train(i, 0).text for i in range(2000)}
    validation = {p.text for p in task.held_out("validation", 1000)}
    test = {p.text for p in task.held_out("test", 1000)}
    assert train.isdisjoint(validation | test)
    assert validation.isdisjoint(test)
    assert len(train | validation | test) == 1000
    assert 70 < len(test) < 130
    assert task.name == "sums"


def test_split_does_not_depend_on_the_order_of_rows(tmp_path):
    one = made(write(tmp_path / "a.jsonl", sums(200)))
    other = made(write(tmp_path / "b.jsonl", sums(200)[::-1]))
    assert {p.text for p in one.held_out("test", 99)} == {p.text for p in other.held_out("test", 99)}


def test_folder_with_named_files(tmp_path):
    write(tmp_path / "set" / "train.jsonl", sums(100))
    write(tmp_path / "set" / "test.jsonl", [{"problem": "What is 5 + 1?", "answer": "6"}, {"problem": "new?", "answer": "0"}])
    task = made(str(tmp_path / "set"))
    assert [p.text for p in task.held_out("test", 10)] == ["What is 5 + 1?", "new?"]
    train = {task.train(i, 0).text for i in range(500)}
    validation = {p.text for p in task.held_out("validation", 100)}
    assert "What is 5 + 1?" not in train | validation
    assert len(train) + len(validation) == 99
    assert train.isdisjoint(validation)
    assert task.duplicates == 1


def test_only_a_test_file(tmp_path):
    task = made(write(tmp_path / "test.jsonl", sums(10)))
    assert len(task.held_out("test", 100)) == 10
    with pytest.raises(DataError, match=r"has no train rows \(test 10, validation 0, train 0\)"):
        task.train(0, 0)


def test_an_epoch_is_a_permutation(tmp_path):
    task = made(write(tmp_path / "train.jsonl", sums(60)))
    size = 60 - len(task.held_out("test", 60)) - len(task.held_out("validation", 60))
    epochs = [[task.train(i, 1).id for i in range(e * size, (e + 1) * size)] for e in range(3)]
    assert all(sorted(epoch) == sorted(epochs[0]) and len(set(epoch)) == size for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert [task.train(i, 2).id for i in range(size)] != epochs[0]


def test_limits_sample(tmp_path):
    task = made(write(tmp_path / "test.jsonl", sums(50)))
    assert [p.data["row"] for p in task.held_out("test", 50)] == list(range(1, 51))
    rows = [p.data["row"] for p in task.held_out("test", 10)]
    assert rows == sorted(set(rows))
    assert len(rows) == 10
    assert rows == [p.data["row"] for p in task.held_out("test", 10)]


def test_gold_answers_and_fields(tmp_path):
    rows = [
        {"question": "q1", "answer": "half of 2468\n#### 1,234"},
        {"question": "q2", "solution": r"so \boxed{\frac{1}{2}}", "level": "Level 4"},
        {"question": "q3", "answer": None, "solution": "7"},
        {"question": "q4", "answer": 2.5, "level": 3},
    ]
    problems = made(write(tmp_path / "test.jsonl", rows), language="zh").held_out("test", 9)
    assert [(p.text, p.answer, p.difficulty) for p in problems] == [
        ("q1", "1234", None),
        ("q2", "1/2", 4.0),
        ("q3", "7", None),
        ("q4", "2.5", 3.0),
    ]
    assert {p.verifier for p in problems} == {"number"}
    assert {p.language for p in problems} == {"zh"}
    assert problems[3].data == {"source": "test.jsonl", "row": 4, "level": 3}


@pytest.mark.parametrize(
    ("row", "verifier", "expected"),
    [
        ({"answer": r"\boxed{\sqrt{2}}"}, "auto", ("math", r"\sqrt{2}", {})),
        ({"answer": "12"}, "math", ("math", "12", {})),
        ({"answer": "B", "options": ["x", "y"]}, "choice", ("choice", "B", {"options": ["x", "y"]})),
        ({"answer": ["Newton", "Isaac Newton"]}, "text", ("text", None, {"answers": ["Newton", "Isaac Newton"]})),
        ({"answer": "Newton", "page": 7}, "text", ("text", "Newton", {"page": 7})),
        ({"answer": "", "schema": {"type": "object"}}, "json_schema", ("json_schema", None, {"schema": {"type": "object"}})),
        (
            {"answer": "", "instructions": [{"kind": "no_commas"}]},
            "instructions",
            ("instructions", None, {"instructions": [{"kind": "no_commas"}]}),
        ),
    ],
)
def test_verifiers(tmp_path, row, verifier, expected):
    (problem,) = made(write(tmp_path / "test.jsonl", [{"problem": "p", **row}]), verifier=verifier).held_out("test", 9)
    more = {key: value for key, value in problem.data.items() if key not in ("source", "row")}
    assert (problem.verifier, problem.answer, more) == expected


def test_chosen_columns(tmp_path):
    path = write(tmp_path / "test.jsonl", [{"题目": "一加一？", "得数": "2", "problem": "no", "answer": "9"}])
    assert [(p.text, p.answer) for p in made(path, problem_column="题目", answer_column="得数").held_out("test", 1)] == [("一加一？", "2")]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"text": "a", "answer": 1}], {}, r"row 1: no column problem or .* \(columns: text, answer\): set problem_column"),
        ([{"problem": "a", "gold": 1}], {}, r"no column answer or .* \(columns: problem, gold\): set answer_column"),
        ([{"problem": "a", "answer": 1}], {"answer_column": "Answer"}, r"no column Answer \(columns: problem, answer\)"),
        ([{"problem": "a", "answer": 1}, {"problem": "b", "answer": ""}], {}, r"bad\.jsonl, row 2: no answer in column"),
        ([{"problem": "a", "answer": 1}, {"problem": "b"}], {}, r"bad\.jsonl, row 2: no answer in column"),
        (
            [{"problem": "a", "answer": ["1", "2"]}],
            {},
            r"row 1: the answer in column answer is a list of 2: .*verifier = text",
        ),
        ([{"problem": "a", "answer": {"value": 1}}], {}, r"row 1: the answer in column answer is an object, .*: give text or a number"),
        ([{"problem": "a", "answer": ["x", {"y": 1}]}], {"verifier": "text"}, r"row 1: the answer in column answer is an object"),
        ([{"problem": "a", "answer": []}], {}, "row 1: no answer"),
        ([{"problem": "a", "answer": 1}], {"verifier": "choice"}, "row 1: answer '1' is not the letter of an option"),
        (
            [{"problem": "a", "answer": 1}, {"problem": "b", "answer": "blue"}],
            {"verifier": "number"},
            r"bad\.jsonl, row 2: answer 'blue' is not a number",
        ),
        ([{"problem": "a", "answer": "#### "}], {}, "row 1: no answer"),
        ([{"problem": "a", "answer": "x"}], {"verifier": "json_schema"}, "row 1: no schema in column schema"),
        (
            [{"problem": "a", "answer": "x", "instructions": []}],
            {"verifier": "instructions"},
            "row 1: no instructions in column instructions",
        ),
        ([{"problem": "a", "answer": 1}, {"answer": 3}], {}, r"bad\.jsonl, row 2: nothing instead of text"),
        ([{"problem": [{"role": "user"}], "answer": 3}], {}, "row 1: a list of 1 instead of text in column problem"),
        ([], {}, "has no rows"),
    ],
)
def test_bad_rows(tmp_path, rows, options, message):
    with pytest.raises(DataError, match=message) as caught:
        made(write(tmp_path / "bad.jsonl", rows), **options)
    assert "\n" not in str(caught.value)


def test_answers_of_other_types_are_read_or_named(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"problem": ["a", "b"], "answer": [datetime.datetime(2026, 1, 2), datetime.datetime(2026, 1, 3)]}
    parquet.write_table(pa.table(columns), tmp_path / "dates.parquet")
    with pytest.raises(DataError, match=r"dates\.parquet, row 1: the answer in column answer is datetime, '2026-01-02"):
        made(str(tmp_path / "dates.parquet"))
    found = made(write(tmp_path / "rows.jsonl", [{"problem": "a", "answer": float("nan"), "solution": [7]}, {"problem": "b", "answer": 0}]))
    assert {p.text: p.answer for split in ("train", "validation", "test") for p in found._problems[split]} == {"a": "7", "b": "0"}


@pytest.mark.parametrize("path", ["no-such-data", "folder/rows.jsonl", "/nowhere/at/all", "~/nothing.parquet"])
def test_missing_path_never_asks_the_hub(path):
    with pytest.raises(DataError, match="does not exist"):
        made(path)


def test_known_names_read_the_local_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DUNWU_DATA", str(tmp_path))
    write(tmp_path / "math" / "train.jsonl", [{"problem": f"p{n}", "solution": rf"\boxed{{{n}}}"} for n in range(50)])
    odd = [{"problem": "pair", "answer": "(1,2)"}, {"problem": "empty", "answer": ""}, {"problem": "fine", "answer": r"\frac{3}{4}"}]
    write(tmp_path / "math" / "math500_test.jsonl", odd)
    task = made("math")
    assert task.name == "math"
    assert task.skipped == 1
    assert [(p.text, p.verifier, p.answer) for p in task.held_out("test", 9)] == [("pair", "math", "(1,2)"), ("fine", "number", "3/4")]


def test_gsm8k_skips_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DUNWU_DATA", str(tmp_path))
    write(tmp_path / "gsm8k" / "train.jsonl", [{"question": "q", "answer": "no number"}])
    with pytest.raises(DataError, match="row 1: answer 'no number'"):
        made("gsm8k")


real_data = pytest.mark.skipif(not Path(os.environ.get("DUNWU_DATA") or "/nowhere", "gsm8k").is_dir(), reason="DUNWU_DATA is not set")


@real_data
def test_real_gsm8k():
    task = made("gsm8k")
    assert len(task.held_out("test", 9999)) == 1319
    assert (task.skipped, task.duplicates) == (0, 0)


@real_data
def test_real_math():
    task = made("math")
    test = {p.text for p in task.held_out("test", 9999)}
    assert len(test) == 500
    assert test.isdisjoint(task.train(i, 0).text for i in range(9000))
    assert task.skipped == 2


def test_a_row_may_say_its_language(tmp_path):
    rows = [{"problem": f"p{n}", "answer": "1", "language": language} for n, language in enumerate(("zh", "en", "tlh", None, ["zh"]))]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    found = Dataset(DatasetTask(path=str(tmp_path), language="zh")).held_out("test", 9)
    assert [problem.language for problem in found] == ["zh", "en", "zh", "zh", "zh"]


def test_nested_columns_and_the_nearest_one(tmp_path):
    rows = [
        {"prompt": [{"role": "user", "content": f"{n}?"}], "reward_model": {"ground_truth": str(n)}, "extra": {"gold": n}} for n in range(5)
    ]
    path = write(tmp_path / "test.jsonl", rows)
    assert [(p.text, p.answer, p.turns) for p in made(path).held_out("test", 9)][:2] == [("0?", "0", ()), ("1?", "1", ())]
    assert [p.answer for p in made(path, problem_column="prompt.0.content", answer_column="extra.gold").held_out("test", 9)][:2] == [
        "0",
        "1",
    ]
    with pytest.raises(DataError, match=r"no column golds \(columns: prompt, reward_model, extra\): set answer_column=extra\.gold"):
        made(path, answer_column="golds")


def test_a_conversation_as_problem(tmp_path):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    (problem,) = made(write(tmp_path / "test.jsonl", [{"prompt": turns, "solution": "2"}])).held_out("test", 9)
    assert (problem.text, problem.turns) == ("Be brief.\n\n1+1?", tuple(turns))
    with pytest.raises(DataError, match=r"a list of 3 instead of text in column prompt: .*problem_column=prompt\.0\.content"):
        made(write(tmp_path / "bad.jsonl", [{"prompt": [*turns, {"role": "assistant", "content": "2"}], "answer": "2"}]))


def test_an_instruction_comes_with_its_input(tmp_path):
    path = write(
        tmp_path / "test.jsonl",
        [{"instruction": "Add.", "input": "1, 2", "output": "3"}, {"instruction": "1+1?", "input": "", "output": "2"}],
    )
    assert [p.text for p in made(path, answer_column="output").held_out("test", 9)] == ["Add.\n\n1, 2", "1+1?"]


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_a_small_file_gives_each_split_a_problem(tmp_path, count):
    task = made(write(tmp_path / "few.jsonl", sums(count)))
    sizes = {split: len(task.rows(split)) for split in ("train", "validation", "test")}
    assert sum(sizes.values()) == count
    assert sizes["train"] >= 1
    assert sizes["test"] >= 1
    assert sizes["validation"] >= (count > 2)
    assert task.splits.startswith(f"few.jsonl: {sizes['train']} training, {sizes['validation']} validation, {sizes['test']} test rows")
    assert {task.copies(split, p) for split in sizes for p in task.rows(split)} == {1}


def test_eval_of_a_small_file_uses_all_rows(tmp_path):
    path = write(tmp_path / "few.jsonl", [{"problem": f"p{n}", "answer": n} for n in range(3)])
    moved = {split: made(path).hold_out_all(split) for split in ("validation", "test")}
    assert set(moved.values()) <= {0, 3}
    assert 3 in moved.values()


def test_one_row_cannot_be_split(tmp_path):
    task = made(write(tmp_path / "one.jsonl", sums(1)))
    assert sorted(len(task.rows(split)) for split in ("train", "validation", "test")) == [0, 0, 1]


def test_different_golds_of_a_problem_are_warned_of_and_equal_numbers_are_not(tmp_path):
    rows = [
        {"problem": "a", "answer": "1/2"},
        {"problem": "a", "answer": "0.5"},
        {"problem": "b", "answer": "2"},
        {"problem": "b", "answer": "3"},
    ]
    task = made(write(tmp_path / "test.jsonl", rows))
    assert task.duplicates == 2
    (warning,) = task.warnings
    assert warning.startswith("1 problems occur with different golds")
    assert "row 3: '2' and row 4: '3'" in warning
    assert [p.answer for p in task.held_out("test", 9)] == ["1/2", "2"]


def test_rows_that_are_dropped_are_counted_in_the_splits(tmp_path):
    rows = [*sums(30), *sums(2), {"problem": "x", "answer": ""}]
    task = made(write(tmp_path / "rows.jsonl", rows), unusable="drop")
    assert task.splits.endswith("(split by a hash of the problem); 2 repeated dropped; 1 unusable dropped")
    assert len(task.refused) == 1
