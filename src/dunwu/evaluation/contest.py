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
from pydantic import ConfigDict, Field, ValidationError

from dunwu.config.base import Config
from dunwu.config.mistakes import describe
from dunwu.errors import DataError
from dunwu.evaluation.contest_files import COLUMNS, refuse_misspelt, refuse_other_kind
from dunwu.evaluation.elo import LIMITS, rating_of_rank
from dunwu.evaluation.intervals import t_factor
from dunwu.evaluation.standings import Key, keys_of, number, read_standings
from dunwu.tasks.code_file import ProblemFile
from dunwu.tasks.code_tests import CodeTests, ProgrammingLanguage
from dunwu.tasks.rows import Row, local_rows

Scoring = Literal["points", "icpc"]


class _File(Config):
    model_config = ConfigDict(strict=True)

    problems: dict[str, Any]
    limits: dict[str, Any] | None = None
    contest: str
    scoring: Scoring
    standings: str
    minutes: Annotated[float, Field(gt=0)] = 120
    points: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    penalty: Annotated[float, Field(ge=0)] | None = None


class Contest:
    """A contest file: a file of problems (`dunwu.tasks.code_file`) that also has ``contest`` (its name), ``scoring``, ``standings`` (a file
    beside it), ``minutes`` (its length, 120), ``points`` by problem, and ``penalty`` of a wrong attempt (50 points, or 10 minutes).

    Raises ``DataError`` if it is not one.
    """

    def __init__(self, path: Path) -> None:
        refuse_other_kind(path, "contest")
        self.problems = ProblemFile(path)
        header = _read(path, self.problems.content)
        self.name, self.scoring, self.minutes = header.contest, header.scoring, header.minutes
        self.points = header.points
        self.penalty = header.penalty if header.penalty is not None else 50.0 if self.scoring == "points" else 10.0
        missing = [name for name in self.problems.names if name not in self.points]
        if self.scoring == "points" and missing:
            raise DataError(f"{path}: points: no value for problem {missing[0]}: give the points of every problem")
        standings = path.parent / header.standings
        self.participants = read_standings(standings, penalty_counts=self.scoring == "icpc")
        remedy = "a model is ranked by points, so give them to all, and not ranks alone"
        self._keys = [self._ranked(key) for key in keys_of(self.participants, standings, remedy)]

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

    def place(self, key: Key) -> float:
        """The rank that is rated: the mean of the places that the model and its equals share, as a tie counts half in an expected rank."""
        return self.rank(key) + sum(each == self._ranked(key) for each in self._keys) / 2

    def rating(self, place: float) -> float:
        """The rating whose expected rank is ``place``."""
        return rating_of_rank(place, [each.rating for each in self.participants])

    def _ranked(self, key: Key) -> Key:
        """With ``points``, a penalty decides nothing."""
        return key if self.scoring == "icpc" else (key[0], 0.0)


def _read(path: Path, content: dict[str, Any]) -> _File:
    try:
        return _File(**content)
    except ValidationError as error:
        missing = [str(each["loc"][0]) for each in error.errors() if each["type"] == "missing"]
        if len(missing) == error.error_count():
            raise DataError(f"{path}: no {missing[0]}: add it") from error
        raise DataError(f"{path}: {describe(error, _File, content)}") from error


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
    refuse_other_kind(path, "submissions")
    return [_submission(row, {each.name: each for each in contests}) for row in local_rows(path)]


def _submission(row: Row, contests: Mapping[str, Contest]) -> Submission:
    # Only several contests need a name, and a column `content` is none.
    refuse_misspelt(row, [name for name in COLUMNS["submissions"] if name != "contest" or len(contests) > 1])
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
    name = int(sample) if isinstance(sample, float) and sample.is_integer() else sample
    if isinstance(name, bool) or not isinstance(name, str | int | None):
        raise DataError(f"{row.where}: sample is {sample!r}: give a name or a whole number")
    minute = number(row, "minute", 0, contest.minutes) or 0.0
    return Submission(contest.name, problem, program, minute, "1" if name is None else str(name), language)


