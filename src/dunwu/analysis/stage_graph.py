"""Layout of a pipeline's graph as a drawing: earlier stages are higher, and no line passes behind a box.

Sugiyama's layered layout, as no library that we could depend on brings its own code for it: rows, a place in every row that a line crosses
(as for a narrow stage), an order with few crossings, and columns that are close to those of the neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from dunwu.analysis.pipeline_run import StageRun

WIDTH, HEIGHT = 156, 46
ACROSS, DOWN = 14, 34
"""Gaps between two places of a row, and between two rows."""
LONGEST, LONGEST_REMARK = 18, 22
"""Characters of a name, and of the line below it, that fit into a box."""
_SWEEPS = 12

Place = tuple[str, int]
"""A stage's name and a row: the stage's own row, or one below it that lines of it cross."""
Rows = list[list[Place]]


@dataclass(frozen=True)
class Node:
    """A stage and the upper left corner of its box."""

    stage: StageRun
    x: float
    y: float

    @property
    def label(self) -> str:
        """The name, shortened in the middle to fit: names often differ at their ends."""
        name = self.stage.name
        return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}…{name[-8:]}"

    @property
    def remark(self) -> str:
        """The kind of work, and the state unless it is done; the state alone if both are too long."""
        kind, state = self.stage.kind, self.stage.state
        text = kind if state == "done" else f"{kind} · {state}"
        return text if len(text) <= LONGEST_REMARK else f"{kind[: LONGEST_REMARK - 1]}…" if state == "done" else state


@dataclass(frozen=True)
class Graph:
    """Boxes, and the curves from producers to consumers as SVG paths."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[str, ...]


def draw(stages: Sequence[StageRun]) -> Graph:
    """The graph of ``stages``, which must be in an order in which they can run. A line that a longer way implies is not drawn."""
    by_name = {stage.name: stage for stage in stages}
    depths = _depths(stages)
    lines = _lines(stages, depths)
    rows: Rows = [[] for _ in range(max(depths.values()) + 1)]
    for place in dict.fromkeys([*((name, depths[name]) for name in by_name), *(place for line in lines for place in line)]):
        rows[place[1]].append(place)
    wide = {place: float(WIDTH if depths[place[0]] == place[1] else 0) for row in rows for place in row}
    neighbours = _neighbours(lines)
    rows = _ordered(rows, neighbours)
    centres = _centres(rows, neighbours, wide)
    left = min(centres[place] - wide[place] / 2 for place in centres)
    nodes = [Node(stage, centres[name, depths[name]] - WIDTH / 2 - left, depths[name] * (HEIGHT + DOWN)) for name, stage in by_name.items()]
    width = max(centres[place] + wide[place] / 2 for place in centres) - left
    edges = [_curve([(centres[place] - left, place[1]) for place in line]) for line in lines]
    return Graph(width, len(rows) * (HEIGHT + DOWN) - DOWN, tuple(nodes), tuple(edges))


def _depths(stages: Sequence[StageRun]) -> dict[str, int]:
    """The row of each stage: one below its lowest input; a stage without inputs is one row above its highest consumer."""
    depths: dict[str, int] = {}
    for stage in stages:
        depths[stage.name] = 1 + max((depths.get(source, -1) for source in stage.inputs), default=-1)
    for stage in stages:
        if not stage.inputs:
            depths[stage.name] = max(0, min((depths[each.name] for each in stages if stage.name in each.inputs), default=0) - 1)
    used = sorted(set(depths.values()))
    return {name: used.index(depth) for name, depth in depths.items()}


def _lines(stages: Sequence[StageRun], depths: Mapping[str, int]) -> list[list[Place]]:
    """The places of each line, from the producer down to the consumer, one per row."""
    above: dict[str, set[str]] = {}
    for stage in stages:
        above[stage.name] = {source for each in stage.inputs for source in (each, *above.get(each, ()))}
    lines = []
    for stage in stages:
        implied = {source for each in stage.inputs for source in above.get(each, ())}
        for source in stage.inputs:
            if source in depths and source not in implied:
                crossed = [(source, row) for row in range(depths[source], depths[stage.name])]
                lines.append([*crossed, (stage.name, depths[stage.name])])
    return lines


