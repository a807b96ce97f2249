"""`dunwu lab RUN --budgets`: accuracy of answers after n tokens of thought (`dunwu.evaluation.budgets`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dunwu.evaluation.budgets import BudgetRow, budget_curve, budget_grid, majority_curve
from dunwu.evaluation.continuations import Beginning, continued, encoded
from dunwu.evaluation.result import EvaluationRow, spread
from dunwu.evaluation.thought_cuts import thought_span
from dunwu.jobs.causal import forced_room
from dunwu.jobs.lab_source import Source, parts_folder, read_part, write_part
from dunwu.run.reporter import QUIET, Reporter


@dataclass(frozen=True)
class BudgetSettings:
    """``budgets``: tokens of thought, empty for `budget_grid`; ``problems``: at most so many, spread over all."""

    budgets: tuple[int, ...] = ()
    problems: int = 200


def run_budgets(source: Source, settings: BudgetSettings, out: Path, reporter: Reporter = QUIET) -> dict[str, Any]:
    """Both curves. Answers are kept below ``out``; those that are there are not sampled again."""
    rows = [row for members in spread(source.result.problems, settings.problems) for row in members]
    thoughts = [thought_tokens(source, row) for row in rows]
    budgets = sorted(set(settings.budgets)) or budget_grid(max(map(len, thoughts), default=0))
    folder = parts_folder(out, "budgets", source, asdict(settings))
    answered: list[BudgetRow] = []
    with reporter.progress(len(budgets), "budgets") as advance:
        for place, budget in enumerate(budgets):
            path = folder / f"budget-{budget:06d}.parquet"
            if not path.exists():
                write_part(path, answers_at(source, rows, thoughts, budget), BudgetRow)
            answered += read_part(path, BudgetRow)
            advance(place + 1, {})
    stored = replace(source.result, rows=tuple(rows))
    return {
        "answers_kept_in": str(folder.relative_to(out)),
        "problems": len(stored.problems),
        "budgets": budget_curve(answered),
        "majorities": majority_curve(stored),
    }


def answers_at(source: Source, rows: Sequence[EvaluationRow], thoughts: Sequence[Sequence[int]], budget: int) -> list[BudgetRow]:
    """The answer to each completion at this budget."""
    cut = [place for place, thought in enumerate(thoughts) if len(thought) > budget]
    beginnings = [_beginning(source, rows[place], thoughts[place][:budget]) for place in cut]
    params = replace(source.sampling, temperature=0.0, top_p=1.0, top_k=0, min_p=0.0)
    made = continued(source.session, beginnings, params, source.positions) if cut else []
    answers = [_kept(row, budget) for row in rows]
    for place, beginning, each in zip(cut, beginnings, made, strict=True):
        tokens = len(encoded(source.session, beginning.text)) + each.tokens
        answers[place] = replace(
            answers[place], kept=False, text=each.row.completion, tokens=tokens, score=each.row.score, vote=each.row.vote
        )
    return answers


def _kept(row: EvaluationRow, budget: int) -> BudgetRow:
    return BudgetRow(row.problem_id, row.sample, budget, True, row.completion, row.tokens, row.score, row.vote)


def thought_tokens(source: Source, row: EvaluationRow) -> tuple[int, ...]:
    """The thought of a completion as tokens."""
    start, end = thought_span(source.prompts[row.problem_id].prefill, row.completion)
    return encoded(source.session, row.completion[start:end])


def _beginning(source: Source, row: EvaluationRow, ids: Sequence[int]) -> Beginning:
    """The completion up to the first tokens of its thought, ``ids``, closed; a character that is cut in half is left out."""
    prompt = source.prompts[row.problem_id]
    start, _ = thought_span(prompt.prefill, row.completion)
    thought = source.session.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) if ids else ""
    before = row.completion[:start] + thought.rstrip("\ufffd")
    text = before + source.closing.text(prompt.prefill, before, row.language)
    return Beginning(prompt, text, forced_room(source, prompt.token_ids, text))
