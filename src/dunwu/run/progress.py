"""The progress line: metrics in people's words, and as many of them beside the bar as the terminal has room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress import ProgressColumn, Task
from rich.text import Text

from dunwu.run.reporter import Field, clean, duration

WORDS: Mapping[str, tuple[str, str]] = {
    "rewards/accuracy": ("accuracy", "%"),
    "reward": ("reward", ".2f"),
    "completions/mean_length": ("length", ",.0f"),
    "entropy": ("entropy", ".2f"),
    "reflections_per_completion": ("reflective words", ".1f"),
    "loss": ("loss", ".3g"),
    "eval_loss": ("held-out loss", ".3g"),
    "mean_token_accuracy": ("token accuracy", "%"),
    "accuracy": ("accuracy", "%"),
    "held_out_accuracy": ("held-out accuracy", "%"),
    "tokens_per_second": ("tokens/s", ",.0f"),
    "learning_rate": ("learning rate", ".2g"),
}
"""Metrics by their names in ``metrics.jsonl``: the name that is shown, and the format of the number."""
NARROWEST, WIDEST = 8, 40
"""Columns of the bar; it gets a sixth of the line."""


def words(name: str, value: Field) -> str:
    """``accuracy 41 %``, ``length 85``; empty for a metric that is not known."""
    shown, form = WORDS.get(name, (name, ".4g"))
    if value is None:
        return ""
    number = value if isinstance(value, int | str) and name not in WORDS else float(value)
    text = f"{100 * number:.0f} %" if form == "%" and isinstance(number, float) else f"{number:{form if isinstance(number, float) else ''}}"
    return f"{shown} {text}"


def pieces(left: float | None, metrics: Mapping[str, Field]) -> list[str]:
    """What stands behind the step, the most important first: the time left, then the metrics in their order."""
    known = [f"ETA {duration(left)}"] if left is not None else []
    return [*known, *filter(None, (words(name, value) for name, value in metrics.items()))]


def fitting(parts: Sequence[str], room: int) -> str:
    """As many of the parts as fit into ``room`` columns, from the first, each after two spaces."""
    line = ""
    for part in parts:
        if cell_len(line) + 2 + cell_len(part) > room:
            break
        line += f"  {part}"
    return line


class Bar(ProgressColumn):
    """The whole line of a task: its description, a bar, the step, and what of ``task.fields["pieces"]`` fits."""

    def __init__(self, encodable: Callable[[str], str]) -> None:
        super().__init__()
        self._encodable = encodable

    def render(self, task: Task) -> _Line:
        return _Line(task, self._encodable)


class _Line:
    """A line that takes the whole width and never more."""

    def __init__(self, task: Task, encodable: Callable[[str], str]) -> None:
        self._task, self._encodable = task, encodable

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(options.max_width, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        task, width = self._task, options.max_width
        total = int(task.total or 0)
        count = f" {int(task.completed):>{len(str(total))}}/{total}"
        length = min(WIDEST, max(NARROWEST, width // 6))
        name = _cut(self._encodable(clean(task.description)), width - length - len(count) - 1)
        name = f"{name} " if name else ""
        done = length * min(1.0, task.completed / total) if total else length
        filled = max(1, int(done))
        full, rest = ("=", "-") if options.ascii_only else ("━", "─")
        room = width - cell_len(name) - length - len(count)
        text = Text(name, no_wrap=True, overflow="crop")
        text.append(full * filled, "bar.finished" if done >= length else "bar.complete").append(rest * (length - filled), "bar.back")
        yield text.append(count, "progress.download").append(self._encodable(clean(fitting(task.fields["pieces"], room))))


def _cut(text: str, room: int) -> str:
    """``text`` in at most ``room`` columns; empty if hardly a letter fits."""
    if cell_len(text) <= room:
        return text
    return set_cell_size(text, room - 2).rstrip() + ".." if room > 3 else ""
