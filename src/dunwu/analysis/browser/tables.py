"""The files of a run with completions, by step: which rows are of one problem, and about how many bytes each takes on a page.

Only what is chosen is read as a whole: log-probabilities are most of a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dunwu.analysis.browser.entry import LONGEST
from dunwu.analysis.curves import number
from dunwu.analysis.rundir import Run, mapping

TRAINING = ""
"""The source of rollouts; that of an evaluation is the name of its eval set."""
_ROLLOUTS = re.compile(r"step-(\d+)")
_EVALUATION = re.compile(r"(before|after|step-(\d+))-(.+)", re.DOTALL)
_OF_A_TOKEN, _OF_A_ROW = 6, 200
"""Bytes of the numbers of a token with its text's marks, and of the rest of a row: estimates."""


@dataclass(frozen=True)
class CompletionTable:
    """A readable file; ``rows``: its rows by problem; ``sizes``: bytes of each row on a page, estimated."""

    source: str
    step: int
    path: Path
    rows: Mapping[str, Sequence[int]] = field(repr=False)
    sizes: Sequence[int] = field(repr=False)

    def read(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """These rows, in order."""
        found: list[dict[str, Any]] = pq.read_table(self.path).take(pa.array(rows, pa.int64())).to_pylist()
        return found


def rollout_paths(run: Run) -> list[tuple[int, Path]]:
    """The files of rollouts and their steps, in order."""
    paths = (run.path / "rollouts").glob("step-*.parquet")
    return sorted((int(found[1]), path) for path in paths if (found := _ROLLOUTS.fullmatch(path.stem)))


def evaluation_paths(run: Run) -> dict[str, list[tuple[int, Path]]]:
    """The files of each eval set and their steps, in order; before training is step 0."""
    sets: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted((run.path / "evaluations").glob("*.parquet")):
        if found := _EVALUATION.fullmatch(path.stem):
            step = {"before": 0, "after": last_step(run)}.get(found[1])
            sets.setdefault(found[3], []).append((int(found[2]) if step is None else step, path))
    return {name: sorted(paths) for name, paths in sets.items()}


def last_step(run: Run) -> int:
    """The last step that was trained, as far as the run's files say."""
    steps = number(mapping(run.config, "grpo").get("steps")) or 0
    return int(run.metrics.rows[-1]["step"]) if run.metrics.rows else int(steps)


def read_tables(source: str, paths: Sequence[tuple[int, Path]], missing: list[str]) -> Iterator[CompletionTable]:
    """The readable files among ``paths``; ``missing`` gets a line for every other one."""
    for step, path in paths:
        try:
            yield _index(source, step, path)
        except (OSError, pa.ArrowException, KeyError, ValueError):
            missing.append(f"{path.parent.name}/{path.name} cannot be read.")


def _index(source: str, step: int, path: Path) -> CompletionTable:
    key = "problem_id" if source else "prompt"
    table = pq.read_table(path, columns=[key, "completion", "tokens"])
    rows: dict[str, list[int]] = {}
    for place, name in enumerate(table[key].to_pylist()):
        rows.setdefault(str(name), []).append(place)
    texts = pc.fill_null(pc.binary_length(table["completion"]), 0).to_pylist()
    tokens = pc.fill_null(table["tokens"], 0).to_pylist()
    sizes = [_OF_A_ROW + _size(text, count, source) for text, count in zip(texts, tokens, strict=True)]
    return CompletionTable(source, step, path, rows, sizes)


def _size(text: int, tokens: int, source: str) -> int:
    kept = min(text, LONGEST)
    return kept + (0 if source else int(_OF_A_TOKEN * tokens * kept / max(1, text)))


def rows_in(paths: Sequence[tuple[int, Path]]) -> int:
    """Rows of all readable files."""
    return sum(map(_rows, (path for _, path in paths)))


def _rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return 0
