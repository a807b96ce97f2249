"""Rows of files by split: by the names of the files, else by a hash of the problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from dunwu.tasks.rows import Row
from dunwu.tasks.splits import split_of_text
from dunwu.types import Split

HELD_OUT: tuple[Split, Split] = ("test", "validation")
IN_WORDS: Mapping[Split, str] = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class SplitRows:
    """All rows by split, each with its text, and how they were split."""

    rows: Mapping[Split, list[tuple[str, Row]]]
    how: str
    moved: frozenset[Split]
    """Splits that no row's hash falls into; they were given one problem."""

    def distinct(self) -> dict[Split, list[tuple[str, Row]]]:
        """The first row of each text; a text in several splits stays in a held-out one."""
        seen: set[str] = set()
        found = {}
        for split, members in self.rows.items():
            fresh: dict[str, Row] = {}
            for text, row in members:
                fresh.setdefault(text, row)
            found[split] = [(text, row) for text, row in fresh.items() if text not in seen]
            seen.update(fresh)
        return found


def split_rows(rows: Sequence[Row], text_of: Callable[[Row], str]) -> SplitRows:
    """Rows by split; files named after a split decide.

    Without a test file, 10 % of the training rows by the hash of their text are test; without a validation file, another 10 % are
    validation. A file too small for that gives each held-out split one problem, so that a run can train and be evaluated.
    """
    named = {row.split for row in rows}
    assigned: dict[Split, list[tuple[str, Row]]] = {"test": [], "validation": [], "train": []}
    for row in rows:
        text = text_of(row)
        split: Split = "train" if row.split == "unnamed" else row.split
        hashed = split_of_text(text)
        assigned[hashed if split == "train" and hashed not in named else split].append((text, row))
    hashed_splits = [split for split in HELD_OUT if split not in named]
    moved = frozenset(_fill(assigned, hashed_splits)) if named != set(HELD_OUT) else frozenset[Split]()
    return SplitRows(assigned, _how(hashed_splits), moved)


def counts_in_words(counts: Mapping[Split, int]) -> str:
    """``36 training, 2 validation, 2 test rows``."""
    return f"{counts['train']:,} training, {counts['validation']:,} validation, {counts['test']:,} test rows"


def _fill(assigned: dict[Split, list[tuple[str, Row]]], hashed: Sequence[Split]) -> Iterator[Split]:
    """Move one problem into each of the splits ``hashed`` and "train" that is empty, from one that has another, or from validation."""
    givers: tuple[Split, ...] = ("train", *hashed)
    for split in givers[1:] + givers[:1] if hashed else ():
        spare = {each: len({text for text, _ in assigned[each]}) - (each != "validation") for each in givers if each != split}
        giver = next((each for each, count in spare.items() if count > 0), None)
        if not assigned[split] and giver is not None:
            chosen = min((text for text, _ in assigned[giver]), key=_digest)
            assigned[split] = [each for each in assigned[giver] if each[0] == chosen]
            assigned[giver] = [each for each in assigned[giver] if each[0] != chosen]
            yield split


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _how(hashed: Sequence[Split]) -> str:
    """How the rows were split, in words."""
    if len(hashed) == len(HELD_OUT):
        return "split by a hash of the problem"
    return f"split by file name, {hashed[0]} by a hash of the problem" if hashed else "split by file name"
