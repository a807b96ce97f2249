"""Labels: what is one, in every kind of file, and which column is refused or left alone."""

import math
from pathlib import Path
from typing import Any

import pytest

from dunwu.errors import DataError
from dunwu.evaluation.labels import labels_of
from dunwu.tasks.rows import Row, local_rows


def rows(*values: Any) -> list[Row]:
    return [Row({"label": value}, "f", number, "unnamed") for number, value in enumerate(values, 1)]


def test_the_labels_of_each_kind_of_file(tmp_path: Path) -> None:
    given = (True, False, 1, 0, 1.0, "true", "False", " TRUE ", "1", "0", None, "", math.nan)
    right = [True, False, True, False, True, True, False, True, True, False, None, None, None]
    for column in ("label", None):
        assert labels_of(rows(*given), column, "label") == (right, "")
    (tmp_path / "f.csv").write_text("label,x\ntrue,1\n0,2\n,3\n", encoding="utf-8")
    assert labels_of(local_rows(tmp_path / "f.csv"), None, "label") == ([True, False, None], "")


@pytest.mark.parametrize("value", ["yes", 2, 0.5, [], {}, [True], "nan", 10**400, math.inf])
def test_another_value_is_refused_or_not_read(value: Any) -> None:
    if value in ([], {}):
        assert labels_of(rows(True, value), "label", "label") == ([True, None], "")
        return
    with pytest.raises(DataError, match="f, row 2: label"):
        labels_of(rows(True, value), "label", "label")
    found, note = labels_of(rows(True, value), None, "label")
    assert found == [None, None]
    assert "f, row 2" in note


def test_a_column_that_no_row_has_is_refused_only_if_it_was_named() -> None:
    assert labels_of(rows(True), None, "expected") == ([None], "")
    with pytest.raises(DataError, match="give --label-column label"):
        labels_of(rows(True), "lable", "label")
    late = [*rows(True), Row({"label": None, "right": False}, "f", 2, "unnamed")]
    assert labels_of(late, "right", "label") == ([None, False], "")
    assert labels_of([Row({"info": {"right": 1}}, "f", 1, "unnamed")], "info.right", "label") == ([True], "")