def _neighbours(lines: Sequence[Sequence[Place]]) -> dict[Place, dict[int, list[Place]]]:
    """The places that each place is joined with, by row."""
    found: dict[Place, dict[int, list[Place]]] = {}
    for upper, lower in sorted({pair for line in lines for pair in pairwise(line)}):
        found.setdefault(upper, {}).setdefault(lower[1], []).append(lower)
        found.setdefault(lower, {}).setdefault(upper[1], []).append(upper)
    return found


def _ordered(rows: Rows, neighbours: Mapping[Place, Mapping[int, Sequence[Place]]]) -> Rows:
    """The rows in the order with the fewest crossings that sweeps down and up find: each place goes to the mean of its neighbours."""
    best, fewest = rows, _crossings(rows, neighbours)
    for sweep in range(_SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        rows = [list(row) for row in rows]
        for depth in range(len(rows))[::step]:
            order = {place: index / max(1, len(row) - 1) for row in rows for index, place in enumerate(row)}
            rows[depth].sort(key=lambda place: fmean(order[each] for each in neighbours.get(place, {}).get(place[1] - step) or [place]))
        if (found := _crossings(rows, neighbours)) < fewest:
            best, fewest = rows, found
    return best


def _crossings(rows: Rows, neighbours: Mapping[Place, Mapping[int, Sequence[Place]]]) -> int:
    """How many pairs of lines cross between two rows."""
    order = {place: index for row in rows for index, place in enumerate(row)}
    total = 0
    for row in rows:
        joined = [(order[place], order[lower]) for place in row for lower in neighbours.get(place, {}).get(place[1] + 1, ())]
        total += sum((a - c) * (b - d) < 0 for index, (a, b) in enumerate(joined) for c, d in joined[:index])
    return total


def _centres(rows: Rows, neighbours: Mapping[Place, Mapping[int, Sequence[Place]]], wide: Mapping[Place, float]) -> dict[Place, float]:
    """The middle of each place: as near as the order allows to the mean of its neighbours, row by row, down and up."""
    centres: dict[Place, float] = {}
    for row in rows:
        centres |= dict(zip(row, _apart([0.0] * len(row), [wide[place] for place in row]), strict=True))
    for sweep in range(2 * _SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            joined = [[each for found in neighbours.get(place, {}).values() for each in found] or [place] for place in row]
            wanted = [fmean(centres[each] for each in found) for found in joined]
            centres |= dict(zip(row, _apart(wanted, [wide[place] for place in row]), strict=True))
    return centres


def _apart(wanted: Sequence[float], wide: Sequence[float]) -> list[float]:
    """The positions nearest to ``wanted`` (least squares), in order and without overlap: isotonic regression of what the gaps leave."""
    offsets = [0.0]
    for a, b in pairwise(wide):
        offsets.append(offsets[-1] + (a + b) / 2 + ACROSS)
    blocks: list[list[float]] = []
    for value in (want - offset for want, offset in zip(wanted, offsets, strict=True)):
        blocks.append([value])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    level = [fmean(block) for block in blocks for _ in block]
    return [value + offset for value, offset in zip(level, offsets, strict=True)]


def _curve(points: Sequence[tuple[float, int]]) -> str:
    """From the lower edge of the first box to the upper edge of the last; straight down through the rows between."""
    x, row = points[0]
    y = row * (HEIGHT + DOWN) + HEIGHT
    path = f"M{x:g} {y:g}"
    for place, (to, below) in enumerate(points[1:], 2):
        end = below * (HEIGHT + DOWN)
        path += f"C{x:g} {(y + end) / 2:g} {to:g} {(y + end) / 2:g} {to:g} {end:g}"
        if place < len(points):
            path += f"V{end + HEIGHT:g}"
        x, y = to, end + HEIGHT
    return path
