"""Programming contests, offline: a model's submissions are judged, ranked among the participants, and rated by that rank.

Two scoring rules, without hacks. ``points``: a problem of P points that is solved at minute t, after w wrong attempts, in a contest of d
minutes gives ``max(0.3 P, P - floor(120 P t / (250 d)) - 50 w)`` (Codeforces' rule). ``icpc``: solved problems count, then the
penalty, the sum over solved problems of t and of 10 minutes for each wrong attempt before (20 in the ICPC itself).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
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


def read_standings(path: Path) -> list[Participant]:
    """The participants of a file with the columns ``participant``, ``rating_before``, and ``points`` and ``penalty`` or ``rank``."""
    if path.is_dir():
        raise DataError(f"{path} is a folder: give the file of one contest")
    found: dict[str | int, Participant] = {}
    for row in local_rows(path):
        each = _participant(row)
        if each.name in found:
            raise DataError(f"{row.where}: participant {each.name!r} is there twice: keep one of the rows")
        found[each.name] = each
    return list(found.values())


def standing_ranks(participants: Sequence[Participant]) -> NDArray[np.int64]:
    """Ranks among these participants, equals with the best rank of their group; given ranks go before points.

    Raises ``DataError`` if some have no rank and some no points.
    """
    if all(each.rank is not None for each in participants):
        return ranks_of([(float(each.rank or 0),) for each in participants])
    return ranks_of([_key(each) for each in participants])


def _key(participant: Participant) -> Key:
    if participant.points is None:
        raise DataError(f"participant {participant.name!r} has no points: give points to all, or a rank to all")
    return (-participant.points, participant.penalty)


def _participant(row: Row) -> Participant:
    found = row.columns
    name = found.get("participant")
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise DataError(f"{row.where}: participant is {name!r}: give a name or a number")
    rating = _number(row, "rating_before", LOWEST, HIGHEST, whole=True)
    rank, points = _number(row, "rank", 1, whole=True), _number(row, "points")
    if rating is None:
        raise DataError(f"{row.where}: no rating_before: give the rating before the contest")
    if rank is None and points is None:
        raise DataError(f"{row.where}: neither points nor rank: give one of them")
    return Participant(name, int(rating), points, _number(row, "penalty") or 0.0, None if rank is None else int(rank))


def _number(row: Row, column: str, low: float = -1e12, high: float = 1e12, whole: bool = False) -> float | None:
    """The number in a column, as text too (CSV); ``None`` if there is none."""
    value = row.columns.get(column)
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low <= number <= high or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise DataError(f"{row.where}: {column} is {value!r}: give {kind} from {low:g} to {high:g}")
    return number


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

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
        try:
            header = _Header(**{key: value for key, value in self.problems.content.items() if key not in ("problems", "limits")})
        except ValidationError as error:
            first = error.errors()[0]
            value = "" if first["type"] == "missing" else f" is {first['input']!r}"
            raise DataError(f"{path}: {'.'.join(map(str, first['loc']))}{value}: {first['msg']}: correct it") from error
        self.name, self.scoring, self.minutes = header.contest, header.scoring, header.minutes
        self.points = header.points
        self.penalty = header.penalty if header.penalty is not None else 50.0 if self.scoring == "points" else 10.0
        missing = [name for name in self.problems.names if name not in self.points]
        if self.scoring == "points" and missing:
            raise DataError(f"{path}: points: no value for problem {missing[0]}: give the points of every problem")
        self.participants = read_standings(path.parent / header.standings)
        self._keys = [self._ranked(_key(each)) for each in self.participants]

    def key(self, solved: Mapping[str, Solved]) -> Key:
        """What ranks a participant that has solved these problems."""
        if self.scoring == "icpc":
            return (-float(len(solved)), sum(math.floor(each.minute) + self.penalty * each.wrong for each in solved.values()))
        return (-sum(self._points(self.points[name], each) for name, each in solved.items()), 0.0)

    def _points(self, most: float, solved: Solved) -> float:
        decayed = most - 120 * most * math.floor(solved.minute) // (250 * self.minutes) - self.penalty * solved.wrong
        return max(0.3 * most, decayed)

    def rank(self, key: Key) -> int:
        """1 and the number of participants that are better."""
        return 1 + sum(each < self._ranked(key) for each in self._keys)

    def rating(self, key: Key) -> float:
        """The rating whose expected rank is the obtained one, where equals count half, as a tie does in an expected rank."""
        equals = sum(each == self._ranked(key) for each in self._keys)
        return rating_of_rank(self.rank(key) + equals / 2, [each.rating for each in self.participants])

    def _ranked(self, key: Key) -> Key:
        """With ``points``, a penalty decides nothing."""
        return key if self.scoring == "icpc" else (key[0], 0.0)


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
    named = found.get("contest")
    contest = next(iter(contests.values())) if named is None and len(contests) == 1 else contests.get(str(named))
    if contest is None:
        raise DataError(f"{row.where}: contest is {named!r}: give one of {', '.join(contests)}")
    problem, program, sample = found.get("problem"), found.get("program"), found.get("sample")
    language: ProgrammingLanguage = found.get("programming_language") or "python"
    if problem not in contest.problems.names:
        raise DataError(f"{row.where}: contest {contest.name} has no problem {problem!r}: it has {', '.join(contest.problems.names)}")
    if not isinstance(program, str):
        raise DataError(f"{row.where}: program is {program!r}: give its text")
    if language not in ("python", "cpp"):
        raise DataError(f"{row.where}: programming_language is {language!r}: give python or cpp")
    if contest.problems.tests(problem, language).programming_language != language:
        raise DataError(f"{row.where}: problem {problem!r} calls a Python function: give a program in python")
    number = int(sample) if isinstance(sample, float) and sample == int(sample) else sample
    if isinstance(number, bool) or not isinstance(number, str | int | None):
        raise DataError(f"{row.where}: sample is {sample!r}: give a name or a whole number")
    minute = _number(row, "minute", 0, contest.minutes) or 0.0
    return Submission(contest.name, problem, program, minute, "1" if number is None else str(number), language)


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

    Raises ``DataError`` if a sample has no submission to one of the contests: it would count as nothing solved.
    """
    samples = sorted({each.sample for each in submissions})
    made = {(each.contest, each.sample) for each in submissions}
    for name, sample in ((contest.name, sample) for contest in contests for sample in samples):
        if (name, sample) not in made:
            raise DataError(f"sample {sample} has no submission to contest {name}: add one, with an empty program if it made none")
    for contest in contests:
        for sample in samples:
            own = sorted((each for each in submissions if (each.contest, each.sample) == (contest.name, sample)), key=lambda s: s.minute)
            attempts = [[each for each in own if each.problem == name] for name in contest.problems.names]
            judged = list(mapper(partial(_judged, contest=contest, judge=judge), attempts))
            solved = {name: found for name, (found, _) in zip(contest.problems.names, judged, strict=True) if found is not None}
            score, unjudged = contest.key(solved), sum(count for _, count in judged)
            rank, rating = contest.rank(score), contest.rating(score)
            yield Entry(contest.name, sample, solved, score, rank, len(contest.participants), rating, unjudged)


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
