"""`dunwu verify math`: the maths verifier on a file of golds and predictions."""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import printable, show
from dunwu.errors import DataError, UserError
from dunwu.evaluation.labels import labels_of
from dunwu.models.thinking import parse_completion
from dunwu.tasks.gold import cell_text
from dunwu.tasks.rows import Row, local_rows
from dunwu.text.answer_forms import FORMS
from dunwu.text.surrogates import as_json
from dunwu.types import AnswerForm, Verdict
from dunwu.verifiers.math.plain import PlainVerdict, plain_verdicts
from dunwu.verifiers.math.policy import MathPolicy
from dunwu.verifiers.math.service import SERVICE
from dunwu.verifiers.math.verify import check_gold, compare_math, reads_as_text

LABEL = "expected_label"


@dataclass(frozen=True)
class VerifyMathOptions:
    """Judge predictions against golds; report verdicts, accuracy against labels, every false positive and negative, and times."""

    file: tyro.conf.Positional[Path]
    """Rows with a gold and a prediction: .jsonl, .jsonl.gz or .parquet."""
    gold_column: str = "gold"
    """Column of the gold answer."""
    prediction_column: str = "prediction"
    """Column of the text to judge: an answer or a whole completion."""
    answer_form: AnswerForm | None = None
    """Read predictions as evaluations do, as completions with the answer in this form: tags-or-boxed, tags, boxed, "####", last-number,
    boxed-or-last-number. By default an answer is found in any place, and in a sentence."""
    label_column: str | None = None
    """Column with the correct verdict (true, false, 1 or 0); rows without it are judged but not compared. By default expected_label, if it
    holds nothing else."""
    policy: MathPolicy = field(default_factory=MathPolicy)
    json: bool = False
    """Print one JSON object per row instead: id, verdict (true, false or null), reason, detail, seconds."""
    compare: bool = False
    """Also judge with math-verify, in a separate process; needs the extra `compare`."""


@dataclass(frozen=True)
class Case:
    """One row of the file; ``where`` names the file and the row."""

    name: str
    where: str
    gold: str
    prediction: str
    label: bool | None


@dataclass(frozen=True)
class Judged:
    """A row, its verdict and the time it took."""

    case: Case
    verdict: Verdict
    seconds: float
    plain: PlainVerdict | None

    @property
    def finding(self) -> bool | None:
        """True for right, false for wrong, ``None`` for not judged."""
        return None if self.verdict.score is None else self.verdict.score == 1.0


def run(arguments: Sequence[str]) -> int:
    """Judges and prints."""
    options, rest = parse_options(VerifyMathOptions, "verify math", arguments)
    refuse_rest("verify math", rest)
    rows = local_rows(options.file)
    labels, note = labels_of(rows, options.label_column, LABEL)
    if note:
        show(f"warning: {note}", sys.stderr)
    cases = [_case(row, options, label) for row, label in zip(rows, labels, strict=True)]
    plain: list[PlainVerdict | None] = [None] * len(cases)
    if options.compare:
        if importlib.util.find_spec("math_verify") is None:
            raise UserError("--compare needs math-verify: pip install 'dunwu[compare]'")
        plain = list(plain_verdicts([(case.gold, case.prediction) for case in cases]))
    SERVICE.start()
    try:
        judged = [_judge(case, options, beside) for case, beside in zip(cases, plain, strict=True)]
    finally:
        SERVICE.close()
    if options.json:
        print("\n".join(map(_json_line, judged)))
    else:
        show("\n".join(_report(judged)))
    return 0


def _case(row: Row, options: VerifyMathOptions, label: bool | None) -> Case:
    gold, prediction = row.columns.get(options.gold_column), row.columns.get(options.prediction_column)
    for column in (options.gold_column, options.prediction_column):
        if column not in row.columns:
            name = "gold" if column == options.gold_column else "prediction"
            present = ", ".join(map(str, row.columns)) or "none"
            raise DataError(f"{row.where}: no column {column} (columns: {present}): name the right one with --{name}-column")
    if prediction is not None and not isinstance(prediction, str | int | float):
        raise DataError(f"{row.where}: prediction of type {type(prediction).__name__}: column {options.prediction_column} must hold text")
    text = prediction if isinstance(prediction, str) else cell_text(prediction)
    return Case(str(row.columns.get("id", f"row {row.number}")), row.where, cell_text(gold) or "", text or "", label)


def _judge(case: Case, options: VerifyMathOptions, plain: PlainVerdict | None) -> Judged:
    began, form = time.perf_counter(), options.answer_form
    answer = case.prediction if form is None else parse_completion(case.prediction, "", form).answer
    unread = Verdict(0.0, "unparsable", "" if form is None else FORMS[form].missing)
    verdict = unread if answer is None else compare_math(case.gold, answer, options.policy)
    return Judged(case, verdict, time.perf_counter() - began, plain)


def _json_line(judged: Judged) -> str:
    verdict = judged.verdict
    line: dict[str, Any] = {"id": judged.case.name, "verdict": judged.finding, "reason": verdict.reason}
    line |= {"detail": verdict.detail, "seconds": round(judged.seconds, 6)}
    if judged.plain is not None:
        line["math_verify"] = {"verdict": judged.plain.equal, "seconds": round(judged.plain.seconds, 6)}
    return as_json(line)


def _report(judged: Sequence[Judged]) -> list[str]:
    reasons = Counter(one.verdict.reason for one in judged)
    lines = [
        f"{len(judged)} row{'' if len(judged) == 1 else 's'}: " + ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    ]
    lines += _golds([one.case for one in judged])
    lines += _account("dunwu", [(one.case, one.finding, one.seconds, one.verdict.reason) for one in judged])
    plain = [(one.case, one.plain.equal, one.plain.seconds, "") for one in judged if one.plain is not None]
    return lines + (_account("math-verify", plain) if plain else [])


def _golds(cases: Sequence[Case]) -> list[str]:
    """Golds that no answer can be judged against, and those that are compared as text."""
    lines = [
        f"  not judged, {printable(case.where)}: {problem}: correct it or remove the row"
        for case in cases
        if (problem := check_gold(case.gold))
    ]
    texts = [case for case in cases if reads_as_text(case.gold)]
    if texts:
        examples = ", ".join(f"{printable(case.name)}: {case.gold[:40]!r}" for case in texts[:3])
        lines.append(
            f"  {len(texts)} of the golds are outside the grammar and compared as text ({examples}{', ...' if len(texts) > 3 else ''})"
        )
    return lines


def _account(name: str, found: Sequence[tuple[Case, bool | None, float, str]]) -> list[str]:
    """Accuracy against the labels, times, and each row that differs from its label."""
    seconds = [one[2] for one in found]
    labelled = [one for one in found if one[0].label is not None]
    right = sum(finding == case.label for case, finding, _, _ in labelled)
    accuracy = f"{right} of {len(labelled)} as labelled ({100 * right / len(labelled):.2f} %), " if labelled else ""
    lines = [f"{name}: {accuracy}median {1000 * statistics.median(seconds):.3f} ms, longest {1000 * max(seconds):.3f} ms"]
    for case, finding, _, reason in labelled:
        if finding != case.label:
            kind = "not judged" if finding is None else "false positive" if finding else "false negative"
            lines.append(
                f"  {kind} {printable(case.name)}: gold {case.gold[:60]!r}, prediction {case.prediction[-80:]!r} {reason}".rstrip()
            )
    return lines
