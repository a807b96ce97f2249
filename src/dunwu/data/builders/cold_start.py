"""Cold-start data: a small set of long, readable reasoning that reinforcement learning starts from. The paper's four ways.

DeepSeek-R1 (arXiv 2501.12948, section 2.3.1): few-shot prompting with long chains of thought; prompting for answers with reflection and
verification; outputs of R1-Zero in readable form; human annotation. What a model writes is verified and must be readable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, assert_never

from dunwu.config.data_replies import (
    AnnotatedRows,
    ColdStartConfig,
    ColdStartSource,
    FewShot,
    ModelRewriter,
    Prompted,
    ZeroOutputs,
)
from dunwu.data.builders.certificate import open_benchmarks
from dunwu.data.builders.drafts import CountTokens, Draft, finish, language_of, readable, split_reply
from dunwu.data.builders.funnel import Funnel
from dunwu.data.builders.rejection_sampling import at_most, drafts_of, show
from dunwu.data.builders.rewriting import rewrite
from dunwu.data.builders.sampled import sample, training_problems, verify_all
from dunwu.data.generators.base import Chat, Open
from dunwu.data.io.conversations import conversation
from dunwu.data.io.data_set import DataSet
from dunwu.errors import DataError
from dunwu.models.chat import Message
from dunwu.tasks.rows import Row, local_rows
from dunwu.text.language import LANGUAGES
from dunwu.types import Problem

REFLECT = {
    "en": "Solve the following problem step by step. Check each step as you go; if you find a mistake, say so and try another way. Before"
    " you answer, check the result against every condition of the problem. Write your thinking between <think> and </think>. After it,"
    " write a short summary with the final answer.",
    "zh": "请一步一步地解答下面的问题，边做边检查；发现错误就指出来，换一种方法再试。作答之前，对照题目的每个条件核对结果。"
    "思考过程写在<think>和</think>之间，之后简要总结并给出最终答案。",
}


@dataclass(frozen=True)
class _Gathering:
    """What all sources share."""

    config: ColdStartConfig
    open_generator: Open
    count: CountTokens
    funnel: Funnel

    def drafts(self, name: str, source: ColdStartSource, seed: int, facts: dict[str, Any]) -> list[Draft]:
        """The readable drafts of one source."""
        if isinstance(source, AnnotatedRows):
            rows = local_rows(Path(source.data).expanduser())
            facts |= {"kind": source.kind, "rows": len(rows)}
            self.funnel.begin(name, len(rows))
            return self._readable([annotated(row, name) for row in rows])
        problems = training_problems(source.tasks, source.prompts, seed, source.answer_form)
        drafts = self._answered(name, source, problems, seed, facts)
        if isinstance(source, ZeroOutputs):
            # Filtered first to save requests, and again after rewriting.
            drafts = self._rewritten(self._readable(drafts), problems, source, seed, facts)
        return at_most(self._readable(drafts), self.config.keep, self.funnel)

    def _answered(
        self, name: str, source: FewShot | Prompted | ZeroOutputs, problems: Sequence[Problem], seed: int, facts: dict[str, Any]
    ) -> list[Draft]:
        """Correct answers with reasoning."""
        config, generator = self.config, self.open_generator(source.generator)
        prompts = _prompts(source, problems)
        sampled = sample(generator, problems, prompts, source, seed, config.reward_workers, config.reward_timeout)
        facts |= {"kind": source.kind, "generator": generator.name, "problems": len(problems), "answers": len(sampled)}
        facts["verdicts"] = dict(sorted(Counter(each.verdict.reason for each in sampled).items()))
        facts["generated_tokens"] = sum(self.count([each.completion.text for each in sampled]))
        self.funnel.begin(name, len(sampled))
        right = self.funnel.sift("not right by the rule verifier", sampled, lambda each: each.right, show)
        drafts = [replace(draft, source=name) for draft in drafts_of(right, self.funnel)]
        return self.funnel.sift("no reasoning", drafts, lambda draft: bool(draft.reasoning), lambda draft: draft.reply)

    def _rewritten(
        self, drafts: list[Draft], problems: Sequence[Problem], source: ZeroOutputs, seed: int, facts: dict[str, Any]
    ) -> list[Draft]:
        """Rewritten drafts that are still correct."""
        drafts = at_most(drafts, self.config.keep, self.funnel)
        writer = self.open_generator(source.rewriter.generator) if isinstance(source.rewriter, ModelRewriter) else None
        rewritten, facts["rewriting"] = rewrite(drafts, source.rewriter, writer, seed)
        self.funnel.keep("unreadable rewriting", drafts, [each is not None for each in rewritten], lambda draft: draft.answer)
        read = [each for each in rewritten if each is not None]
        by_id = {problem.id: problem for problem in problems}
        asked = [(by_id[draft.columns["problem_id"]], draft.completion) for draft in read]
        verdicts = verify_all(asked, self.config.reward_workers, self.config.reward_timeout)
        return self.funnel.keep("no longer right", read, [each.score == 1.0 for each in verdicts], lambda draft: draft.answer)

    def _readable(self, drafts: Sequence[Draft]) -> list[Draft]:
        return readable(drafts, self.config.filters, self.funnel, self.count)


def build_cold_start(config: ColdStartConfig, open_generator: Open, count: CountTokens) -> DataSet:
    """The kept rows and their statistics. Raises ``UserError`` if a task, a file or a model is unavailable."""
    benchmarks = open_benchmarks(config.decontaminate)
    gathering = _Gathering(config, open_generator, count, Funnel("answers"))
    facts: dict[str, Any] = {name: {} for name in config.sources}
    drafts = [
        draft
        for place, (name, source) in enumerate(config.sources.items())
        for draft in gathering.drafts(name, source, config.seed + place, facts[name])
    ]
    gathering.funnel.begin("", 0)
    rows = _at_random(finish(drafts, config, gathering.funnel, benchmarks), config, gathering.funnel)
    facts["generated_tokens"] = sum(each.get("generated_tokens", 0) for each in facts.values())
    return DataSet("Cold start", rows, gathering.funnel, facts, [each.certificate for each in benchmarks])


def annotated(row: Row, source: str) -> Draft:
    """A row written by people: one question and one answer with its reasoning. Raises ``DataError`` for anything else."""
    turns = conversation(row)
    if [turn.role for turn in turns] != ["user", "assistant"]:
        raise DataError(f"{row.where}: a cold-start row has one user turn and one assistant turn; split it or drop it")
    question, reply = turns
    split = (reply.reasoning, reply.content) if reply.reasoning else split_reply(reply.content)
    if split is None:
        raise DataError(f"{row.where}: its reasoning is not closed, or no answer follows it; fix it or drop it")
    language = row.columns.get("language")
    known = language if isinstance(language, str) and language in LANGUAGES else "en"
    return Draft(question.content, split[0], split[1], source, language_of(question.content, known))


def _prompts(source: FewShot | Prompted | ZeroOutputs, problems: Sequence[Problem]) -> list[Chat | str]:
    match source:
        case FewShot():
            rows = local_rows(Path(source.data).expanduser())
            shots = tuple(Message(turn.role, _whole(turn)) for row in rows for turn in conversation(row) if turn.role != "system")
            return [(*shots, Message("user", problem.text)) for problem in problems]
        case Prompted():
            return [f"{source.instruction or REFLECT.get(p.language, REFLECT['en'])}\n\n{p.text}" for p in problems]
        case ZeroOutputs():
            return [problem.text for problem in problems]
        case _:
            assert_never(source)


def _whole(turn: Message) -> str:
    """An example turn with its reasoning in tags, for templates without a place for it."""
    return f"<think>{turn.reasoning}</think>{turn.content}" if turn.reasoning else turn.content


def _at_random(rows: list[dict[str, Any]], config: ColdStartConfig, funnel: Funnel) -> list[dict[str, Any]]:
    if config.rows is None or config.rows >= len(rows):
        return rows
    chosen = set(Random(f"cold-start-{config.seed}").sample(range(len(rows)), config.rows))
    return funnel.keep(f"beyond {config.rows} rows", rows, [place in chosen for place in range(len(rows))])
