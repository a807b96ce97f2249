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
from dunwu.cli.show import printable, show
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
    paths = _file(options.first), _file(options.second)
    found = compare(read_evaluation(paths[0]), read_evaluation(paths[1]), options.seed, (options.first, options.second))
    models = _model(paths[0]), _model(paths[1])
    if options.json:
        first, second = (_numbers(*each) for each in zip(paths, models, (found.one, found.other), strict=True))
        print(json.dumps({"first": first, "second": second, **_rest(found)}))
        return 0
    for name, path, model, each in zip(("first", "second"), paths, models, (found.one, found.other), strict=True):
        of = printable(f"{path} (model {model})" if model else path)
        show(f"{name}: pass@1 {100 * each.value:.1f} % ({100 * each.low:.1f} to {100 * each.high:.1f}) in {of}")
    low, high = (100 * end for end in found.interval)
    test = "exact" if found.exact else "approximate"
    show(f"difference {100 * found.difference:+.1f} points ({low:+.1f} to {high:+.1f}), p = {found.p_value:.2g} ({test})")
    show(f"{found.problems} problems of both: better on {found.gained}, worse on {found.lost}, as good on the others")
    if found.unpaired:
        show(f"left out, for want of a verdict in one of the two: {found.unpaired}")
    if found.identical:
        show("both are the same evaluation: " + ("the same file" if paths[0].samefile(paths[1]) else "their rows are identical"))
    show(found.verdict)
    return 0


def _file(path: Path) -> Path:
    if path.is_dir():
        if not (path / WRITTEN[0]).is_file():
            raise DataError(f"{path} has no {WRITTEN[0]}: {_remedy(path)}")
        return path / WRITTEN[0]
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    if path.name == WRITTEN[1]:
        raise DataError(f"{path} is a summary, without the answers to each problem: {_remedy(path.parent)}")
    if path.suffix != ".parquet":
        raise DataError(f"{path} is no .parquet file: {_remedy(path.parent)}")
    return path


def _remedy(folder: Path) -> str:
    if (folder / WRITTEN[0]).is_file():
        return f"give the folder {folder}"
    held = sorted(str(file) for file in folder.glob("evaluations/*.parquet"))
    return f"give one of its evaluations, such as {held[0]}" if held else "give a folder that `dunwu eval --out` wrote"


def _model(path: Path) -> str | None:
    """The model in the summary beside an evaluation that `dunwu eval --out` wrote."""
    try:
        found = json.loads((path.parent / WRITTEN[1]).read_text(encoding="utf-8")) if path.name == WRITTEN[0] else {}
    except (OSError, ValueError, RecursionError):
        return None
    model = found.get("model") if isinstance(found, dict) else None
    return model if isinstance(model, str) else None


def _numbers(path: Path, model: str | None, found: Estimate) -> dict[str, object]:
    return {"path": str(path), "model": model, "pass_at_1": found.value, "interval": [found.low, found.high]}


def _rest(found: Paired) -> dict[str, object]:
    return {key: value for key, value in asdict(found).items() if key not in ("one", "other")} | {"verdict": found.verdict}
