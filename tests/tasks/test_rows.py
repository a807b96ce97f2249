import gzip
import sys

import pytest

from dunwu.errors import DataError
from dunwu.tasks.rows import hub_rows, local_rows, split_of_name


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("math500_test.jsonl", "test"),
        ("train_4500_with_solutions.jsonl.gz", "train"),
        ("test-00000-of-00002.parquet", "test"),
        ("dev.jsonl", "validation"),
        ("Validation.jsonl", "validation"),
        ("rows.jsonl", "unnamed"),
        ("latest.jsonl", "unnamed"),
        ("contest.jsonl", "unnamed"),
    ],
)
def test_split_of_name(name, split):
    assert split_of_name(name) == split


def test_jsonl_row_numbers_are_lines(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"a": 1}\n\n{"a": "三"}\n', encoding="utf-8")
    assert [(row.number, row.columns["a"]) for row in local_rows(file)] == [(1, 1), (3, "三")]


def test_gzip_and_parquet_and_folders_give_the_same_rows(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    (tmp_path / "a").mkdir()
    with gzip.open(tmp_path / "a" / "train.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write('{"problem": "x", "answer": "1"}\n{"problem": "y", "answer": "2"}\n')
    parquet.write_table(pa.table({"problem": ["x", "y"], "answer": ["1", "2"]}), tmp_path / "test.parquet")
    (tmp_path / "README.md").write_text("not data")
    rows = local_rows(tmp_path)
    assert [(row.split, row.number, row.columns["problem"]) for row in rows] == [
        ("train", 1, "x"),
        ("train", 2, "y"),
        ("test", 1, "x"),
        ("test", 2, "y"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bad.jsonl", b'{"a": 1}\n{"a": \n', r"bad\.jsonl, row 2: not valid JSON"),
        ("deep.jsonl", b"[" * 100_000 + b"\n", r"deep\.jsonl: not valid JSON \(nested too deeply\)"),
        ("list.jsonl", b"[1, 2]\n", r"list\.jsonl, row 1: a number instead of a JSON object"),
        ("latin.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n', r"latin\.jsonl, row [12]: not readable as UTF-8"),
        ("comma.jsonl", b'{"a": 1},\n{"a": 2}\n', r"comma\.jsonl, row 1: not valid JSON \(a comma after it\)"),
        ("inner.jsonl", b'{"a": [1, 2,]}\n', r"inner\.jsonl, row 1: not valid JSON \(a comma before a closing bracket\)"),
        ("twice.jsonl", b'{"a": 1, "b": 2, "a": 3}\n', r"twice\.jsonl, row 1: not valid JSON \(two keys named 'a'\)"),
        ("wide.jsonl", '{"a": 1}\n'.encode("utf-16-le"), r"wide\.jsonl, row 1: not valid JSON \(it looks like UTF-16 without"),
        ("empty.jsonl", b"", "has no rows"),
        ("blank.jsonl", b"\n\n", "has no rows"),
        ("fake.jsonl.gz", b"not gzip", r"fake\.jsonl\.gz, row 1: not readable"),
        ("cut.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)[:-12], r"cut\.jsonl\.gz, row \d+: not readable"),
        ("fake.parquet", b"not parquet", r"fake\.parquet is not a readable Parquet file"),
        ("table.xlsx", b"x", r"table\.xlsx has an unknown format"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        local_rows(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_byte_order_marks_and_line_ends(tmp_path, encoding, end, name):
    content = f'{{"a": "三"}}{end}{end}{{"a": 2}}{end}'.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert [(row.number, row.columns["a"]) for row in local_rows(tmp_path / name)] == [(1, "三"), (3, 2)]


def test_files_with_byte_order_marks_put_together(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes('{"a": 1}\n'.encode("utf-8-sig") * 2)
    assert [row.columns["a"] for row in local_rows(tmp_path / "rows.jsonl")] == [1, 1]


def test_missing_file_and_empty_folder(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.jsonl does not exist"):
        local_rows(tmp_path / "nothing.jsonl")
    with pytest.raises(DataError, match="holds no data file"):
        local_rows(tmp_path)


def test_datasets_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'dunwu\[data\]'"):
        hub_rows("someone/something", None)


class OfflineHub:
    """Stands for the `datasets` package on a machine without a network."""

    class exceptions:
        class DatasetsError(Exception):
            pass

    class config:
        HF_HUB_OFFLINE = False

    @staticmethod
    def load_dataset(hub_id, subset):
        raise ConnectionError(f"Couldn't reach\n {hub_id!r} on the Hub")


class OnlineHub(OfflineHub):
    @staticmethod
    def load_dataset(hub_id, subset):
        return {"train": [{"q": hub_id}], "test": [{"q": subset}, {"q": 2}]}


def test_offline_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", OfflineHub)
    monkeypatch.setattr("dunwu.tasks.rows.hub_answers", lambda: False)
    with pytest.raises(DataError, match="could not be loaded from the hub: Couldn't reach") as caught:
        hub_rows("someone/something", None)
    assert "\n" not in str(caught.value)
    assert OfflineHub.config.HF_HUB_OFFLINE  # so that `datasets` does not try for minutes


def test_hub_splits(monkeypatch):
    monkeypatch.setattr("dunwu.tasks.rows.hub_answers", lambda: True)
    monkeypatch.setitem(sys.modules, "datasets", OnlineHub)
    rows = hub_rows("a/b", "main")
    assert [(row.split, row.number, row.columns["q"]) for row in rows] == [("train", 1, "a/b"), ("test", 1, "main"), ("test", 2, 2)]


def test_a_flipped_byte_in_a_compressed_file_is_told_in_one_line(tmp_path):
    packed = bytearray(gzip.compress(b'{"a": 1}\n' * 2000))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "rows.jsonl.gz").write_bytes(packed)
    with pytest.raises(DataError, match=r"rows\.jsonl\.gz"):
        local_rows(tmp_path / "rows.jsonl.gz")
