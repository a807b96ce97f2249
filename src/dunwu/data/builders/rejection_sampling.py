"""Rejection sampling: several answers to each problem from a checkpoint, of which the correct and readable ones become training rows.

DeepSeek-R1 (arXiv 2501.12948, section 2.3.3): about 600k rows of reasoning from the checkpoint of stage 2, judged by rules and, where these
cannot, by a generative judge with the ground truth; mixed languages, long paragraphs and code blocks are dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dunwu.config.data_replies import RejectionConfig
from dunwu.data.builders.certificate import open_benchmarks
from dunwu.data.builders.drafts import CountTokens, Draft, finish, language_of, readable, split_reply
from dunwu.data.builders.funnel import Funnel
from dunwu.data.builders.near_duplicates import most_different
from dunwu.data.builders.sampled import Sampled, sample, training_problems
from dunwu.data.generators.base import Open
from dunwu.data.io.card import Json, row_text
from dunwu.data.io.data_set import DataSet
from dunwu.data.judges.correctness import BY_MEANING, judge_correctness
from dunwu.data.prompts import request_for_form
from dunwu.errors import DataError
from dunwu.models.own_template import with_suffix
from dunwu.types import Problem


def rejection_sample(config: RejectionConfig, open_generator: Open, count: CountTokens) -> DataSet:
    """The kept rows and their statistics. Raises ``UserError`` if a task, a model or a judge is unavailable."""
    benchmarks = open_benchmarks(config.decontaminate)
    problems = training_problems(config.tasks, config.prompts, config.seed, config.answer_form)
    problems, too_long = _short_enough(problems, config.filters.max_tokens, count)
    generator = open_generator(config.generator)
    prompts = [with_suffix(p.text, request_for_form(p)) if config.ask_for_form else p.text for p in problems]
    sampled = sample(generator, problems, prompts, config, config.seed, config.reward_workers, config.reward_timeout)
    funnel = Funnel("answers")
    facts: dict[str, Any] = {"generator": generator.name, "problems": len(problems), "answers": len(sampled)}
    facts["verdicts"] = dict(sorted(Counter(each.verdict.reason for each in sampled).items()))
    facts["generated_tokens"] = sum(count([each.completion.text for each in sampled]))
    if too_long:
        facts["problems too long"] = too_long
    complete = funnel.sift("truncated", sampled, lambda each: each.completion.finished, show)
    left = _right(complete, config, open_generator, funnel, facts)
    drafts = readable(drafts_of(left, funnel), config.filters, funnel, count)
    rows = finish(at_most(drafts, config.keep, funnel), config, funnel, benchmarks)
    if config.order == "easy-to-hard":
        rows = easy_to_hard(rows, shares_right(sampled, left), count)
    facts["problems with a row"] = len({row["problem_id"] for row in rows})
    return DataSet("Rejection sampling", rows, funnel, facts, [each.certificate for each in benchmarks])


def _short_enough(problems: list[Problem], most: int | None, count: CountTokens) -> tuple[list[Problem], int]:
    """The problems that leave room for an answer within ``most`` tokens, and the number of others, which are not asked."""
    if most is None:
        return problems, 0
    lengths = count([problem.text for problem in problems])
    kept = [problem for problem, length in zip(problems, lengths, strict=True) if length < most]
    if problems and not kept:
        raise DataError(
            f"all {len(problems)} problems are too long: the shortest has {min(lengths)} tokens, and filters.max_tokens = {most} is for"
            " question and answer together; raise it, take a student with more positions, or other problems"
        )
    return kept, len(problems) - len(kept)


def drafts_of(sampled: Sequence[Sampled], funnel: Funnel) -> list[Draft]:
    """Finished answers with a reply as drafts, whose source is their task."""
    split = [split_reply(each.completion.text) if each.completion.finished else None for each in sampled]
    left = funnel.keep("truncated, or with misplaced tags", sampled, [each is not None for each in split], show)
    parts = [each for each in split if each is not None]
    return [draft_of(each.problem, reasoning, reply) for each, (reasoning, reply) in zip(left, parts, strict=True)]


def draft_of(problem: Problem, reasoning: str, reply: str, source: str = "") -> Draft:
    """A draft that keeps the id of its problem."""
    columns = {"task": problem.task, "problem_id": problem.id}
    return Draft(problem.text, reasoning, reply, source or problem.task, language_of(problem.text, problem.language), columns)


def at_most(drafts: Sequence[Draft], number: int, funnel: Funnel) -> list[Draft]:
    """At most ``number`` answers to a problem, those that differ most."""
    groups: dict[str, list[int]] = {}
    for place, draft in enumerate(drafts):
        groups.setdefault(draft.columns["problem_id"], []).append(place)
    chosen = {places[each] for places in groups.values() for each in most_different([drafts[p].answer for p in places], number)}
    return funnel.keep(f"beyond {number} a problem", drafts, [place in chosen for place in range(len(drafts))], lambda d: d.answer)


def shares_right(sampled: Sequence[Sampled], right: Sequence[Sampled]) -> dict[str, float]:
    """The share of the ``right`` ones among the answers to each problem, by its id."""
    asked, solved = (Counter(each.problem.id for each in answers) for answers in (sampled, right))
    return {problem: solved[problem] / number for problem, number in asked.items()}


def easy_to_hard(rows: Sequence[Json], rates: Mapping[str, float], count: CountTokens) -> list[Json]:
    """The rows with the ``pass_rate`` of their problem: the highest first, at equal rates the row with fewer tokens."""
    rated = [{**row, "pass_rate": rates[row["problem_id"]]} for row in rows]
    lengths = count([row_text(row) for row in rows])
    order = sorted(range(len(rated)), key=lambda place: (-rated[place]["pass_rate"], lengths[place]))
    return [rated[place] for place in order]


def show(sampled: Sampled) -> Json:
    """What a data card shows of a dropped answer."""
    return {"question": sampled.problem.text, "answer": sampled.completion.text, "verdict": sampled.verdict.reason}


def _right(sampled: Sequence[Sampled], config: RejectionConfig, open_generator: Open, funnel: Funnel, facts: Json) -> list[Sampled]:
    judge = config.judge
    if judge is None:
        return funnel.sift("not right by the rule verifier", sampled, lambda each: each.right, show)
    by_judge = [judge.over == "all" or each.problem.verifier in BY_MEANING for each in sampled]
    ruled = [each.right or (asked and judge.over == "text") for each, asked in zip(sampled, by_judge, strict=True)]
    asked_of = [asked for asked, kept in zip(by_judge, ruled, strict=True) if kept]
    left = funnel.keep("not right by the rule verifier", sampled, ruled, show)
    to_judge = [each for each, asked in zip(left, asked_of, strict=True) if asked]
    judging = open_generator(judge.generator)
    verdicts, facts["judge"] = judge_correctness(to_judge, judging, judge, config.seed)
    if to_judge and not any(verdict is not None for verdict in verdicts):
        raise DataError(
            f"{judging.name}: none of its {facts['judge']['requests']} verdicts could be read;"
            " check its replies, then use a judge that replies with the requested JSON, or allow more retries"
        )
    found = iter(verdicts)
    judged: list[bool | None] = [next(found) if asked else True for asked in asked_of]
    left_judged = funnel.keep("unreadable verdict of the judge", left, [verdict is not None for verdict in judged], show)
    return funnel.keep("not right by the judge", left_judged, [bool(verdict) for verdict in judged if verdict is not None], show)
