"""Examples in a token file (Arrow's IPC format), written as a stream and read through a memory map, so that no row stays in memory."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

import dunwu
from dunwu.data.io.chat_examples import Counts, Example, ExampleReader, Fingerprint
from dunwu.errors import RunError
from dunwu.models.chat import PROBE
from dunwu.models.native import check_ids
from dunwu.run.atomic import atomic_file, remove_leftovers
from dunwu.run.date import run_date
from dunwu.run.directory import content_hash
from dunwu.run.reporter import QUIET, Reporter
from dunwu.tasks.containers import ROWS_AT_ONCE
from dunwu.tasks.rows import data_files


class TokenFile:
    """The examples of a token file, in the order of the rows."""

    def __init__(self, path: Path) -> None:
        """Raises ``OSError`` or ``ValueError`` (pyarrow's errors are subclasses) if the file is missing or corrupt."""
        content = pa.ipc.open_file(pa.memory_map(str(path)))
        end = content.get_batch_with_custom_metadata(content.num_record_batches - 1).custom_metadata
        if end is None:
            raise ValueError(f"{path} has no end")
        self.key = content.schema.metadata[b"key"].decode()
        self.counts = Counts(**json.loads(end[b"counts"]))
        self.fingerprint = end[b"fingerprint"].decode()
        self._rows = content.read_all()

    def __len__(self) -> int:
        return self.counts.conversations

    def __getitem__(self, place: int, /) -> Example:
        ids, learned, where = (column[place] for column in self._rows.columns)
        return Example(ids.values.to_numpy().astype(np.int32), learned.values.to_numpy(zero_copy_only=False), where.as_py())

    def __iter__(self) -> Iterator[Example]:
        return map(self.__getitem__, range(len(self)))

    def verify(self) -> None:
        """Raise ``ValueError`` if the contents have changed since they were written."""
        self._rows.validate(full=True)  # offsets first: nothing outside the file must be read
        if Fingerprint().add(self) != self.fingerprint:
            raise ValueError("the tokens have changed since they were written")


def token_file(path: Path, reader: ExampleReader, data_hash: str, vocabulary: int, reporter: Reporter = QUIET) -> TokenFile:
    """The token file of ``reader`` at ``path``, written unless a valid one exists.

    It is rewritten if it is corrupt or was made from other data (`content_hash`) or by another tokenizer, template or code. Raises
    ``DataError`` as ``reader``, ``ModelError`` for a token outside the model's vocabulary, ``RunError`` if the disk is too full or ``path``
    is not a file.
    """
    if path.exists() and not path.is_file():
        raise RunError(f"{path} is not a file, and the tokens of the conversations are written there: move it away")
    key = _key(reader, data_hash, vocabulary)
    with suppress(OSError, ValueError, TypeError, LookupError):
        found = TokenFile(path)
        if found.key == key:
            found.verify()
            return found
    remove_leftovers(path.parent, reporter)
    _write(path, reader, vocabulary, key, reporter)
    return TokenFile(path)


def bytes_on_disk(tokens: int, vocabulary: int) -> int:
    """The size of a token file's ids and flags; the few bytes of each row are not counted."""
    return tokens * _dtype(vocabulary).itemsize + tokens // 8


def _write(path: Path, reader: ExampleReader, vocabulary: int, key: str, reporter: Reporter) -> None:
    lists = {"ids": pa.from_numpy_dtype(_dtype(vocabulary)), "learned": pa.bool_()}
    schema = pa.schema([*((name, pa.list_(kind)) for name, kind in lists.items()), ("where", pa.string())], metadata={"key": key})
    size = sum(file.stat().st_size for file in data_files(reader.path))
    counts, fingerprint, expected = Counts(), Fingerprint(), 0
    shown = reporter if size > 1 << 20 else QUIET
    examples, progress = reader.read(counts), shown.progress(_mib(size), f"tokenising {path.stem}, MiB")
    with atomic_file(path) as file, pa.ipc.new_file(file, schema) as writer, progress as advance:
        while part := list(islice(examples, ROWS_AT_ONCE)):
            digest = fingerprint.add(part)
            writer.write_batch(_batch(part, schema, vocabulary))
            expected = expected or _checked_room(path, file.tell() * size // max(1, part[-1].position))
            advance(_mib(part[-1].position), {"tokens": counts.tokens, "file": f"about {_mib(expected):,} MiB"})
        end = {"counts": json.dumps(asdict(counts)), "fingerprint": digest}
        writer.write_batch(pa.RecordBatch.from_pylist([], schema), custom_metadata=end)


def _batch(part: Sequence[Example], schema: Any, vocabulary: int) -> Any:
    offsets = np.cumsum([0, *(len(example.ids) for example in part)], dtype=np.int32)
    ids, learned = (np.concatenate(arrays) for arrays in zip(*((example.ids, example.learned) for example in part), strict=True))
    check_ids([[int(ids.min()), int(ids.max())]], vocabulary)
    lists = [pa.ListArray.from_arrays(offsets, pa.array(values)) for values in (ids.astype(_dtype(vocabulary)), learned)]
    return pa.record_batch([*lists, pa.array([example.where for example in part])], schema=schema)


def _checked_room(path: Path, expected: int) -> int:
    """``expected``, the size estimated from the first rows. Raises `RunError` if the disk has less room."""
    free = shutil.disk_usage(path.parent).free
    if expected > free:
        raise RunError(f"{path} takes about {_mib(expected):,} MiB and the disk has {free >> 20:,}: free space or choose another disk")
    return expected


def _key(reader: ExampleReader, data_hash: str, vocabulary: int) -> str:
    """The hash of everything that the file's contents depend on."""
    template = reader.template
    with TemporaryDirectory() as folder:
        reader.tokenizer.save_pretrained(folder)
        tokenizer = content_hash(Path(folder))
    code = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(Path(dunwu.__file__).parent.rglob("*.py")))).hexdigest()
    versions = [importlib.metadata.version(name) for name in ("transformers", "tokenizers", "jinja2", "pyarrow")]
    added = [template.prefill, *(message.content for message in template.dress(PROBE))]
    form = [template.name, template.jinja, template.start, template.end, run_date(), *added]
    parts = [data_hash, tokenizer, *form, reader.max_length, reader.overlong, dict(reader.columns), vocabulary, code, *versions]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _dtype(vocabulary: int) -> np.dtype[Any]:
    """The smallest type that holds every id."""
    return np.dtype(np.min_scalar_type(vocabulary - 1))


def _mib(size: int) -> int:
    return -(-size // 2**20)
