"""Preference pairs by a judge: several answers to each general prompt, and of two of them the more helpful one.

DeepSeek-R1 (Nature 645:633-638, Methods): 66,000 such pairs train the reward model for helpfulness. `dunwu.data.io.preferences` reads the
rows and holds out a tenth of them by the hash of the prompt. To never train on a held-out prompt, rows come from training prompts, and from
only those held-out prompts that this hash holds out too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from dunwu.config.data_replies import PreferencesConfig
from dunwu.config.tasks import ChatTask, WeightedTask
from dunwu.data.builders.certificate import is_clean, open_benchmarks
from dunwu.data.builders.drafts import CountTokens, split_reply
from dunwu.data.builders.funnel import Funnel
from dunwu.data.builders.sampled import training_problems
from dunwu.data.generators.base import Open, TextCompletion, generate
from dunwu.data.io.card import Json
from dunwu.data.io.data_set import DataSet
from dunwu.data.io.preferences import answer_of, conversation_of, held_out_by_hash, pair_row, text_of, user_turn
from dunwu.data.judges.helpfulness import Candidates, balance_lengths, judge_pairs, show, visible
from dunwu.tasks.base import drawn
from dunwu.tasks.make import make_task
from dunwu.tasks.rows import Row, local_rows
from dunwu.text.surrogates import refuse_surrogates
from dunwu.types import Problem

UNFIT = "truncated, or with misplaced tags"


def build_preferences(config: PreferencesConfig, open_generator: Open, count: CountTokens) -> DataSet:
    """The pairs and their statistics. Raises ``UserError`` if prompts, a model or a judge are unavailable, or no vote is readable."""
    benchmarks, how = open_benchmarks(config.decontaminate), config.judge
    funnel, facts = Funnel("answers" if config.task else "rows"), dict[str, Any]()
    found = _sampled(config.task, config, open_generator, count, funnel, facts) if config.task else _given(str(config.data), funnel)
    clean = funnel.sift("in an evaluation set", found, lambda c: is_clean(benchmarks, text_of(c.prompt), (c.first, c.second)), show)
    judge = open_generator(how.generator)
    judged, votes = judge_pairs(clean, judge, how, config.seed, funnel)
    kept = balance_lengths(judged, config.seed, funnel) if how.balance_lengths else judged
    facts["judge"] = {"name": judge.name, "requests": len(votes.texts), "unreadable": votes.unreadable}
    facts["position bias"] = _mean([a - b for a, b in votes.ratings.values()])
    facts["mean margin"] = _mean([each.pair.margin for each in kept])
    facts["chosen is longer"] = {name: _mean([p.longer > 0 for p in pairs]) for name, pairs in (("judged", judged), ("kept", kept))}
    facts["generated_tokens"] = facts.get("generated_tokens", 0) + sum(count(votes.texts))
    rows = [{**pair_row(each.pair), "source": each.candidates.source} for each in kept]
    return DataSet("Preference pairs", rows, funnel, facts, [each.certificate for each in benchmarks])


def prompts_of(task: ChatTask, config: PreferencesConfig) -> list[Problem]:
    """Training prompts, then test prompts for evaluating a reward model."""
    problems = training_problems([WeightedTask(task=task)], config.prompts, config.seed)
    if not config.held_out:
        return problems
    test = [each for each in make_task(task).held_out("test", sys.maxsize) if held_out_by_hash(user_turn(each.text))]
    chosen = drawn(test, config.held_out, f"{config.seed}-preferences")
    for each in chosen:
        refuse_surrogates(each.text, f"problem {each.id}")
    return problems + chosen


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer to a prompt."""

    prompt: Problem
    completion: TextCompletion

    @property
    def text(self) -> str:
        return self.completion.text

    def show(self) -> Json:
        return {"prompt": self.prompt.text, "answer": self.text}


def _sampled(
    task: ChatTask, config: PreferencesConfig, open_generator: Open, count: CountTokens, funnel: Funnel, facts: Json
) -> list[Candidates]:
    """Pairs of different answers to each prompt; each answer is in at most one."""
    asked, generator = prompts_of(task, config), open_generator(config.generator)
    prompts = [each for each in asked if not each.data["harmful"]]  # the answer that helps most with harm must not be preferred
    texts, ids = [each.text for each in prompts], [each.id for each in prompts]
    completions = generate(generator, texts, config.samples, config.sampling, config.seed, ids)
    answers = [_Answer(prompt, each) for prompt, group in zip(prompts, completions, strict=True) for each in group if not each.refused]
    facts |= {"generator": generator.name, "prompts": len(prompts), "harmful prompts left out": len(asked) - len(prompts)}
    facts["answers"] = len(answers)
    facts["generated_tokens"] = sum(count([each.text for each in answers]))
    whole = funnel.sift(f"answers {UNFIT}", answers, lambda each: each.completion.finished and _fit(each.text), _Answer.show)
    different = funnel.keep("duplicate answers", whole, _first([(a.prompt.id, visible(a.text)) for a in whole]), _Answer.show)
    groups = [list(members) for _, members in groupby(different, key=lambda each: each.prompt.id)]
    paired = [place < len(group) // 2 * 2 for group in groups for place in range(len(group))]
    left = funnel.keep("answers without a counterpart", different, paired, _Answer.show)
    couples = zip(left[::2], left[1::2], strict=True)
    return [Candidates(user_turn(one.prompt.text), one.text, other.text, task.name) for one, other in couples]


def _given(data: str, funnel: Funnel) -> list[Candidates]:
    """Pairs from rows that have two answers."""
    rows = local_rows(Path(data).expanduser())
    found = [_candidates(row) for row in rows]
    by_hash = [held_out_by_hash(each.prompt) for each in found]
    usable = [held_out or row.split in ("train", "unnamed") for row, held_out in zip(rows, by_hash, strict=True)]
    left = funnel.keep("held out by their file, not by their hash", found, usable, show)
    return funnel.sift(UNFIT, left, lambda each: _fit(each.first) and _fit(each.second), show)


def _candidates(row: Row) -> Candidates:
    refuse_surrogates(row.columns, row.where)
    return Candidates(conversation_of(row), answer_of(row, "first"), answer_of(row, "second"), str(row.columns.get("source") or "unnamed"))


def _first(keys: Sequence[object]) -> list[bool]:
    """True for each key that occurs for the first time."""
    places = {key: place for place, key in reversed([*enumerate(keys)])}
    return [places[key] == place for place, key in enumerate(keys)]


def _fit(text: str) -> bool:
    return split_reply(text) is not None


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 3) if values else None
