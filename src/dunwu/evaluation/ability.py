"""An ability over the checkpoints of a training, with the compute that each took, and the forecast of the later half. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from dunwu.evaluation.forecast import LEAST, forecast
from dunwu.evaluation.suite import share

Json = dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A measured checkpoint: its name, the FLOPs of training so far, and values from 0 to 1 by problem."""

    name: str
    flops: float
    values: Mapping[str, Sequence[float]]


def ability_curve(checkpoints: Sequence[Checkpoint]) -> Json | None:
    """``points`` in the order of compute, over the problems with a value at every checkpoint, and ``forecast`` (or why there is none);
    ``None`` without a common problem."""
    ordered = sorted(checkpoints, key=lambda each: each.flops)
    known = [{name for name, values in each.values.items() if values} for each in ordered]
    shared = [name for name in (ordered[0].values if ordered else ()) if all(name in names for names in known)]
    if not shared:
        return None
    points = []
    for each in ordered:
        found = share([list(each.values[name]) for name in shared])
        assert found is not None, "there is a shared problem"
        points.append({"name": each.name, "flops": each.flops, **asdict(found)})
    return {"points": points, "forecast": _forecast(ordered, shared)}


def _forecast(checkpoints: Sequence[Checkpoint], problems: Sequence[str]) -> Json:
    values = [[fmean(each.values[name]) for each in checkpoints] for name in problems]
    flops = [each.flops for each in checkpoints]
    found = forecast(flops, values) if len(set(flops)) == len(flops) else None
    if found is None:
        return {"missing": f"a forecast needs {2 * LEAST - 1} checkpoints of different compute; there are {len(set(flops))}"}
    return {**asdict(found), "gain": list(found.gain), "predicted": list(found.predicted)}
