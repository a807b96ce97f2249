"""Layout of a pipeline's graph as a drawing: earlier stages are higher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from dunwu.analysis.pipeline_run import StageRun

WIDTH, HEIGHT = 156, 46
ACROSS, DOWN = 14, 30
"""Gaps between two stages of a row, and between two rows."""
LONGEST = 21
"""Characters of a name that fit into a box."""


@dataclass(frozen=True)
class Node:
    """A stage and the upper left corner of its box."""

    stage: StageRun
    x: float
    y: float

    @property
    def label(self) -> str:
        """The name, shortened to fit."""
        name = self.stage.name
        return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


@dataclass(frozen=True)
class Graph:
    """Boxes, and the curves from producers to consumers as SVG paths."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[str, ...]


def draw(stages: Sequence[StageRun]) -> Graph:
    """The graph of ``stages``, which must be in an order in which they can run."""
    rows = _rows(stages)
    width = max(len(row) * (WIDTH + ACROSS) - ACROSS for row in rows)
    places: dict[str, Node] = {}
    for depth, row in enumerate(rows):
        left = (width - (len(row) * (WIDTH + ACROSS) - ACROSS)) / 2
        ordered = sorted(row, key=lambda stage: fmean([places[each].x for each in stage.inputs if each in places] or [width / 2]))
        for place, stage in enumerate(ordered):
            places[stage.name] = Node(stage, left + place * (WIDTH + ACROSS), depth * (HEIGHT + DOWN))
    edges = [_edge(places[source], node) for node in places.values() for source in node.stage.inputs if source in places]
    return Graph(width, len(rows) * (HEIGHT + DOWN) - DOWN, tuple(places.values()), tuple(edges))


def _rows(stages: Sequence[StageRun]) -> list[list[StageRun]]:
    """A stage is one row below its lowest input; a stage without inputs is one row above its highest consumer."""
    depths: dict[str, int] = {}
    for stage in stages:
        depths[stage.name] = 1 + max((depths.get(source, -1) for source in stage.inputs), default=-1)
    for stage in stages:
        if not stage.inputs:
            depths[stage.name] = _above([other for other in stages if stage.name in other.inputs], depths)
    found = [[stage for stage in stages if depths[stage.name] == depth] for depth in range(max(depths.values()) + 1)]
    return [row for row in found if row]


def _above(consumers: Sequence[StageRun], depths: Mapping[str, int]) -> int:
    return max(0, min((depths[each.name] for each in consumers), default=0) - 1)


def _edge(source: Node, target: Node) -> str:
    x, y, to, end = source.x + WIDTH / 2, source.y + HEIGHT, target.x + WIDTH / 2, target.y
    middle = (y + end) / 2
    return f"M{x:g} {y:g}C{x:g} {middle:g} {to:g} {middle:g} {to:g} {end:g}"
