"""What a run or a pipeline cost: time, tokens, FLOPs, and money at given prices, here and elsewhere, beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dunwu.analysis.curves import number
from dunwu.analysis.pipeline_run import PipelineRun, StageRun
from dunwu.analysis.rundir import Run, mapping
from dunwu.analysis.sections import Table
from dunwu.analysis.text import visible
from dunwu.errors import UserError
from dunwu.run.usage import count_parameters, training_usage

PAPER = (
    "The paper: 147,000 H800 GPU hours, or $294,000 at $2 an hour (101,000 for R1-Zero, 5,000 for data, 41,000 for R1; Nature, supplement)."
)


@dataclass(frozen=True)
class Spent:
    """Seconds, tokens trained on and generated, FLOPs as estimated (`dunwu.run.usage`)."""

    seconds: float
    trained: float
    generated: float
    flops: float


@dataclass(frozen=True)
class Alternative:
    """Another machine: its price per hour, and how many FLOPs a second it would do on this work."""

    name: str
    per_hour: float
    flops: float


@dataclass(frozen=True)
class Prices:
    """Of an hour of the machine of the run, of a million generated tokens at an endpoint, and of other machines; in any one currency."""

    per_hour: float | None = None
    per_million: float | None = None
    alternatives: tuple[Alternative, ...] = ()


NO_PRICES = Prices()


def read_prices(per_hour: float | None, per_million: float | None, alternatives: Sequence[str]) -> Prices:
    """Raises ``UserError`` for a price below 0, or an alternative that is not ``NAME:PRICE:TFLOPS``."""
    for option, price in (("--price-per-hour", per_hour), ("--price-per-million", per_million)):
        if price is not None and not (number(price) is not None and price >= 0):
            raise UserError(f"{option} {price:g}: give a price of 0 or more")
    return Prices(per_hour, per_million, tuple(map(_alternative, alternatives)))


def _alternative(text: str) -> Alternative:
    name, _, rest = text.partition(":")
    try:
        price, speed = map(float, rest.split(":"))
    except ValueError:
        price, speed = -1.0, -1.0
    if not (name and number(price) is not None and number(speed) is not None and price >= 0 and speed > 0):
        raise UserError(f"--alternative {text}: give NAME:PRICE:TFLOPS, such as H100:2.5:300 (price per hour, 10^12 FLOPs a second)")
    return Alternative(name, price, speed * 1e12)


def run_spent(run: Run) -> Spent | None:
    """The cost of a run's training and evaluations so far; ``None`` before its first step. Without a checkpoint FLOPs are unknown: 0."""
    rows, kind = run.metrics.rows, str(run.manifest.get("kind"))
    if not rows or (kind == "zero" and not mapping(run.config, "grpo")):
        return None
    try:
        usage = training_usage(kind, run.config, count_parameters(run.model), rows)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    seconds = number(run.manifest.get("cost_seconds")) or sum(number(row.get("step_time")) or 0.0 for row in rows)
    return Spent(seconds, usage.trained_tokens, usage.generated_tokens, usage.flops)


def pipeline_spent(pipeline: PipelineRun) -> Spent:
    """The cost of all finished stages."""
    return stages_spent(pipeline.stages)


def stages_spent(stages: Sequence[StageRun]) -> Spent:
    """The cost of stages, those that are not finished at 0; FLOPs with those of teachers."""
    names = ("seconds", "trained_tokens", "generated_tokens", "flops", "teacher_flops")
    costs = [[number(stage.cost.get(name)) or 0.0 for name in names] for stage in stages]
    seconds, trained, generated, flops, taught = (sum(column) for column in zip(*costs, strict=True))
    return Spent(seconds, trained, generated, flops + taught)


def cost_table(spent: Mapping[str, Spent], prices: Prices = NO_PRICES) -> Table | None:
    """A column per run; ``None`` if nothing is known."""
    found = list(spent.values())
    rows = [
        ("time", *(took(each.seconds) for each in found)),
        ("tokens trained on", *(f"{each.trained:,.0f}" for each in found)),
        ("tokens generated", *(f"{each.generated:,.0f}" for each in found)),
        ("FLOPs, estimated", *(f"{each.flops:.2g}" if each.flops else "–" for each in found)),
    ]
    if prices.per_hour is not None:
        rows.append((f"here, {prices.per_hour:g} an hour", *(_money(each.seconds / 3600 * prices.per_hour) for each in found)))
    for other in prices.alternatives:
        label = f"{visible(other.name)}, {other.per_hour:g} an hour, {other.flops / 1e12:g} TFLOP/s"
        rows.append((label, *(_money(each.flops / other.flops / 3600 * other.per_hour) if each.flops else "–" for each in found)))
    if prices.per_million is not None:
        label = f"the generated tokens at an endpoint, {prices.per_million:g} a million"
        rows.append((label, *(_money(each.generated / 1e6 * prices.per_million) for each in found)))
    return Table(("", *(spent if len(spent) > 1 else ("this run",))), tuple(rows)) if found else None


def took(seconds: float) -> str:
    """``12 s``, ``3.5 min``, ``1,234.5 h``."""
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.01 or amount == 0 else f"{amount:.1g}"
