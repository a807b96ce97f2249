"""Silence by default, ETA, and a terminal that shows everything safely."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from rich.console import Console
from rich.table import Table

from dunwu.run.console import ConsoleReporter
from dunwu.run.reporter import QUIET, SAMPLE_CHARACTERS, clean, duration, eta


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def written(encoding: str = "utf-8", **options: object) -> tuple[ConsoleReporter, io.BytesIO]:
    """A reporter, and what it has written."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    return ConsoleReporter(Console(file=file, **options), Clock()), raw


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


def test_the_default_is_silent(capfd):
    QUIET.say("a")
    QUIET.warn("b")
    QUIET.facts([("c", "d")])
    QUIET.sample("e", "f")
    QUIET.table(Table("g"))
    with QUIET.live(lambda: pytest.fail("drawn")), QUIET.progress(2, "h") as advance:
        advance(1, {"loss": 0.5})
    assert capfd.readouterr() == ("", "")


def test_text_goes_to_stdout_and_warnings_to_stderr(capsys):
    reporter = ConsoleReporter()
    reporter.say("[bold]one\x1b[31m\n\ntwo" + " word" * 40)
    reporter.warn("careful\x07, [b]")
    assert capsys.readouterr() == ("[bold]one[31m\n\ntwo" + " word" * 40 + "\n", "careful, [b]\n")


def test_plain_lines_come_first_last_and_at_most_every_interval(capsys):
    clock = Clock()
    with ConsoleReporter(clock=clock).progress(100, "zero", start=10) as advance:
        for step in range(11, 101):
            clock.now += 1.5
            advance(step, {"reward": 0.123456, "length": 42, "note": "[red]x"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "zero 11/100  ETA 2m14s  reward 0.12  length 42  note [red]x"
    assert lines[1].startswith("zero 21/100  ETA 1m58s")
    assert lines[-1].startswith("zero 100/100  ETA 0s")
    assert len(lines) == 10


def test_on_a_terminal_there_is_a_bar():
    reporter, raw = written(force_terminal=True, width=120)
    metrics: Mapping[str, float] = {"reward": 0.5}
    with reporter.progress(4, "[bold]zero") as advance:
        advance(2, metrics)
        reporter.sample("sample", "[red]hi")
    output = raw.getvalue().decode()
    for part in ("2/4", "[bold]zero", "reward 0.50", "[red]hi"):
        assert part in output


def test_a_bar_ends_when_the_loop_fails():
    reporter, raw = written(force_terminal=True, width=120)
    with pytest.raises(ValueError, match="broke"), reporter.progress(4, "zero"):
        raise ValueError("broke")
    assert raw.getvalue().decode().endswith("\x1b[?25h"), "the cursor is shown again"


def test_what_is_live_is_drawn_on_a_terminal_only():
    for terminal, times in ((True, 1), (False, 0)):
        reporter, raw = written(force_terminal=terminal, width=80)
        with reporter.live(lambda: "the table"):
            reporter.say("an event")
        output = raw.getvalue().decode()
        assert "an event" in output
        assert min(1, output.count("the table")) == times


def test_facts_stand_in_columns_and_paths_are_never_broken():
    reporter, raw = written(width=40)
    reporter.facts([("model", "word " * 12), ("run", "/a" * 40), ("", "a sentence about the whole of it all, wrapped")])
    lines = raw.getvalue().decode().splitlines()
    assert lines[:3] == ["  model       word word word word word", "              word word word word word", "              word word"]
    assert lines[3].split() == ["run"] or lines[3].split() == ["run", "/a" * 40]
    assert "/a" * 40 in "\n".join(lines)
    assert lines[-2:] == ["a sentence about the whole of it all,", "wrapped"]


def test_clean_takes_out_what_steers_a_terminal_and_nothing_else():
    assert clean("a\x1b[31mb\rc\x00d\x07\x9be\x7f") == "a[31mbcde"
    assert clean("\u202etxt\u2066\u200b\ufeff\ud800") == "txt"
    assert clean("line\n\t顿悟 <think> é 😀") == "line\n\t顿悟 <think> é 😀"


def test_a_sample_is_printed_as_it_is(capsys):
    ConsoleReporter().sample("step 3 [b]", "[/red] [link=x]a\x1b]0;title\x07\n<think>" + "1 " * 200)
    output = capsys.readouterr().out
    assert "step 3 [b]" in output
    assert "[/red] [link=x]a]0;title\n<think>" + "1 " * 200 in output


def test_a_long_sample_is_cut_and_says_so(capsys):
    ConsoleReporter().sample("t", "x" * (SAMPLE_CHARACTERS + 5))
    assert "x" * SAMPLE_CHARACTERS + " ... (5 characters more)" in capsys.readouterr().out


def test_an_output_that_cannot_hold_the_characters_gets_question_marks():
    reporter, raw = written("ascii")
    reporter.sample("顿", "a顿悟b")
    reporter.say("é")
    reporter.facts([("name", "值")])
    output = raw.getvalue()
    for part in (b"a??b", b"\n?\n", b"  name        ?"):
        assert part in output
