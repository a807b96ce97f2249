"""Progress lines, ETA and safe samples."""

from __future__ import annotations

import io

import pytest
import rich
from rich.console import Console

from dunwu.run.progress import SAMPLE_CHARACTERS, Progress, clean, duration, eta, print_sample


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_eta():
    assert eta(done=2, total=10, elapsed=4.0) == 16.0
    assert eta(done=0, total=10, elapsed=4.0) is None
    assert eta(done=10, total=10, elapsed=4.0) == 0.0
    assert eta(done=0, total=0, elapsed=0.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0, "0s"), (45.4, "45s"), (59.7, "1m00s"), (200, "3m20s"), (3599.6, "1h00m"), (7500, "2h05m"), (360_000, "100h00m")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_plain_lines_come_first_last_and_at_most_every_interval(capsys):
    clock = Clock()
    with Progress(100, "zero", start=10, interval=10.0, clock=clock) as progress:
        for step in range(11, 101):
            clock.now += 1.0
            progress.advance(step, {"reward": 0.123456, "length": 42, "note": "[red]x"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "zero 11/100  eta 1m29s  reward 0.1235  length 42  note [red]x"
    assert lines[1].startswith("zero 21/100  eta 1m19s")
    assert lines[-1].startswith("zero 100/100  eta 0s")
    assert len(lines) == 10


def test_on_a_terminal_there_is_a_bar(monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(rich, "get_console", lambda: console)
    with Progress(4, "[bold]zero", clock=Clock()) as progress:
        progress.advance(2, {"reward": 0.5})
        print_sample("sample", "[red]hi")
    output = console.file.getvalue()
    assert "2/4" in output
    assert "[bold]zero" in output
    assert "reward 0.5" in output
    assert "[red]hi" in output


def test_clean_takes_out_what_steers_a_terminal_and_nothing_else():
    assert clean("a\x1b[31mb\rc\x00d\x07\x9be\x7f") == "a[31mbcde"
    assert clean("\u202etxt\u2066\u200b\ufeff\ud800") == "txt"
    assert clean("line\n\t顿悟 <think> é 😀") == "line\n\t顿悟 <think> é 😀"


def test_a_sample_is_printed_as_it_is(capsys):
    print_sample("step 3 [b]", "[/red] [link=x]a\x1b]0;title\x07\n<think>" + "1 " * 200)
    output = capsys.readouterr().out
    assert "step 3 [b]" in output
    assert "[/red] [link=x]a]0;title\n<think>" + "1 " * 200 in output


def test_a_long_sample_is_cut_and_says_so(capsys):
    print_sample("t", "x" * (SAMPLE_CHARACTERS + 5))
    assert "x" * SAMPLE_CHARACTERS + " ... (5 characters more)" in capsys.readouterr().out


def test_an_output_that_cannot_hold_the_characters_gets_question_marks(monkeypatch):
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(rich, "get_console", lambda: console)
    print_sample("顿", "a顿悟b")
    console.file.flush()
    assert b"a??b" in raw.getvalue()
