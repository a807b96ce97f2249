"""Decontamination with a certificate: which evaluation sets were compared with how many rows, what was found, and which sets they were.

DeepSeek-R1 (Nature 645, Methods): training text that shares a 10-gram with a benchmark's question or solution is removed. Beside that, a
question with the numbers of a puzzle of an evaluation set is removed, in whatever order and words it gives them.
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
    """Whether a list of numbers in ``text``, separated by commas as in a problem statement, is one of ``multisets``."""
    lists = (_NUMBER.findall(found) for found in _NUMBER_LIST.findall(text))
    return any(tuple(sorted(map(int, digits))) in multisets for digits in lists)


def words(text: str) -> list[str]:
    """Lower-case words and numbers without punctuation; a Chinese character is a word."""
    return _WORD.findall(text.lower())


def ngrams(text: str, n: int = N) -> set[Ngram]:
    """All runs of ``n`` words. A shorter text counts as one run, so that a short benchmark question is found where it stands alone."""
    sequence = words(text)
    if len(sequence) < n:
        return {tuple(sequence)} if sequence else set()
    return {tuple(sequence[start : start + n]) for start in range(len(sequence) - n + 1)}


@dataclass
class Certificate:
    """What was compared with one evaluation set; ``hits`` are the first rows that were removed, with what they share with which problem."""

    name: str
    problems: int
    sha256: str
    ngram: int = N
    compared: int = 0
    removed: int = 0
    hits: list[dict[str, str]] = field(default_factory=list)


class Benchmark:
    """One evaluation set, ready to be looked for."""

    def __init__(self, name: str, problems: Sequence[Problem], solutions: Mapping[str, str] = MappingProxyType({})) -> None:
        """``solutions`` by problem id, beside what the problems hold themselves."""
        self._grams: Mapping[Ngram, str] = {
            gram: each.id for each in problems for text in _texts(each, solutions) for gram in ngrams(text, N)
        }
        self._multisets = {tuple(sorted(map(int, p.data["numbers"]))): p.id for p in problems if p.data.get("numbers")}
        self.certificate = Certificate(name, len(problems), _hash(problems))

    def hit(self, question: str, others: Iterable[str]) -> bool:
        """Whether a row has anything of this set; counted either way."""
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
    """The evaluation sets, read and checked. Raises ``UserError`` where one cannot be had."""
    return [_open(each) for each in sets]


def is_clean(benchmarks: Sequence[Benchmark], question: str, others: Sequence[str]) -> bool:
    """Whether a row has nothing of any set; every set is looked at, so that each certificate counts all rows."""
    hits = [benchmark.hit(question, others) for benchmark in benchmarks]
    return not any(hits)


def _open(each: EvaluationSet) -> Benchmark:
    problems = make_task(each.task).held_out(each.split, each.problems, each.seed)
    return Benchmark(each.name, problems, _solutions(each.task, problems) if isinstance(each.task, DatasetTask) else {})


def _solutions(task: DatasetTask, problems: Sequence[Problem]) -> dict[str, str]:
    """The answer columns of a data set as they were written: of a worked solution the problem keeps the final answer alone."""
    rows = {(Path(row.source).name, row.number): row for row in load_rows(task.path)}
    found = {problem.id: rows[problem.data["source"], problem.data["row"]].columns for problem in problems}
    return {each: "\n".join(str(columns[key]) for key in answer_columns(task) if columns.get(key)) for each, columns in found.items()}


def _texts(problem: Problem, solutions: Mapping[str, str]) -> list[str]:
    """The question, and the answer and solution where they are long enough to be text: a benchmark does not own the answer 42."""
    others = [problem.answer, problem.data.get("solution"), solutions.get(problem.id)]
    return [problem.text, *(text for text in others if isinstance(text, str) and len(words(text)) >= N)]


def _hash(problems: Sequence[Problem]) -> str:
    listed = [[problem.id, problem.text, problem.answer] for problem in problems]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