Judge = Callable[[Submission, CodeTests], bool | None]
"""Whether a program passes all tests; ``None`` if the sandbox failed."""

Mapper = Callable[[Callable[[list[Submission]], "_Judged"], list[list[Submission]]], Iterable["_Judged"]]
"""`map`, or that of a pool of threads."""


@dataclass(frozen=True)
class Entry:
    """What one sample of a contest's submissions achieved.

    ``place``: the rank that is rated (`Contest.place`). ``wrong``: wrong attempts, at unsolved problems too. ``unjudged``: attempts
    without a verdict, as if not made.
    """

    contest: str
    sample: str
    scoring: Scoring
    solved: Mapping[str, Solved]
    wrong: int
    score: Key
    rank: int
    place: float
    participants: int
    rating: float
    unjudged: int

    @property
    def at_limit(self) -> bool:
        """True if no rating within the limits has this place as its expected rank, as for a first or last one."""
        return self.rating in LIMITS

    @property
    def last_rank(self) -> int:
        """The last of the places that the model and its equals share; ``rank`` is the first."""
        return round(2 * self.place) - self.rank

    def as_json(self) -> dict[str, Any]:
        """For a line of JSON."""
        solved = {name: {"minute": each.minute, "wrong": each.wrong} for name, each in self.solved.items()}
        return {
            "contest": self.contest, "sample": self.sample, "scoring": self.scoring, "solved": solved, "wrong_attempts": self.wrong,
            "points": -self.score[0], "penalty": self.score[1], "rank": self.rank, "rated_rank": self.place,
            "participants": self.participants, "rating": round(self.rating, 1), "at_limit": self.at_limit, "unjudged": self.unjudged,
        }  # fmt: skip


_Judged = tuple[Solved | None, int, int]
"""When a problem was solved, if it was; wrong attempts; attempts without a verdict."""


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
            yield _entry(contest, sample, dict(zip(contest.problems.names, judged, strict=True)))


def _entry(contest: Contest, sample: str, judged: Mapping[str, _Judged]) -> Entry:
    solved = {name: found for name, (found, _, _) in judged.items() if found is not None}
    score = contest.key(solved)
    place = contest.place(score)
    return Entry(
        contest=contest.name,
        sample=sample,
        scoring=contest.scoring,
        solved=solved,
        wrong=sum(wrong for _, wrong, _ in judged.values()),
        score=score,
        rank=contest.rank(score),
        place=place,
        participants=len(contest.participants),
        rating=contest.rating(place),
        unjudged=sum(unjudged for _, _, unjudged in judged.values()),
    )


def _judged(attempts: Sequence[Submission], contest: Contest, judge: Judge) -> _Judged:
    wrong = unjudged = 0
    for each in attempts:
        right = judge(each, contest.problems.tests(each.problem, each.programming_language))
        if right:
            return Solved(each.minute, wrong), wrong, unjudged
        unjudged += right is None
        wrong += right is False
    return None, wrong, unjudged


def without_limits(found: Sequence[Entry]) -> float | None:
    """The mean as in `mean_rating` over the ratings that are not at a limit; ``None`` without any."""
    within = [each for each in found if not each.at_limit]
    return mean_rating(within)[0] if within else None


def mean_rating(found: Sequence[Entry]) -> tuple[float, tuple[float, float] | None]:
    """The mean over contests of the mean over samples, and from two contests on its 95 % interval, for other contests (Student's)."""
    names = dict.fromkeys(each.contest for each in found)
    means = np.array([np.mean([each.rating for each in found if each.contest == name]) for name in names])
    if len(means) < 2:
        return float(means[0]), None
    half = t_factor(len(means) - 1) * means.std(ddof=1) / len(means) ** 0.5
    return float(means.mean()), (float(means.mean() - half), float(means.mean() + half))
