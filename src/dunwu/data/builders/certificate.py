"""Decontamination with a certificate: the evaluation sets, the number of rows compared with each, and the overlaps found.

DeepSeek-R1 (Nature 645, Methods): training text that shares a 10-gram with a benchmark's question or solution is removed. We also remove
questions with the numbers of a puzzle in an evaluation set, in any order and wording.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dunwu.config.data import EvaluationSet
from dunwu.config.tasks import DatasetTask
from dunwu.tasks.columns import cell
from dunwu.tasks.dataset import answer_columns, load_rows
from dunwu.tasks.make import make_task
from dunwu.tasks.splits import GAME24_HELD_OUT
from dunwu.types import Problem

Ngram = tuple[str, ...]
N = 10
HITS = 5
SHOWN = 120

_WORD = re.compile(r"[一-鿿]|[^\W_一-鿿]+")
_NUMBER = re.compile(r"[0-9]{1,9}")
_NUMBER_LIST = re.compile(r"[0-9]+(?:\s*[,，、]\s*[0-9]+)+")


def text_shares_multiset(text: str, multisets: Collection[tuple[int, ...]] = GAME24_HELD_OUT) -> bool:
    """True if a comma-separated list of numbers in ``text`` is one of ``multisets``."""
    lists = (_NUMBER.findall(found) for found in _NUMBER_LIST.findall(text))
    return any(tuple(sorted(map(int, digits))) in multisets for digits in lists)


def words(text: str) -> list[str]:
    """Lower-case words and numbers without punctuation; a Chinese character is a word."""
    return _WORD.findall(text.lower())


def ngrams(text: str, n: int = N) -> set[Ngram]:
    """All runs of ``n`` words. A shorter text is one run, so that a short benchmark question matches a row that is nothing else."""
    sequence = words(text)
    if len(sequence) < n:
        return {tuple(sequence)} if sequence else set()
    return {tuple(sequence[start : start + n]) for start in range(len(sequence) - n + 1)}


@dataclass
class Certificate:
    """The comparison with one evaluation set; ``hits`` are the first removed rows, each with the shared text and the problem's id."""

    name: str
    problems: int
    sha256: str
    ngram: int = N
    compared: int = 0
    removed: int = 0
    hits: list[dict[str, str]] = field(default_factory=list)


class Benchmark:
    """One evaluation set, indexed for comparison."""

    def __init__(self, name: str, problems: Sequence[Problem], solutions: Mapping[str, str] = MappingProxyType({})) -> None:
        """``solutions``: further solution texts by problem id."""
        self._grams: Mapping[Ngram, str] = {
            gram: each.id for each in problems for text in _texts(each, solutions) for gram in ngrams(text, N)
        }
        self._multisets = {tuple(sorted(map(int, p.data["numbers"]))): p.id for p in problems if p.data.get("numbers")}
        self.certificate = Certificate(name, len(problems), _hash(problems))

    def hit(self, question: str, others: Iterable[str]) -> bool:
        """True if a row overlaps with this set; counts the row either way."""
        self.certificate.compared += 1
        found = self._find(question, others)
        if found is None:
            return False
        self.certificate.removed += 1
        if len(self.certificate.hits) < HITS:
            shared, problem = found
            self.certificate.hits.append({"row": question[:SHOWN], "shares": shared, "with": problem})
        return True

    def _find(self, question: str, others: Iterable[str]) -> tuple[str, str] | None:
        for text in (question, *others):
            if shared := ngrams(text, N) & self._grams.keys():
                gram = min(shared)  # the order of a set differs from process to process
                return " ".join(gram), self._grams[gram]
        if self._multisets and text_shares_multiset(question, self._multisets):
            multiset = next(each for each in self._multisets if text_shares_multiset(question, [each]))
            return "the numbers " + ",".join(map(str, multiset)), self._multisets[multiset]
        return None


def open_benchmarks(sets: Sequence[EvaluationSet]) -> list[Benchmark]:
    """The evaluation sets, read and checked. Raises ``UserError`` if one is unavailable."""
    return [_open(each) for each in sets]


def is_clean(benchmarks: Sequence[Benchmark], question: str, others: Sequence[str]) -> bool:
    """True if a row overlaps with no set. All sets are compared, so that each certificate counts every row."""
    hits = [benchmark.hit(question, others) for benchmark in benchmarks]
    return not any(hits)


def _open(each: EvaluationSet) -> Benchmark:
    problems = make_task(each.task).held_out(each.split, each.problems, each.seed)
    return Benchmark(each.name, problems, _solutions(each.task, problems) if isinstance(each.task, DatasetTask) else {})


def _solutions(task: DatasetTask, problems: Sequence[Problem]) -> dict[str, str]:
    """The raw answer columns of a data set, because a problem keeps only the final answer of a worked solution."""
    rows = {(Path(row.source).name, row.number): row for row in load_rows(task.path)}
    found = {problem.id: rows[problem.data["source"], problem.data["row"]].columns for problem in problems}
    return {each: "\n".join(str(value) for key in answer_columns(task) if (value := cell(columns, key))) for each, columns in found.items()}


def _texts(problem: Problem, solutions: Mapping[str, str]) -> list[str]:
    """The question, and the answer and solution if they have at least `N` words: sharing the answer 42 is no overlap."""
    others = [problem.answer, problem.data.get("solution"), solutions.get(problem.id)]
    return [problem.text, *(text for text in others if isinstance(text, str) and len(words(text)) >= N)]


def _hash(problems: Sequence[Problem]) -> str:
    listed = [[problem.id, problem.text, problem.answer] for problem in problems]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
