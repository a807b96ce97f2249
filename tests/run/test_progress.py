"""The progress line at every width: one line, a bar that is never empty, the step, and the most important metrics first."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from dunwu.jobs import reward_model, sft, zero
from dunwu.run.console import ConsoleReporter
from dunwu.run.progress import WORDS, words
from dunwu.run.reporter import Field

ZERO: Mapping[str, Field] = dict(zip(zero.SHOWN, (0.4123, 85.3, 0.931, 0.3467, 1.25), strict=True))


def drawn(width: int, description: str, metrics: Mapping[str, Field], total: int = 150, **console: Any) -> str:
    """The last line that a terminal of ``width`` columns shows after step 12, 10 seconds after the start."""
    raw, now = io.BytesIO(), [0.0]
    file = io.TextIOWrapper(raw, encoding=console.pop("encoding", "utf-8"), write_through=True)
    terminal = Console(file=file, force_terminal=True, width=width, legacy_windows=False, _environ={"TERM": "xterm"}, **console)
    with ConsoleReporter(terminal, clock=lambda: now[0]).progress(total, description) as advance:
        now[0] = 10.0
        advance(12, metrics)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw.getvalue().decode())
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    assert all(cell_len(line) <= width for line in lines)
    return lines[-1].rstrip()


@pytest.mark.parametrize(
    ("width", "shown", "absent"),
    [
        (40, ["ETA 1m55s"], "accuracy"),
        (80, ["ETA 1m55s", "accuracy 41 %", "length 85", "reward 0.93"], "reflective"),
        (120, ["ETA 1m55s", "accuracy 41 %", "length 85", "reward 0.93", "entropy 0.35", "reflective words 1.2"], "$"),
        (200, ["ETA 1m55s", "accuracy 41 %", "length 85", "reward 0.93", "entropy 0.35", "reflective words 1.2"], "$"),
    ],
)
def test_what_fits_is_shown_in_order_of_importance(width: int, shown: list[str], absent: str) -> None:
    line = drawn(width, "zero", ZERO)
    assert re.match(r"zero ━+─+  12/150  ", line)
    assert line.endswith("  ".join(shown))
    assert absent not in line


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("description", ["before", "eval reasoning-gym:leg_counting", "数学" * 20])
def test_a_line_has_a_bar_and_the_step_and_never_wraps(width: int, description: str) -> None:
    line = drawn(width, description, dict.fromkeys(WORDS, 0.5), total=80_000)
    assert re.search(r"━─+    12/80000", line)


def test_a_terminal_without_colours_or_unicode_has_a_bar_too() -> None:
    assert "━━" in drawn(80, "sft", {}, total=48, no_color=True)
    assert "===---" in drawn(80, "sft", {}, total=24, encoding="ascii")


def test_a_dumb_terminal_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Console(force_terminal=True, width=80, _environ={"TERM": "dumb"})
    with ConsoleReporter(terminal).progress(2, "zero") as advance:
        advance(2, {"reward": 0.5})
    assert capsys.readouterr().out == "zero 2/2  ETA 0s  reward 0.50\n"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rewards/accuracy", 0.4149, "accuracy 41 %"),
        ("reward", 1, "reward 1.00"),
        ("completions/mean_length", 1234.5, "length 1,234"),
        ("reward", None, ""),
        ("loss", float("nan"), "loss nan"),
        ("evaluating", "gsm8k 3/200", "evaluating gsm8k 3/200"),
        ("custom", 1.23456, "custom 1.235"),
        ("tokens", 12, "tokens 12"),
    ],
)
def test_metrics_in_words(name: str, value: Field, text: str) -> None:
    assert words(name, value) == text


def test_what_the_trainers_show_has_words() -> None:
    assert {*zero.SHOWN, *sft.SHOWN, *reward_model.SHOWN} <= WORDS.keys()


def test_a_long_message_is_wrapped_between_words_and_a_title_is_not_cut() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    reporter = ConsoleReporter(Console(file=file, force_terminal=True, width=40, no_color=True))
    reporter.say("step 1: right 2 of 16, wrong 10 of 16, unparsable 4 of 16\n/a/path/" + "long" * 12)
    reporter.sample("step 20: Use 9,2,6,10 to make 39, once each -> wrong", "text")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", raw.getvalue().decode()).splitlines()
    assert lines[:3] == ["step 1: right 2 of 16, wrong 10 of 16,", "unparsable 4 of 16", "/a/path/" + "long" * 12]
    assert lines[3] == "step 20: Use 9,2,6,10 to make 39,"
    assert re.fullmatch(r"once each -> wrong -+", lines[4])
