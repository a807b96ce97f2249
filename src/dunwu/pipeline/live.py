"""The stages of a pipeline as a table, as plain lines where no table can be shown, and in one sentence."""

from __future__ import annotations

from pathlib import Path

from rich import get_console
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from dunwu.errors import DunwuError
from dunwu.pipeline.artefacts import RECIPE
from dunwu.pipeline.status import StageStatus, Status, read_status
from dunwu.run.reporter import clean, duration
from dunwu.text.translate import translate

STYLES = {"waiting": "dim", "running": "bold cyan", "done": "green", "stopped": "yellow", "failed": "bold red"}


def shown(run: Path) -> RenderableType:
    """The current table of the run at ``run``, or the error that prevents it."""
    try:
        return table(read_status(run)) if (run / RECIPE).is_file() else ""
    except (DunwuError, OSError) as error:
        return Text(clean(str(error)))


def table(status: Status) -> Table:
    """One row per stage, and the totals."""
    made = Table(*map(_ours, ("stage", "work", "state")), box=SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "time", "left", "tokens", "FLOPs"):
        made.add_column(_ours(name), justify="right")
    for stage in status.stages:
        made.add_row(*_cells(stage), style=STYLES[stage.state])
    totals, left = status.totals(), "" if status.done else _ours(_all_left(status))
    made.add_section()
    made.add_row(_ours("all"), "", "", "", _ours(duration(totals["seconds"])), left, _count(totals["tokens"]), _flops(totals["flops"]))
    return made


def _ours(word: str) -> str:
    return translate(word, encoding=get_console().encoding, label=True)


def plain_lines(status: Status) -> list[str]:
    """The same as plain lines, with the reason if a stage failed."""
    lines = []
    for stage in status.stages:
        facts = [f"step {_steps(stage)}" if _steps(stage) else "", f"took {duration(stage.seconds)}" if stage.seconds else ""]
        facts += [f"{duration(stage.left)} left" if stage.left else "", f"{_count(stage.tokens)} tokens" if stage.tokens else ""]
        facts.append(clean(stage.message))
        lines.append(f"{stage.state:<8} {stage.name} ({_ours(stage.kind)})  " + ", ".join(fact for fact in facts if fact))
    return [line.rstrip() for line in lines]


def conclusion(status: Status) -> str:
    """One line about the whole run."""
    totals = status.totals()
    spent = f"{duration(totals['seconds'])} and {totals['tokens']:,.0f} tokens so far"
    if status.done:
        return f"all stages are done: {spent}"
    running = f"running as process {status.pid}" if status.pid else "not running: resume with the same command"
    left = _all_left(status)
    return f"{running}; {spent}" + (f", {left} left" if left != "?" else "")


def _all_left(status: Status) -> str:
    at_least = "at least " if status.unknown else ""
    return f"{at_least}{duration(status.left_at_least)}" if status.left_at_least or not at_least else "?"


def _cells(stage: StageStatus) -> tuple[str, ...]:
    left = "" if stage.state == "done" else _ours(duration(stage.left))
    took = _ours(duration(stage.seconds)) if stage.state != "waiting" else ""
    return stage.name, _ours(stage.kind), _ours(stage.state), _steps(stage), took, left, _count(stage.tokens), _flops(stage.flops)


def _steps(stage: StageStatus) -> str:
    if stage.step is None and stage.steps is None:
        return ""
    return f"{stage.step or 0}/{stage.steps if stage.steps is not None else '?'}"


def _count(tokens: float) -> str:
    return f"{tokens:,.0f}" if tokens else ""


def _flops(flops: float) -> str:
    return f"{flops:.1e}" if flops else ""
