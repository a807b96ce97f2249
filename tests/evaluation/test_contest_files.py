"""A file of another kind is named, with the option that takes it."""

import json
from pathlib import Path

import pytest

from dunwu.errors import DataError
from dunwu.evaluation.contest_files import Kind, refuse_other_kind

FILES: dict[Kind, object] = {
    "contest": {"contest": "round", "problems": {"A": {}}, "standings": "s.jsonl"},
    "problems": {"problems": {"A": {}}},
    "standings": {"participant": "a", "rating_before": 1500, "rank": 1},
    "submissions": {"problem": "A", "program": "x"},
    "histogram": {"rating": 1500, "users": 3},
}
OPTIONS = {
    "contest": "--contests",
    "problems": "--contests",
    "standings": "--standings",
    "submissions": "--submissions",
    "histogram": "--histogram",
}


@pytest.mark.parametrize("wanted", [kind for kind in FILES if kind != "problems"])
@pytest.mark.parametrize("given", FILES)
@pytest.mark.parametrize("form", ["one.json", "lines.jsonl", "array.json", "indented.json"])
def test_a_file_of_another_kind_is_named(given: Kind, wanted: Kind, form: str, tmp_path: Path) -> None:
    path, content = tmp_path / form, FILES[given]
    line, indented = json.dumps(content), json.dumps(content, indent=2)
    texts = {"one.json": line, "lines.jsonl": f"{line}\n{line}\n", "array.json": f"[{line}]", "indented.json": indented}
    path.write_text(texts[form], encoding="utf-8")
    if given == wanted:
        refuse_other_kind(path, wanted)
        return
    with pytest.raises(DataError, match=f"{form} is .*{OPTIONS[given]}"):
        refuse_other_kind(path, wanted)


def test_rows_with_all_columns_and_unknown_files_pass(tmp_path: Path) -> None:
    (tmp_path / "both.csv").write_text("participant,rating_before,points,rating,users\na,1500,1,1,1\n", encoding="utf-8")
    refuse_other_kind(tmp_path / "both.csv", "standings")
    refuse_other_kind(tmp_path / "both.csv", "histogram")
    (tmp_path / "not.json").write_text("{", encoding="utf-8")
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    for name in ("not.json", "other.jsonl", "gone.jsonl"):
        refuse_other_kind(tmp_path / name, "submissions")
