import json

import pytest

from dunwu.cli.verify_math import run
from dunwu.errors import DataError, UserError

ROWS = [
    {"id": "a", "gold": "1/2", "prediction": r"\boxed{0.5}", "expected_label": True},
    {"id": "b", "gold": "7", "prediction": r"\boxed{7} or \boxed{8}", "expected_label": False},
    {"id": "c", "gold": "7", "prediction": None, "expected_label": True},
    {"gold": 7, "prediction": 7.0},
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def test_the_report_counts_and_lists(file, capsys):
    assert run([str(file)]) == 0
    out = capsys.readouterr().out
    assert "4 rows: 2 correct, 1 wrong, 1 unparsable" in out
    assert "2 of 3 as labelled (66.67 %)" in out
    assert "false negative c" in out
    assert "false positive" not in out


def test_json_lines(file, capsys):
    assert run([str(file), "--json", "--compare"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["verdict"] for line in lines] == [True, False, False, True]
    assert [line["id"] for line in lines] == ["a", "b", "c", "row 4"]
    assert [line["reason"] for line in lines] == ["correct", "wrong", "unparsable", "correct"]
    assert all(line["seconds"] >= 0 and line["math_verify"]["verdict"] in (True, False) for line in lines)


def test_the_policy_can_be_set(tmp_path, capsys):
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"gold": "5", "prediction": "5%"}) + "\n", encoding="utf-8")
    assert run([str(path), "--policy.percent", "exact"]) == 0
    assert "1 row: 1 wrong" in capsys.readouterr().out


def test_labels_may_be_text_and_a_column_that_holds_none_is_said(tmp_path, capsys):
    path = tmp_path / "rows.csv"
    path.write_text("gold,prediction,expected_label,kind\n5,5,true,a\n5,6,0,b\n5,7,,c\n", encoding="utf-8")
    assert run([str(path)]) == 0
    assert "2 of 2 as labelled" in capsys.readouterr().out
    with pytest.raises(DataError, match="--label-column kind"):
        run([str(path), "--label-column", "kinds"])
    with pytest.raises(DataError, match="'a'"):
        run([str(path), "--label-column", "kind"])
    path.write_text("gold,prediction,expected_label\n5,5,perhaps\n", encoding="utf-8")
    assert run([str(path)]) == 0
    printed = capsys.readouterr()
    assert "labelled" not in printed.out
    assert "expected_label is not compared" in printed.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "row 1: not valid JSON"),
        ("[1]", "a number instead of a JSON object"),
        ('{"prediction": "1"}', "no column gold"),
        ('{"gold": "1"}', "no column prediction"),
        ('{"gold": "1", "prediction": ["1"]}', "must hold text"),
        ("", "has no rows"),
    ],
)
def test_a_malformed_file_is_told_in_one_line(tmp_path, text, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r".") as error:
        run([str(path)])
    assert message in str(error.value)


def test_a_missing_file_and_an_unknown_option(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        run([str(tmp_path / "none.jsonl")])
    with pytest.raises(UserError, match="is not understood"):
        run([str(tmp_path / "none.jsonl"), "--colour", "red"])


def test_golds_that_are_no_answers_are_named_and_the_other_rows_judged(tmp_path, capsys):
    golds = ["5", "proof", None, "", r"\boxed{1} or \boxed{2}", r"A \sim x2"]
    path = tmp_path / "golds.jsonl"
    path.write_text("".join(json.dumps({"gold": gold, "prediction": "5"}) + "\n" for gold in golds), encoding="utf-8")
    assert run([str(path)]) == 0
    out = capsys.readouterr().out
    assert "6 rows: 4 error, 1 correct, 1 wrong" in out
    assert all(f"row {number}: gold" in out for number in (2, 3, 4, 5))
    assert "row 1: gold" not in out
    assert "1 of the golds" in out


@pytest.mark.parametrize(("form", "reasons"), [("boxed", ["correct", "unparsable"]), ("####", ["unparsable", "correct"])])
def test_predictions_in_a_form(form, reasons, tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    rows = [{"gold": "5", "prediction": r"it is \boxed{5}"}, {"gold": "5", "prediction": "2 + 3\n#### 5"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert run([str(path), "--json", "--answer-form", form]) == 0
    assert [json.loads(line)["reason"] for line in capsys.readouterr().out.splitlines()] == reasons
