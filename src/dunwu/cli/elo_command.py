"""`dunwu elo`: replay the ratings of a programming contest, or rate a model's submissions to contests, offline."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import printable, show
from dunwu.errors import DataError, DunwuError, UserError
from dunwu.evaluation.contest import Contest, Entry, Submission, entries, mean_rating, read_submissions, without_limits
from dunwu.evaluation.contest_files import COLUMNS, refuse_misspelt, refuse_other_kind
from dunwu.evaluation.elo import HIGHEST, LIMITS, LOWEST, RatedContest, percentile
from dunwu.evaluation.standings import number, read_standings, standing_ranks
from dunwu.tasks.code_tests import CodeTests
from dunwu.tasks.rows import local_rows


@dataclass(frozen=True)
class EloOptions:
    """Replay a contest: each participant's performance and rating change, by Codeforces' rule. Or rate a model: judge its submissions to
    contests in the sandbox, rank it among the participants, and find the rating that its ranks stand for."""

    standings: Path | None = None
    """Participants of a contest: rows with participant, rating_before, and points and penalty, or rank."""
    contests: tuple[Path, ...] = ()
    """Contest files: problems, scoring rule, and the standings beside them."""
    submissions: Path | None = None
    """Programs for these contests: rows with problem, program, and optionally minute, sample, programming_language, contest."""
    histogram: Path | None = None
    """Users by rating (rows with rating and users), for the percentile."""
    json: bool = False
    """Print one JSON object per line."""
    workers: Annotated[int | None, Field(ge=1)] = None
    """Number of programs judged in parallel; by default 1."""


def run(arguments: Sequence[str]) -> int:
    """Replays, or judges and rates; prints."""
    options, rest = parse_options(EloOptions, "elo", arguments)
    refuse_rest("elo", rest)
    if options.standings is not None and not options.contests and options.submissions is None:
        for name, given in (("histogram", options.histogram), ("workers", options.workers)):
            if given is not None:
                raise UserError(f"elo: --{name} {given} is for rating a model: leave it out with --standings")
        _replay(options.standings, options.json)
    elif options.standings is None and options.contests and options.submissions is not None:
        _rate([Contest(path) for path in options.contests], options)
    else:
        raise UserError("elo: give --standings FILE to replay a contest, or --contests FILE... and --submissions FILE to rate a model")
    return 0


def _replay(path: Path, as_json: bool) -> None:
    participants = read_standings(path)
    ranks = standing_ranks(participants, path)
    contest = RatedContest([each.rating for each in participants], ranks)
    rows = zip(participants, ranks, contest.changes(), contest.performances(), strict=True)
    if not as_json:
        show("  rank  before  change   after  performance  participant")
    for each, rank, change, performance in rows:
        if as_json:
            found = {"participant": each.name, "rank": int(rank), "rating_before": each.rating, "delta": int(change)}
            print(json.dumps(found | {"performance": performance, "performance_is_infinite": performance is None}))
        else:
            numbers = f"{rank:>6}  {each.rating:>6}  {change:>+6}  {each.rating + change:>6}"
            print(f"{numbers}  {'infinite' if performance is None else performance:>11}  {printable(each.name)}")


def _rate(contests: Sequence[Contest], options: EloOptions) -> None:
    if len({contest.name for contest in contests}) < len(contests):
        raise DataError("two of the contest files have the same name: give each contest once, under a name of its own")
    assert options.submissions is not None, "run has checked it"
    submissions = read_submissions(options.submissions, contests)
    users = None if options.histogram is None else _users(options.histogram)
    from dunwu.sandbox.open import VARIABLE, open_sandbox
    from dunwu.verifiers.code.extract import extract_program
    from dunwu.verifiers.code.verify import judge

    workers = options.workers or 1
    with open_sandbox(os.environ.get(VARIABLE, "auto"), workers) as sandbox, ThreadPoolExecutor(workers) as threads:
        failures: list[str] = []

        def verdict(submission: Submission, tests: CodeTests) -> bool | None:
            program = extract_program(submission.text, tests)
            if program is None:
                return False
            judgement = judge(program, tests, sandbox)
            if judgement.status == "sandbox_error":
                failures.append(judgement.detail)
                return None
            return judgement.status == "ok"

        found: list[Entry] = []
        for entry in entries(contests, submissions, verdict, threads.map):
            found.append(entry)
            if options.json:
                print(json.dumps(entry.as_json()))
            else:
                show(_line(entry))
    unjudged = sum(entry.unjudged for entry in found)
    if unjudged and not any(entry.solved for entry in found):
        raise DunwuError(f"no program was judged as right, and {unjudged} not at all: the sandbox failed: {failures[0]}")
    limited = sum(entry.at_limit for entry in found)
    rating, interval = mean_rating(found)
    share = None if users is None else percentile(rating, users)
    if options.json:
        ends = None if interval is None else [round(end, 1) for end in interval]
        users_below = None if share is None else round(share, 2)
        within = without_limits(found)
        rest = None if within is None else round(within, 1)
        mean = {"rating": round(rating, 1), "interval": ends, "percentile": users_below, "rating_without_limits": rest}
        print(json.dumps(mean | {"ratings_at_limit": limited, "unjudged": unjudged}))
        return
    between = "" if interval is None else f" ({interval[0]:.0f} to {interval[1]:.0f})"
    above = "" if share is None else f"; above {share:.1f} % of the users"
    show(f"rating {rating:.0f}{between}; contests: {len(contests)}{above}")
    if limited:
        show(f"ratings at a limit ({LIMITS[0]:g} or {LIMITS[1]:g}) in this mean: {limited} of {len(found)}")
        if (within := without_limits(found)) is not None:
            show(f"mean of the others: {within:.0f}")


def _line(entry: Entry) -> str:
    solved = ", ".join(map(printable, entry.solved)) or "nothing"
    score = f"points {-entry.score[0]:g}" if entry.scoring == "points" else f"penalty {entry.score[1]:g}"
    shared, among = entry.last_rank > entry.rank, entry.participants + 1
    tied = f"rank {entry.rank}-{entry.last_rank} of {among} (a tie counts as {entry.place:g})"
    ranked = tied if shared else f"rank {entry.rank} of {among}"
    limit = f"{entry.rating:.0f} (the limit: no rating from {LIMITS[0]:g} to {LIMITS[1]:g} has this rank)"
    rating = limit if entry.at_limit else f"{entry.rating:.0f}"
    unjudged = f"; {entry.unjudged} not judged: the sandbox failed" if entry.unjudged else ""
    where = f"contest {printable(entry.contest)}, sample {printable(entry.sample)}"
    achieved = f"solved {solved}; {score}, wrong attempts {entry.wrong}"
    return f"{where}: {achieved}; {ranked}, rating {rating}{unjudged}"


def _users(path: Path) -> dict[int, int]:
    users: dict[int, int] = {}
    refuse_other_kind(path, "histogram")
    for row in local_rows(path):
        refuse_misspelt(row, COLUMNS["histogram"])
        rating, count = number(row, "rating", LOWEST, HIGHEST, whole=True), number(row, "users", 0, whole=True)
        if rating is None or count is None:
            raise DataError(f"{row.where}: no {'rating' if rating is None else 'users'}: give both as whole numbers")
        users[int(rating)] = users.get(int(rating), 0) + int(count)
    if not sum(users.values()):
        raise DataError(f"{path}: no users: give a file with at least one")
    return users
