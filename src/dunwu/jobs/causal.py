"""`dunwu lab RUN --causal`: samples what the model answers with and without its reflections (`dunwu.evaluation.causal`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dunwu.evaluation.causal import MOST_TRIES, CausalRow, Draw, Kind, averted, causal_summary
from dunwu.evaluation.continuations import Beginning, Continuation, continued, encoded
from dunwu.evaluation.result import EvaluationRow, spread
from dunwu.evaluation.thought_cuts import Cut, control_cut, matched_positions, reflection_cut, reflects_next
from dunwu.jobs.lab_source import Source, parts_folder, read_part, write_part
from dunwu.run.reporter import QUIET, Reporter

PART = 32
"""Completions of a part on disk; results do not depend on it."""
FORCED_TOKENS = 64
"""The longest answer to a thought that is closed by force."""
_DRAWS: dict[Draw, int] = {"free": 0, "kept": 1, "forced": 2}


@dataclass(frozen=True)
class CausalSettings:
    """``samples``: the k of each condition; ``completions``: at most so many with a reflection, and as many controls."""

    samples: int = 8
    completions: int = 200
    seed: int = 0


@dataclass(frozen=True)
class Case:
    """A stored completion and where it is cut."""

    kind: Kind
    row: EvaluationRow
    cut: Cut


def cases(source: Source, most: int) -> list[Case]:
    """Completions that are cut around their first reflection, and controls at the same relative positions, each spread over all.

    A completion counts only if its thought leaves room behind the passage.
    """
    stored = [(row, source.prompts[row.problem_id].prefill) for row in source.result.rows]
    cut = [(row, found) for row, prefill in stored if (found := reflection_cut(prefill, row.completion)) and _fits(source, row, found)]
    reflections = [Case("reflection", row, found) for row, found in spread(cut, most)]
    positions = matched_positions([case.cut.position for case in reflections])
    plain = [(row, prefill) for row, prefill in stored if control_cut(prefill, row.completion, 0.0)]
    ordinary = [(row, control_cut(prefill, row.completion, at)) for (row, prefill), at in zip(spread(plain, most), positions, strict=False)]
    return [*reflections, *(Case("control", row, at) for row, at in ordinary if at and _fits(source, row, at))]


def _fits(source: Source, row: EvaluationRow, cut: Cut) -> bool:
    return row.finish_reason != "length" or _room(source, row.completion[: cut.after]) >= 1


def _room(source: Source, text: str) -> int:
    """Tokens that are left of the evaluation's longest completion."""
    return source.config.sampling.max_tokens - len(encoded(source.session, text))


def run_causal(source: Source, settings: CausalSettings, out: Path, reporter: Reporter = QUIET) -> dict[str, Any]:
    """The figures of `causal_summary`. Continuations are kept below ``out``; those that are there are not sampled again."""
    folder = parts_folder(out, "causal", source, asdict(settings))
    chosen = cases(source, settings.completions)
    rows: list[CausalRow] = []
    with reporter.progress(len(chosen), "causal check") as advance:
        for start in range(0, len(chosen), PART):
            part, path = chosen[start : start + PART], folder / f"part-{start // PART:04d}.parquet"
            if not path.exists():
                write_part(path, sample_cases(source, part, settings), CausalRow)
            rows += read_part(path, CausalRow)
            advance(start + len(part), {})
    return {"samples_kept_in": str(folder.relative_to(out)), **causal_summary(rows, settings.samples, settings.seed)}


def sample_cases(source: Source, chosen: Sequence[Case], settings: CausalSettings) -> list[CausalRow]:
    """All continuations of some cases."""
    k = settings.samples
    rows = _draw(source, chosen, "kept", range(k), settings.seed) + _draw(source, chosen, "forced", range(1), settings.seed)
    free, going = _draw(source, chosen, "free", range(2 * k), settings.seed), list(chosen)
    for first in range(2 * k, MOST_TRIES * k, k):
        going = [case for case in going if len(averted(_of(case, free), k)) < k]
        if not going:
            break
        free += _draw(source, going, "free", range(first, first + k), settings.seed)
    order = {(case.row.problem_id, case.row.sample): place for place, case in enumerate(chosen)}
    return sorted(rows + free, key=lambda row: (order[row.problem_id, row.sample], _DRAWS[row.draw], row.number))


def _of(case: Case, rows: Sequence[CausalRow]) -> list[CausalRow]:
    return [row for row in rows if (row.problem_id, row.sample) == (case.row.problem_id, case.row.sample)]


def _draw(source: Source, chosen: Sequence[Case], draw: Draw, numbers: range, seed: int) -> list[CausalRow]:
    """A continuation of each case for each number."""
    asked = [(case, number) for case in chosen for number in numbers]
    beginnings = [_beginning(source, case, draw, number, seed) for case, number in asked]
    params = source.sampling
    params = replace(params, temperature=0.0, top_p=1.0, top_k=0, min_p=0.0) if draw == "forced" else params
    made = continued(source.session, beginnings, params, source.positions) if beginnings else []
    return [_row(case, draw, number, each) for (case, number), each in zip(asked, made, strict=True)]


def _beginning(source: Source, case: Case, draw: Draw, number: int, seed: int) -> Beginning:
    row, prompt = case.row, source.prompts[case.row.problem_id]
    text = row.completion[: case.cut.after if draw == "kept" else case.cut.before]
    if draw == "forced":
        closed = text + source.closing.text(prompt.prefill, text, row.language)
        return Beginning(prompt, closed, forced_room(source, prompt.token_ids, closed))
    entropy = [seed, source.place(row), row.sample, _DRAWS[draw], number]
    chosen = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
    room = max(1, _room(source, text))  # a text may take more tokens when it is encoded again
    return Beginning(prompt, text, room, chosen)


def forced_room(source: Source, prompt_ids: Sequence[int], text: str) -> int:
    """Room for an answer by force; where the model's positions end, what they leave."""
    return max(1, min(FORCED_TOKENS, source.positions - len(prompt_ids) - len(encoded(source.session, text))))


def _row(case: Case, draw: Draw, number: int, made: Continuation) -> CausalRow:
    return CausalRow(
        kind=case.kind,
        problem_id=case.row.problem_id,
        sample=case.row.sample,
        before=case.cut.before,
        after=case.cut.after,
        position=case.cut.position,
        draw=draw,
        number=number,
        text=made.text,
        tokens=made.tokens,
        reflects=reflects_next(made.text),
        score=made.row.score,
        vote=made.row.vote,
    )
