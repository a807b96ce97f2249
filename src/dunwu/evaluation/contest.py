"""Programming contests, offline: a model's submissions are judged, ranked among the participants, and rated by that rank.

Two scoring rules, without hacks. ``points``: a problem of P points that is solved at minute t, after w wrong attempts, in a contest of d
minutes gives ``max(0.3 P, P - floor(120 P t / (250 d)) - 50 w)`` (Codeforces' rule). ``icpc``: solved problems count, then the
penalty, the sum over solved problems of t and of 10 minutes for each wrong attempt before (20 in the ICPC itself).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dunwu.errors import DataError
from dunwu.evaluation.elo import HIGHEST, LOWEST, ranks_of, rating_of_rank
from dunwu.evaluation.intervals import t_factor
from dunwu.tasks.code_file import ProblemFile
from dunwu.tasks.code_tests import CodeTests, ProgrammingLanguage
from dunwu.tasks.rows import Row, local_rows

Key = tuple[float, float]
"""What ranks a participant: the smaller, the better."""


@dataclass(frozen=True)
class Participant:
    """One row of standings; ``rank`` where it is given, else the key decides."""

    name: str | int
    rating: int
    points: float | None
    penalty: float
    rank: int | None

    @property
    def key(self) -> Key:
        """By points, then by penalty; by the given rank where there are no points."""
        return (float(self.rank or 0), 0.0) if self.points is None else (-self.points, self.penalty)


def read_standings(path: Path) -> list[Participant]:
    """The participants of a file with the columns ``participant``, ``rating_before``, and ``points`` and ``penalty`` or ``rank``."""
    return [_participant(row) for row in local_rows(path)]


def standing_ranks(participants: Sequence[Participant]) -> np.typing.NDArray[np.int64]:
    """Ranks among these participants, equals with the best rank of their group; given ranks go before points."""
    given = all(each.rank is not None for each in participants)
    return ranks_of([(float(each.rank or 0), 0.0) if given else each.key for each in participants])


def _participant(row: Row) -> Participant:
    found = row.columns
    name = found.get("participant")
    if not isinstance(name, str | int) or name == "":
        raise DataError(f"{row.where}: participant is {name!r}: give a name or a number")
    rating = _number(row, "rating_before", LOWEST, HIGHEST)
    if rating is None or rating != int(rating):
        raise DataError(f"{row.where}: rating_before is {found.get('rating_before')!r}: give the whole number of points before the contest")
    rank, points = _number(row, "rank", 1), _number(row, "points")
    if rank is None and points is None:
        raise DataError(f"{row.where}: neither points nor rank: give one of them")
    return Participant(name, int(rating), points, _number(row, "penalty") or 0.0, None if rank is None else int(rank))


def _number(row: Row, column: str, low: float = -1e12, high: float = 1e12) -> float | None:
    value = row.columns.get(column)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        within = "" if high == 1e12 else f" from {low:g} to {high:g}"
        raise DataError(f"{row.where}: {column} is {value!r}: give a number{within}")
    return float(value)


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")

    contest: str
    scoring: Literal["points", "icpc"]
    standings: str
    minutes: Annotated[float, Field(gt=0)] = 120
    points: dict[str, Annotated[float, Field(gt=0)]] = {}
    penalty: Annotated[float, Field(ge=0)] | None = None


class Contest:
    """A contest file: a file of problems (`dunwu.tasks.code_file`) that also has ``contest`` (its name), ``scoring``, ``standings`` (a file
    beside it), ``minutes`` (its length, 120), ``points`` by problem, and ``penalty`` of a wrong attempt (50 points, or 10 minutes).

    Raises ``DataError`` if it is not one.
    """

    def __init__(self, path: Path) -> None:
        self.problems = ProblemFile(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        try:
            header = _Header(**{key: value for key, value in content.items() if key not in ("problems", "limits")})
        except (ValidationError, TypeError) as error:
            first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": ("",), "msg": str(error)}
            raise DataError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}: correct it") from error
        self.name, self.scoring, self.minutes = header.contest, header.scoring, header.minutes
        self.points = header.points
        self.penalty = header.penalty if header.penalty is not None else 50.0 if self.scoring == "points" else 10.0
        missing = [name for name in self.problems.names if name not in self.points]
        if self.scoring == "points" and missing:
            raise DataError(f"{path}: points: no value for problem {missing[0]}: give the points of every problem")
        self.participants = read_standings(path.parent / header.standings)
        if any(each.points is None for each in self.participants):
            raise DataError(f"{path.parent / header.standings}: rows without points: a submission cannot be ranked among them")

    def key(self, solved: Mapping[str, Solved]) -> Key:
        """What ranks a participant that has solved these problems."""
        if self.scoring == "icpc":
            return (-float(len(solved)), sum(each.minute + self.penalty * each.wrong for each in solved.values()))
        return (-sum(self._points(self.points[name], each) for name, each in solved.items()), 0.0)

    def _points(self, most: float, solved: Solved) -> float:
        decayed = most - 120 * most * solved.minute // (250 * self.minutes) - self.penalty * solved.wrong
        return max(0.3 * most, decayed)

    def rank(self, key: Key) -> int:
        """1 and the number of participants that are better."""
        return 1 + sum(each.key < key for each in self.participants)

    def rating(self, rank: int) -> float:
        """The rating whose expected rank is this one."""
        return rating_of_rank(rank, [each.rating for each in self.participants])


@dataclass(frozen=True)
class Solved:
    """When a problem was solved, in minutes, and after how many wrong attempts."""

    minute: float
    wrong: int


@dataclass(frozen=True)
class Submission:
    """One program for a problem; those of a ``sample`` are one participant's."""

    contest: str
    problem: str
    text: str
    minute: float
    sample: str
    programming_language: ProgrammingLanguage


