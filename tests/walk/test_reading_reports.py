"""The third road: somebody reads the pages of runs, while they go on and afterwards."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.walk.conftest import Shell
from tests.walk.desk import SHORT

pytestmark = pytest.mark.slow


class _Text(HTMLParser):
    """The visible text of a page, and what it would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.loaded: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "script")
        self.loaded += [value for name, value in attrs if name in ("src", "href") and value and value.startswith(("http:", "https:", "//"))]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)


def read_page(path: Path) -> str:
    """The page's text, spaces joined; it loads nothing from elsewhere."""
    parser = _Text()
    parser.feed(path.read_text(encoding="utf-8").replace("<wbr>", ""))
    assert parser.loaded == []
    return " ".join(" ".join(parser.text).split())


def step_a_run_that_was_stopped_says_how_far_it_is(shell: Shell) -> None:
    arguments = [*SHORT[1:], "grpo.steps=30", "evaluations=[{task: countdown, problems: 2, samples: 1}]"]
    stopped = shell.dunwu("zero", "--out", "run", *arguments, stop_at="zero 1/")
    assert stopped.code == 130
    assert shell.dunwu("report", "run").code == 0
    text = read_page(shell.folder / "run/report.html")
    assert "of 30" in text
    assert "unknown" not in text.partition("Configuration")[0]


def step_a_finished_run(shell: Shell) -> None:
    assert shell.dunwu("zero", "--out", "run", "--resume").code == 0
    assert shell.dunwu("report", "run").code == 0
    text = read_page(shell.folder / "run/report.html")
    assert "countdown" in text.lower()
    assert "pass@1" in text


def step_two_runs_side_by_side(shell: Shell) -> None:
    assert shell.dunwu("zero", "--out", "other", "--seed", "1", *SHORT).code == 0
    assert shell.dunwu("report", "run", "other", "--out", "both.html").code == 0
    text = read_page(shell.folder / "both.html")
    assert "comparison of runs" in text
    assert "other" in text


def step_a_folder_that_is_no_run_is_refused(shell: Shell) -> None:
    (shell.folder / "empty").mkdir()
    step = shell.dunwu("report", "empty")
    assert (step.code, step.out) == (2, "")
    assert step.last.startswith("dunwu: ")
    assert not list((shell.folder / "empty").iterdir())


def test_the_road_from_end_to_end(shell: Shell) -> None:
    """One test, as each step uses what the ones before it made."""
    step_a_run_that_was_stopped_says_how_far_it_is(shell)
    step_a_finished_run(shell)
    step_two_runs_side_by_side(shell)
    step_a_folder_that_is_no_run_is_refused(shell)
