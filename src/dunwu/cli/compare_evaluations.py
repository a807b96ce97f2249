"""`dunwu compare evaluations`: two evaluations of the same problems, problem by problem."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import show
from dunwu.errors import DataError
from dunwu.evaluation.paired import Paired, compare
from dunwu.evaluation.store import WRITTEN, read_evaluation
from dunwu.evaluation.suite import Estimate

COMMAND = "compare evaluations"


@dataclass(frozen=True)
class CompareEvaluationsOptions:
    """Say whether the second model is better than the first: the difference of pass@1 on the problems of both, with its interval and a
    p-value."""

    first: tyro.conf.Positional[Path]
    """A folder that `dunwu eval --out` wrote, or an evaluation's .parquet file."""
    second: tyro.conf.Positional[Path]
    """The other one."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the bootstrap."""
    json: bool = False
    """Print one JSON object."""


def run(arguments: Sequence[str]) -> int:
    """Compares and prints."""
    options, rest = parse_options(CompareEvaluationsOptions, COMMAND, arguments)
    refuse_rest(COMMAND, rest)
    found = compare(read_evaluation(_file(options.first)), read_evaluation(_file(options.second)), options.seed)
    if options.json:
        print(json.dumps({"first": _numbers(found.one), "second": _numbers(found.other), **_rest(found)}))
        return 0
    for name, each in (("first", found.one), ("second", found.other)):
        show(f"{name}: pass@1 {100 * each.value:.1f} % ({100 * each.low:.1f} to {100 * each.high:.1f})")
    low, high = (100 * end for end in found.interval)
    test = "exact" if found.exact else "approximate"
    show(f"difference {100 * found.difference:+.1f} points ({low:+.1f} to {high:+.1f}), p = {found.p_value:.2g} ({test})")
    show(f"{found.problems} problems of both: better on {found.gained}, worse on {found.lost}, as good on the others")
    if found.unpaired:
        show(f"left out, for want of a verdict in one of the two: {found.unpaired}")
    show(found.verdict)
    return 0


def _file(path: Path) -> Path:
    if path.is_dir():
        if not (path / WRITTEN[0]).is_file():
            held = sorted(str(file) for file in path.glob("evaluations/*.parquet"))
            remedy = f"give one of its evaluations, such as {held[0]}" if held else "give a folder that `dunwu eval --out` wrote"
            raise DataError(f"{path} has no {WRITTEN[0]}: {remedy}")
        return path / WRITTEN[0]
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    return path


def _numbers(found: Estimate) -> dict[str, object]:
    return {"pass_at_1": found.value, "interval": [found.low, found.high]}


def _rest(found: Paired) -> dict[str, object]:
    return {key: value for key, value in asdict(found).items() if key not in ("one", "other")} | {"verdict": found.verdict}
