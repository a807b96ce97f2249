"""Code data sets as tasks: HumanEval, MBPP, Code Jam and CodeContests by name (local or from the hub), and files in their formats."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dunwu.config.suites import DATA_VARIABLE
from dunwu.config.task_names import data_name
from dunwu.config.tasks import CodeTask
from dunwu.errors import DataError
from dunwu.tasks.base import Finite, HeldOut, drawn, permuted, read_rows
from dunwu.tasks.code_rows import CodeProblem, code_problem
from dunwu.tasks.dataset import load_rows
from dunwu.tasks.rows import Row, hub_rows, local_rows
from dunwu.tasks.shapes import code_rows_of
from dunwu.tasks.splits import split_of_text
from dunwu.types import Problem, Split


@dataclass(frozen=True, slots=True)
class KnownCode:
    """A data set's path below ``DUNWU_DATA`` and its hub id (``None``: local only). ``test_only``: for evaluation only."""

    local: str
    hub_id: str | None
    subset: str | None = None
    test_only: bool = False


KNOWN_CODE = {
    "humaneval": KnownCode("humaneval", "openai/openai_humaneval", test_only=True),
    "mbpp": KnownCode("mbpp/mbpp.jsonl", "google-research-datasets/mbpp", "full"),
    "mbpp_sanitized": KnownCode("mbpp/mbpp_sanitized_399.jsonl", "google-research-datasets/mbpp", "sanitized"),
    "gcj": KnownCode("gcj", None),
    "codecontests": KnownCode("code_contests_sample", "deepmind/code_contests"),
}
_SPLITS: dict[str, Split] = {"train": "train", "prompt": "train", "validation": "validation", "valid": "validation", "test": "test"}


class Code(Finite):
    """Problems whose answers are programs, all read and checked when it is made.

    Training excludes forgeable problems (`dunwu.tasks.asserts`), counted by ``forgeable``; evaluation includes them. ``skipped`` counts
    rows without tests, ``duplicates`` repeated texts (a text in several splits stays in a held-out one).
    """

    def __init__(self, config: CodeTask) -> None:
        self.name = config.dataset or data_name(config.path or "")
        self._test_only = config.dataset is not None and KNOWN_CODE[config.dataset].test_only
        self.skipped = self.duplicates = 0
        self.solutions: dict[str, str] = {}
        """Reference solutions by problem id."""
        rows = code_rows_of(code_rows(config), config)
        named = {_named_split(row) for row in rows}
        found: dict[Split, list[CodeProblem]] = {"test": [], "validation": [], "train": []}
        read, self.unreadable = read_rows(rows, lambda row: (row, code_problem(row, config)), config.unusable == "drop", self.name)
        for row, problem in read:
            if problem is None:
                self.skipped += 1
                continue
            found["test" if self._test_only else split_of_row(row, problem.text, named)].append(problem)
        self.problems = self._distinct(found)
        self.forgeable = sum(problem.data["forgeable"] for members in self.problems.values() for problem in members)
        training = [problem for problem in self.problems["train"] if not problem.data["forgeable"]]
        self._problems = {**self.problems, "train": training}

    def train(self, index: int, seed: int) -> Problem:
        """An epoch is one pass over the training problems that are not forgeable, in a random order."""
        training = self._problems["train"]
        if not training:
            reason = "is for evaluation only" if self._test_only else f"has no training problems ({self._counts()})"
            raise DataError(f"code data set {self.name!r} {reason}: train on another, such as mbpp")
        return training[permuted(index, len(training), seed)[1]]

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """Problems of ``split`` in the data set's order, or a random sample of ``limit`` if there are more."""
        problems = self._problems[split]
        if not problems:
            raise DataError(f"code data set {self.name!r} has no {split} problems ({self._counts()}): choose another split or data set")
        return drawn(problems, limit, f"{seed}-{split}-code")

    def _counts(self) -> str:
        return ", ".join(f"{split} {len(members)}" for split, members in self.problems.items())

    def _distinct(self, found: dict[Split, list[CodeProblem]]) -> dict[Split, list[Problem]]:
        seen: set[str] = set()
        problems: dict[Split, list[Problem]] = {}
        for split, members in found.items():
            fresh: dict[str, CodeProblem] = {}
            for member in members:
                fresh.setdefault(member.text, member)
            kept = [member for text, member in fresh.items() if text not in seen]
            seen.update(fresh)
            self.duplicates += len(members) - len(kept)
            self.solutions.update((member.id, member.solution) for member in kept if member.solution is not None)
            problems[split] = [self._problem(member) for member in kept]
        return problems

    def _problem(self, member: CodeProblem) -> Problem:
        return Problem(
            id=member.id, task=self.name, text=member.text, verifier="code", difficulty=member.difficulty, data=member.tests.to_data()
        )


def code_rows(config: CodeTask) -> list[Row]:
    """The rows of a named data set (from the local folder if it exists, else the hub), or of a file, a folder or a hub id."""
    if config.dataset is None:
        return load_rows(config.path or "")
    known, root = KNOWN_CODE[config.dataset], os.environ.get(DATA_VARIABLE)
    local = Path(root, known.local) if root else None
    if local is not None and local.exists():
        return local_rows(local)
    if known.hub_id is None:
        raise DataError(f"code data set {config.dataset!r} is not on the hub: set {DATA_VARIABLE} to the folder with {known.local}")
    return hub_rows(known.hub_id, known.subset)


def _named_split(row: Row) -> Split | None:
    """The split in the row's ``split`` column, or else of its file or the hub; ``None`` if there is none."""
    column = row.columns.get("split")
    if isinstance(column, str) and column in _SPLITS:
        return _SPLITS[column]
    return None if row.split == "unnamed" else row.split


def split_of_row(row: Row, text: str, named: set[Split | None]) -> Split:
    """The row's named split. Held-out splits without named rows get training and unnamed rows by the hash of their text."""
    split = _named_split(row) or "train"
    hashed = split_of_text(text)
    return hashed if split == "train" and hashed not in named else split
