"""`dunwu eval --completions`: stored completions, scored as sampled ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from rich.console import Console

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.outputs import check_folder
from dunwu.cli.show import printable, show
from dunwu.config.tasks import DatasetTask, DatasetVerifier
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.store import refuse_taken, summary_key, write_evaluation, write_summary
from dunwu.evaluation.stored import Agreement, StoredColumns, agreement, read_stored, score_stored
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.run.console import ConsoleReporter
from dunwu.tasks.rows import first_row
from dunwu.text.answer_forms import DEFAULT
from dunwu.text.surrogates import as_json
from dunwu.types import AnswerForm

COMMAND = "eval --completions"
EXAMPLE = "dunwu eval --completions outputs.jsonl --completion-column response"
SHOWN = 5
"""Disagreements listed on the screen; --json has all."""


@dataclass(frozen=True)
class CompletionsOptions:
    """Score the stored completions of a file with the verifiers of an evaluation. No model is loaded."""

    completions: Path
    """Rows with a problem, a gold answer and a completion: JSONL, CSV or Parquet, or a folder. Rows of one problem are its samples."""
    problem_column: str | None = None
    """Column of the problem's text or id; by default the first of problem, question, prompt, instruction and query."""
    answer_column: str | None = None
    """Column of the gold answer; by default gold, else as in the task dataset."""
    completion_column: str = "completion"
    """Column of the completion."""
    label_column: str | None = None
    """Column that says whether the completion is right (true, false, 1 or 0), to be compared with the verdicts; rows may lack it. By
    default label, if it holds nothing else."""
    verifier: DatasetVerifier = "auto"
    """How answers are verified, as in the task dataset."""
    answer_form: AnswerForm = DEFAULT
    """Where the answer stands: tags-or-boxed, tags, boxed, "####", last-number or boxed-or-last-number."""
    close_answer: bool = False
    """End an <answer> that is open at the end of a completion: for completions that stopped at </answer> and were stored without it."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes that verify."""
    out: Path | None = None
    """Folder for all rows and the summary; a folder that already has an evaluation is refused."""
    overwrite: bool = False
    """Replace the evaluation in --out."""
    json: bool = False
    """Print one JSON object (docs/evaluation.md has its keys), and everything else to stderr."""


Table = Callable[[str, Mapping[str, Any]], list[str]]
"""The headline numbers of a set, as lines."""


def run(arguments: Sequence[str], table: Table) -> int:
    """Scores and prints the table of `dunwu eval`, and the agreement with the labels."""
    helped = {"-h", "--help"} & {*arguments}
    options, rest = parse_options(CompletionsOptions, COMMAND, ["--help"] if helped else arguments, EXAMPLE)
    refuse_rest(COMMAND, rest)
    reporter = ConsoleReporter(Console(stderr=True) if options.json else None)
    if options.out is not None:
        check_folder(options.out, "a folder to write in")
        if not options.overwrite:
            refuse_taken(options.out)
    first = first_row(options.completions).columns
    gold = options.answer_column or ("gold" if "gold" in first else None)
    task = DatasetTask(path=str(options.completions), problem_column=options.problem_column, answer_column=gold, verifier=options.verifier)
    columns = StoredColumns(options.completion_column, options.label_column)
    stored = read_stored(options.completions, task, columns, options.answer_form, options.close_answer)
    if stored.note:
        reporter.warn(stored.note)
    with RewardPool(rule_reward(), options.workers, 5.0) as pool:
        result = score_stored(stored.completions, set_name(options.completions), pool, reporter)
    summary, found = result.summary(), agreement(stored.completions, result.rows)
    if not stored.ends_known:
        summary["clipped_ratio"] = None
    if options.out is not None:
        _write(options, result, summary, found)
    if options.json:
        print(as_json(_described(options, summary, found) | {"set": result.name}))
    else:
        show("\n".join(_lines(result, summary, found, table)), label=True)
    return 0


def set_name(path: Path) -> str:
    """The name of a file or folder up to its first dot."""
    name = os.path.basename(os.path.abspath(path))  # `.` and `..` have no name of their own
    return name.lstrip(".").partition(".")[0] or "completions"


def _described(options: CompletionsOptions, summary: Mapping[str, Any], found: Agreement | None) -> dict[str, Any]:
    config = {name: value for name, value in asdict(options).items() if name not in ("completions", "out", "overwrite", "json", "workers")}
    return {"model": None, "completions": str(options.completions), "config": config, "summary": summary} | (
        {} if found is None else {"agreement": asdict(found)}
    )


def _write(options: CompletionsOptions, result: EvaluationResult, summary: Mapping[str, Any], found: Agreement | None) -> None:
    assert options.out is not None
    options.out.mkdir(parents=True, exist_ok=True)
    write_evaluation(options.out / "evaluation.parquet", result)
    described = _described(options, summary, found)
    headline = described.pop("summary")
    described[summary_key(result.name, described)] = headline
    write_summary(options.out, described)


def _lines(result: EvaluationResult, summary: Mapping[str, Any], found: Agreement | None, table: Table) -> list[str]:
    most = max(map(len, result.problems))
    head = [f"{summary['samples']} completions, {result.k} to {most} of a problem; k is the fewest"] if most > result.k else []
    return [*head, *table(printable(result.name), summary), *(agreement_lines(found) if found else [])]


def agreement_lines(found: Agreement) -> list[str]:
    """The counts, and the first rows of each kind of disagreement."""
    agree = found.both_right + found.both_wrong
    total = agree + len(found.disagreements)
    lines = [
        f"labels: {agree} of {total} verdicts agree",
        f"  {'both right':<18}{found.both_right}",
        f"  {'both wrong':<18}{found.both_wrong}",
        f"  {'only ours right':<18}{found.only_verifier_right}",
        f"  {'only label right':<18}{found.only_label_right}",
        *([f"  {'not judged':<18}{found.not_judged}"] if found.not_judged else []),
    ]
    for label in (False, True):
        rows = [each for each in found.disagreements if each.label == label]
        lines += [f"  {printable(each.row)}: label {'right' if label else 'wrong'}, verdict {each.verdict}" for each in rows[:SHOWN]]
    return lines
