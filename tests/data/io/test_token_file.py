"""The token file: the same examples as from memory, whole or not there, and written again when what it was made of has changed."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dunwu.config.template import TemplateConfig
from dunwu.data.io import token_file as module
from dunwu.data.io.chat_examples import Counts, ExampleReader, Fingerprint
from dunwu.data.io.token_file import TokenFile, bytes_on_disk, token_file
from dunwu.errors import DataError, ModelError, RunError
from dunwu.models.chat import training_template
from dunwu.models.own_template import learnable
from dunwu.run.directory import content_hash

Made = Callable[..., TokenFile]
VOCABULARY = 2_000


def rows_of(count: int) -> list[dict[str, Any]]:
    """Of one turn or two, with reasoning and without, of unequal length."""
    rows = []
    for n in range(count):
        turns = [{"role": "user", "content": f"Say {n}."}, {"role": "assistant", "content": f"{n} " * (1 + n % 5) + "."}]
        if n % 2:
            turns[1]["reasoning_content"] = f"{n} it is"
        rows.append({"messages": turns + (turns if n % 3 == 0 else [])})
    return rows


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.jsonl", rows_of(600))


@pytest.fixture
def reader(data: Path, world_tokenizer: Any) -> ExampleReader:
    return ExampleReader(data, training_template("tiny", world_tokenizer), world_tokenizer, 200, "refuse")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """``make(reader)``: the file in ``tokens/``; ``make.written`` counts how often it was written."""
    written: list[Path] = []
    original = module._write
    monkeypatch.setattr(module, "_write", lambda path, *others: written.append(path) or original(path, *others))

    def made(reader: ExampleReader, vocabulary: int = VOCABULARY) -> TokenFile:
        return token_file(tmp_path / "tokens" / "data.arrow", reader, content_hash(reader.path), vocabulary)

    made.written = written  # type: ignore[attr-defined]
    return made


def in_memory(reader: ExampleReader) -> list[Any]:
    return list(reader.read(Counts()))


def as_lists(examples: Any) -> list[Any]:
    return [(example.ids.tolist(), example.learned.tolist(), example.where) for example in examples]


@pytest.mark.parametrize(("vocabulary", "size"), [(VOCABULARY, 2), (65_536, 2), (65_537, 4), (200_000, 4)])
def test_the_examples_are_those_from_memory(vocabulary: int, size: int, reader: ExampleReader, make: Made, tmp_path: Path) -> None:
    found, expected = make(reader, vocabulary), in_memory(reader)
    assert as_lists(found) == as_lists(expected)
    assert as_lists([found[599], found[0], found[256]]) == as_lists([expected[599], expected[0], expected[256]])
    assert found[7].ids.dtype == np.int32
    assert found[7].learned.dtype == np.bool_
    counts = Counts()
    assert found.fingerprint == Fingerprint().add(reader.read(counts))
    assert found.counts == counts
    assert bytes_on_disk(counts.tokens, vocabulary) == counts.tokens * size + counts.tokens // 8
    in_rows = sum(len(example.where) + 12 for example in expected)
    assert 0 < (tmp_path / "tokens" / "data.arrow").stat().st_size - bytes_on_disk(counts.tokens, vocabulary) - in_rows < 4_000


def test_jsonl_gz_parquet_and_a_folder_make_the_same_tokens(reader: ExampleReader, make: Made, tmp_path: Path) -> None:
    expected = Fingerprint().add(in_memory(reader))
    packed = write(tmp_path / "rows.jsonl.gz", rows_of(600))
    table = tmp_path / "rows.parquet"
    parquet.write_table(pa.Table.from_pylist(rows_of(600)), table)
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "a.jsonl", rows_of(600)[:100])
    parquet.write_table(pa.Table.from_pylist(rows_of(600)[100:]), folder / "b.parquet", row_group_size=50)
    assert [make(replace(reader, path=path)).fingerprint for path in (packed, table, folder)] == [expected] * 3


def test_a_whole_file_is_taken_as_it_is(reader: ExampleReader, make: Any) -> None:
    first = make(reader)
    assert as_lists(make(reader)) == as_lists(first)
    assert len(make.written) == 1


def test_what_it_was_made_of_is_its_key(reader: ExampleReader, make: Any, world_tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprints = [make(reader).fingerprint]
    rows = rows_of(600)
    rows[300]["messages"][0]["content"] = "Say something else."
    write(reader.path, rows)
    fingerprints.append(make(reader).fingerprint)
    other = replace(reader, template=training_template("plain", world_tokenizer))
    fingerprints.append(make(other).fingerprint)
    tokenizer = type(world_tokenizer)(tokenizer_object=world_tokenizer.backend_tokenizer, eos_token="<|endoftext|>")
    tokenizer.add_tokens([" something"])
    fingerprints.append(make(replace(other, tokenizer=tokenizer)).fingerprint)
    assert len(set(fingerprints)) == len(make.written) == 4
    make(replace(other, max_length=199))
    monkeypatch.setattr(module, "run_date", lambda: "1999-12-31")
    make(replace(other, max_length=199))
    assert len(make.written) == 6


def test_what_a_block_adds_is_part_of_the_key(reader: ExampleReader, make: Any, world_tokenizer: Any) -> None:
    for block in ({"system": "Be brief."}, {"system": "Shout."}, {"suffix": "Now."}):
        template = learnable(TemplateConfig(base="tiny", **block), world_tokenizer)
        make(replace(reader, template=template))
        make(replace(reader, template=template))
    assert len(make.written) == 3


def test_other_code_writes_it_again(reader: ExampleReader, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(reader)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("changed = True\n")
    monkeypatch.setattr(module, "dunwu", SimpleNamespace(__file__=str(tmp_path / "package" / "__init__.py")))
    make(reader)
    assert len(make.written) == 2


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def flip(place: int) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[len(content) * place // 100] ^= 0x40
        file.write_bytes(content)

    return change


@pytest.mark.parametrize("damage", [cut, *(flip(place) for place in (2, 28, 45, 70, 95, 99)), lambda file: file.write_bytes(b"")])
def test_a_corrupt_file_is_written_again(damage: Callable[[Path], None], reader: ExampleReader, make: Any, tmp_path: Path) -> None:
    expected = make(reader).fingerprint
    file, before = tmp_path / "tokens" / "data.arrow", (tmp_path / "tokens" / "data.arrow").read_bytes()
    file.unlink()  # the map of the first is not to see the change
    file.write_bytes(before)
    damage(file)
    assert Fingerprint().add(make(reader)) == expected


def test_what_a_killed_process_was_writing_is_removed(reader: ExampleReader, make: Any, tmp_path: Path) -> None:
    folder = tmp_path / "tokens" / "data.arrow.a1b2c3d4.tmp"
    folder.mkdir(parents=True)
    (folder / ".dunwu-writing").touch()
    (folder / "data.arrow").write_bytes(b"ARROW1")
    make(reader)
    assert [path.name for path in (tmp_path / "tokens").iterdir()] == ["data.arrow"]


@pytest.mark.parametrize(
    ("line", "message"),
    [('{"messages": ', r"rows\.jsonl, row 301: not valid JSON"), ('{"messages": []}', r"rows\.jsonl, row 301: messages is \[\]")],
)
def test_a_row_in_the_middle_that_cannot_be_read_is_named(
    line: str, message: str, reader: ExampleReader, make: Made, tmp_path: Path
) -> None:
    lines = reader.path.read_text().splitlines()
    lines[300] = line
    reader.path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=message):
        make(reader)
    assert list((tmp_path / "tokens").iterdir()) == []


def test_a_parquet_row_in_the_middle_that_cannot_be_read_is_named(reader: ExampleReader, make: Made, tmp_path: Path) -> None:
    rows = rows_of(600)
    rows[300]["messages"][0]["content"] = None
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"rows\.parquet, row 301: "):
        make(replace(reader, path=tmp_path / "rows.parquet"))


def test_empty_data_is_refused(reader: ExampleReader, make: Made) -> None:
    reader.path.write_text("\n")
    with pytest.raises(DataError, match="has no rows"):
        make(reader)


def test_a_long_row_is_refused_or_dropped_and_counted(reader: ExampleReader, make: Made) -> None:
    lengths = [len(example.ids) for example in in_memory(reader)]
    longest = max(lengths)
    with pytest.raises(DataError, match=rf"row {lengths.index(longest) + 1}: {longest} tokens are over"):
        make(replace(reader, max_length=longest - 1))
    found = make(replace(reader, max_length=longest - 1, overlong="drop"))
    assert found.counts.too_long == lengths.count(longest)
    assert len(found) == len(list(found)) == 600 - lengths.count(longest)
    assert make(replace(reader, max_length=longest - 1, overlong="drop")).counts == found.counts
    with pytest.raises(DataError, match="all 600 conversations are over"):
        make(replace(reader, max_length=3, overlong="drop"))


def test_a_token_outside_the_vocabulary_is_refused(reader: ExampleReader, make: Made, tmp_path: Path) -> None:
    highest = max(int(example.ids.max()) for example in in_memory(reader))
    with pytest.raises(ModelError, match=f"token id {highest} is outside the model's vocabulary of {highest}"):
        make(reader, highest)
    assert as_lists(make(reader, highest + 1)) == as_lists(in_memory(reader))


def test_a_disk_without_room_is_refused_with_the_size_of_the_whole(
    reader: ExampleReader, make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = make(reader).counts.tokens * 2 * 17 // 16
    shutil.rmtree(tmp_path / "tokens")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=size))
    with pytest.raises(RunError, match=r"takes about 1 MiB and the disk has 0"):
        make(reader)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 30))
    make(reader)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused(kind: str, reader: ExampleReader, make: Made, tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    place = tmp_path / "tokens" / "data.arrow"
    place.mkdir() if kind == "folder" else os.mkfifo(place)
    with pytest.raises(RunError, match="is not a file"):
        make(reader)
