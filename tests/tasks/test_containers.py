"""The files that people have: read as they are, or refused in one line with the remedy."""

from __future__ import annotations

import datetime
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from dunwu.errors import DataError
from dunwu.tasks.containers import container
from dunwu.tasks.rows import data_files, local_rows

ROWS = [{"a": "x, y", "b": "1"}, {"a": 'says "no"\nand goes', "b": "2"}, {"a": "三\u2028四", "b": "3"}]
TABLE = 'a{0}b\n"x, y"{0}1\n"says ""no""\nand goes"{0}2\n三\u2028四{0}3\n'


def array(rows: list[dict[str, Any]], indent: int | None = None) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=indent)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("rows.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), "JSON lines"),
        ("rows.json", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), "JSON lines"),
        ("rows.json", array(ROWS), "JSON array"),
        ("rows.json", array(ROWS, indent=2), "JSON array"),
        ("rows.jsonl", "\n" + array(ROWS, indent=2), "JSON array"),
        ("rows.json", json.dumps({"version": 1, "data": ROWS}, ensure_ascii=False), "JSON object with a list of rows"),
        ("rows.json", json.dumps({"train": ROWS}, indent=1), "JSON object with a list of rows"),
        ("rows.csv", TABLE.format(","), "table separated by commas"),
        ("rows.csv", TABLE.format(";"), "table separated by semicolons"),
        ("rows.csv", TABLE.format("\t"), "table separated by tabs"),
        ("rows.tsv", TABLE.format("\t"), "table separated by tabs"),
        ("rows.csv", TABLE.format(",") + "\n\n", "table separated by commas"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_each_container_gives_the_same_rows(tmp_path: Path, name: str, text: str, kind: str, encoding: str, packed: bool) -> None:
    file = tmp_path / (f"{name}.gz" if packed else name)
    file.write_bytes(gzip.compress(text.encode(encoding)) if packed else text.encode(encoding))
    assert [row.columns for row in local_rows(file)] == ROWS
    assert container(file).split(",")[0] == kind
    assert ("gzipped" in container(file)) == packed


def test_windows_line_ends_stay_inside_cells(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b'a,b\r\n"x\r\ny",1\r\n\r\nz,2\r\n')
    assert [(row.number, row.columns) for row in local_rows(tmp_path / "rows.csv")] == [
        (2, {"a": "x\r\ny", "b": "1"}),
        (5, {"a": "z", "b": "2"}),
    ]


def test_cells_of_a_table_that_hold_json(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": 'say "hi"'}]
    quoted = json.dumps(messages).replace('"', '""')
    (tmp_path / "rows.csv").write_text(f',messages,answer\n0,"{quoted}","[1, 2]"\n1,{{not json,\n')
    assert [row.columns for row in local_rows(tmp_path / "rows.csv")] == [
        {"column 1": "0", "messages": messages, "answer": "[1, 2]"},
        {"column 1": "1", "messages": "{not json", "answer": ""},
    ]


def test_json_in_a_text_column_of_a_table_is_text(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('instruction,output\n"{""a"": 1}","[{""name"": ""f""}]"\n')
    assert [row.columns for row in local_rows(tmp_path / "rows.csv")] == [{"instruction": '{"a": 1}', "output": '[{"name": "f"}]'}]


def test_a_cell_of_ten_megabytes(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + "x" * 10_000_000 + ",1\n")
    (row,) = local_rows(tmp_path / "rows.csv")
    assert len(row.columns["a"]) == 10_000_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("open.csv", b'a,b\nx,1\n"y,2\nz,3\n', r"open\.csv, row 3: not a valid table .*close each quote"),
        ("wide.csv", b"a,b\nx,1\ny,2,3\n", r"wide\.csv, row 3: 3 cells under 2 columns: .*quotes"),
        ("short.csv", b"a,b\nx\n", r"short\.csv, row 2: 1 cells under 2 columns"),
        ("twice.csv", b"a,b,a\n1,2,3\n", r"twice\.csv has two columns named 'a': rename"),
        ("latin.csv", b"a,b\ncaf\xe9,1\n", r"latin\.csv, row 1: not readable as UTF-8 text \(byte 0xe9.*save the file as UTF-8"),
        ("header.csv", b"a,b\n", "has no rows"),
        ("empty.json", b"", "has no rows"),
        ("none.json", b"[]", "has no rows"),
        ("lists.json", b'{"train": [{"a": 1}], "test": [{"a": 2}]}', r"the lists train and test: save each as a file"),
        ("object.json", b'{\n"a": 1\n}', r"object\.json: the JSON object has no list of rows: write a JSON array"),
        ("mixed.json", b'[{"a": 1}, null]', r"mixed\.json, row 2: nothing instead of a JSON object"),
        ("text.json", b'["a"]', r"text\.json, row 1: text instead of a JSON object"),
        ("number.jsonl", b'{"a": 1' + b"0" * 5000 + b"}\n", r"number\.jsonl, row 1: .*over 4,300 digits; write it as text"),
        ("python.jsonl", b"{'a': 1}\n", r"python\.jsonl, row 1: not valid JSON \(single quotes"),
        ("two.jsonl", b"[1]\n[2]\n", r"two\.jsonl: not valid JSON \(there is more text after the value"),
    ],
)
def test_files_that_cannot_be_read_give_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        local_rows(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_pipes_are_refused_and_near_names_are_offered(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(DataError, match="pipe or device"):
        local_rows(tmp_path / "pipe.jsonl")
    (tmp_path / "conversations.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"did you mean .*conversations\.jsonl\?"):
        local_rows(tmp_path / "conversation.jsonl")


def test_nanoseconds_of_parquet_are_cut_at_any_depth(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    time = pa.timestamp("ns")
    kind = pa.struct([("at", time), ("all", pa.list_(pa.struct([("at", time)])))])
    value = 1_700_000_000_123_456_789
    named = pa.array([[("x", value)], None], pa.map_(pa.string(), time))
    rows = {
        "at": pa.array([value, None], time),
        "named": named,
        "in": pa.array([{"at": value, "all": [{"at": value}]}, None], kind),
        "a": ["x", "y"],
    }
    parquet.write_table(pa.table(rows), tmp_path / "rows.parquet")
    cut = datetime.datetime(2023, 11, 14, 22, 13, 20, 123456)
    assert [row.columns for row in local_rows(tmp_path / "rows.parquet")] == [
        {"at": cut, "named": [("x", cut)], "in": {"at": cut, "all": [{"at": cut}]}, "a": "x"},
        {"at": None, "named": None, "in": None, "a": "y"},
    ]
    assert container(tmp_path / "rows.parquet") == "Parquet"


def test_a_folder_with_lines_is_read_without_its_cards_and_tables(tmp_path: Path) -> None:
    for name in ("train.jsonl", "card.json", "notes.csv"):
        (tmp_path / name).write_text('{"a": 1}\n')
    assert [file.name for file in data_files(tmp_path)] == ["train.jsonl"]
    (tmp_path / "train.jsonl").unlink()
    assert [file.name for file in data_files(tmp_path)] == ["card.json", "notes.csv"]
