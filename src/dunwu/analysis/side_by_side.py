"""What a page of pipelines has besides its tables: several runs side by side, what they cost, and where they depart from the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dunwu.analysis.cost import Prices, cost_table, pipeline_spent, stages_spent, took
from dunwu.analysis.deviations import AgainstPaper, stages_against_paper
from dunwu.analysis.pipeline_run import PipelineRun, StageRun
from dunwu.analysis.sections import Table


@dataclass(frozen=True)
class More:
    """The runs side by side (with several), their cost, and the departures of their stages from the paper."""

    beside: Table | None = None
    cost: Table | None = None
    against_paper: tuple[tuple[str, AgainstPaper], ...] = ()


def more_of(runs: Sequence[Path], pipelines: Sequence[PipelineRun | None], prices: Prices) -> More:
    """Nothing unless every folder has its pipeline."""
    named = {name: each for name, each in zip(run_names(runs), pipelines, strict=True) if each is not None}
    if len(named) < len(runs):
        return More()
    several = len(named) > 1
    against = tuple(
        (f"{name}: {stage}" if several else stage, found) for name, each in named.items() for stage, found in stages_against_paper(each)
    )
    spent = {name: pipeline_spent(each) for name, each in named.items()}
    return More(side_by_side(named) if several else None, cost_table(spent, prices), against)


def run_names(runs: Sequence[Path]) -> list[str]:
    """The names of folders, with those above them where two are the same."""
    folders = [run.resolve() for run in runs]
    once = len({folder.name for folder in folders}) == len(folders)
    return [folder.name if once else f"{i}: {folder.parent.name}/{folder.name}" for i, folder in enumerate(folders, 1)]


def side_by_side(pipelines: Mapping[str, PipelineRun]) -> Table:
    """A row per stage, a column per run."""
    stages = {name: {stage.name: stage for stage in each.stages} for name, each in pipelines.items()}
    rows = dict.fromkeys(stage for each in stages.values() for stage in each)
    return Table(("", *pipelines), tuple((row, *(_cell(each.get(row)) for each in stages.values())) for row in rows))


def _cell(stage: StageRun | None) -> str:
    if stage is None:
        return "–"
    found = stages_spent([stage])
    spent = [took(found.seconds)] * bool(found.seconds) + [f"{found.flops:.1e} FLOPs"] * bool(found.flops)
    return " · ".join([(stage.result or stage.makes) if stage.state == "done" else stage.state, *spent])