def read_submissions(path: Path, contests: Sequence[Contest]) -> list[Submission]:
    """Rows with ``problem`` and ``program`` (a program, or a completion that contains one in a block), and optionally ``minute`` (0),
    ``sample`` (1), ``programming_language`` (python) and ``contest``, which is needed if there are several."""
    return [_submission(row, {each.name: each for each in contests}) for row in local_rows(path)]


def _submission(row: Row, contests: Mapping[str, Contest]) -> Submission:
    found = row.columns
    only = next(iter(contests)) if len(contests) == 1 else None
    contest = contests.get(str(found.get("contest", only)))
    if contest is None:
        raise DataError(f"{row.where}: contest is {found.get('contest')!r}: give one of {', '.join(contests)}")
    problem, program = str(found.get("problem")), found.get("program")
    language: ProgrammingLanguage = found.get("programming_language") or "python"
    if problem not in contest.problems.names:
        raise DataError(f"{row.where}: contest {contest.name} has no problem {problem!r}: it has {', '.join(contest.problems.names)}")
    if not isinstance(program, str):
        raise DataError(f"{row.where}: program is {program!r}: give its text")
    if language not in ("python", "cpp"):
        raise DataError(f"{row.where}: programming_language is {language!r}: give python or cpp")
    minute = _number(row, "minute", 0, contest.minutes) or 0.0
    sample = found.get("sample")
    return Submission(contest.name, problem, program, minute, "1" if sample is None else str(sample), language)


Judge = Callable[[Submission, CodeTests], bool | None]
"""Whether a program passes all tests; ``None`` if the sandbox failed."""

Mapper = Callable[[Callable[[list[Submission]], "_Judged"], list[list[Submission]]], Iterable["_Judged"]]
"""`map`, or that of a pool of threads."""


@dataclass(frozen=True)
class Entry:
    """What one sample of a contest's submissions achieved; ``unjudged``: attempts without a verdict, as if not made."""

    contest: str
    sample: str
    solved: Mapping[str, Solved]
    score: Key
    rank: int
    participants: int
    rating: float
    unjudged: int

    def as_json(self) -> dict[str, Any]:
        """For a line of JSON."""
        solved = {name: {"minute": each.minute, "wrong": each.wrong} for name, each in self.solved.items()}
        return {
            "contest": self.contest, "sample": self.sample, "solved": solved, "points": -self.score[0], "penalty": self.score[1],
            "rank": self.rank, "participants": self.participants, "rating": round(self.rating, 1), "unjudged": self.unjudged,
        }  # fmt: skip


_Judged = tuple[Solved | None, int]


def entries(contests: Sequence[Contest], submissions: Sequence[Submission], judge: Judge, mapper: Mapper = map) -> Iterator[Entry]:
    """Each sample of each contest, judged: its attempts by minute, then in the order of the file, until a problem is solved.

    A contest for which a sample has no submission counts: nothing was solved.
    """
    samples = sorted({each.sample for each in submissions})
    for contest in contests:
        for sample in samples:
            own = sorted((each for each in submissions if (each.contest, each.sample) == (contest.name, sample)), key=lambda s: s.minute)
            attempts = [[each for each in own if each.problem == name] for name in contest.problems.names]
            judged = list(mapper(partial(_judged, contest=contest, judge=judge), attempts))
            solved = {name: found for name, (found, _) in zip(contest.problems.names, judged, strict=True) if found is not None}
            score, unjudged = contest.key(solved), sum(count for _, count in judged)
            rank = contest.rank(score)
            yield Entry(contest.name, sample, solved, score, rank, len(contest.participants), contest.rating(rank), unjudged)


def _judged(attempts: Sequence[Submission], contest: Contest, judge: Judge) -> _Judged:
    """When a problem was solved, if it was, and how many attempts have no verdict."""
    wrong = unjudged = 0
    for each in attempts:
        right = judge(each, contest.problems.tests(each.problem, each.programming_language))
        if right:
            return Solved(each.minute, wrong), unjudged
        unjudged += right is None
        wrong += right is False
    return None, unjudged


def mean_rating(found: Sequence[Entry]) -> tuple[float, tuple[float, float] | None]:
    """The mean over contests of the mean over samples, and from two contests on its 95 % interval, for other contests (Student's)."""
    names = dict.fromkeys(each.contest for each in found)
    means = np.array([np.mean([each.rating for each in found if each.contest == name]) for name in names])
    if len(means) < 2:
        return float(means[0]), None
    half = t_factor(len(means) - 1) * means.std(ddof=1) / len(means) ** 0.5
    return float(means.mean()), (float(means.mean() - half), float(means.mean() + half))
