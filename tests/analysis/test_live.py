"""The page of a run that is still training: where it is, what it knows so far, and no more."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dunwu.analysis import live
from dunwu.analysis.comparison import write_comparison
from dunwu.analysis.live import live_page
from dunwu.analysis.progress import Progress, read_progress
from dunwu.analysis.report import write_report
from dunwu.analysis.rundir import read_run
from dunwu.config.zero import ZeroConfig
from dunwu.jobs.zero import run_zero
from dunwu.run.directory import RunDirectory
from tests.analysis.test_report import without_scripts
from tests.recorder import Recorder

RELOADS = 'http-equiv="refresh"'


def begun(path: Path, steps: int, reporter: Recorder | None = None) -> RunDirectory:
    """A run with ``steps`` of 30 steps, a second each."""
    run = RunDirectory.create(path, "zero", {"grpo": {"steps": 30}}, 0, reporter=reporter or Recorder())
    run.note({"steps": 30})
    for step in range(1, steps + 1):
        run.log(step, {"reward": step / 30})
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()] if steps else []
    for row in rows:
        row["time"] = time.time() + row["step"]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def test_a_running_run_says_its_step_and_the_time_left_and_reloads(tmp_path: Path) -> None:
    with begun(tmp_path / "run", 10):
        progress = read_progress(read_run(tmp_path / "run"))
        page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert progress is not None
    assert (progress.state, progress.step, progress.steps, progress.share) == ("running", 10, 30, pytest.approx(1 / 3))
    assert progress.left == pytest.approx(20, abs=0.1)
    assert "Step 10 of 30, about 20s left." in page
    assert RELOADS in page
    assert "the run may have been killed" in page
    assert re.search(r"Written \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", page)


def test_a_long_run_says_its_bins_while_it_runs(tmp_path: Path, make: Any) -> None:
    with begun(tmp_path / "run", 3):
        make.write_metrics(tmp_path / "run", make.metrics(2500))
        page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert RELOADS in page
    assert "Points are means of up to 3 steps" in page


def test_a_stopped_run_says_so_and_does_not_reload(tmp_path: Path) -> None:
    begun(tmp_path / "run", 10).close()
    page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "Stopped after step 10 of 30: not finished." in page
    assert RELOADS not in page


def test_a_finished_run_has_no_progress(tmp_path: Path) -> None:
    with begun(tmp_path / "run", 30) as run:
        run.finish({})
    assert read_progress(read_run(tmp_path / "run")) is None
    assert RELOADS not in write_report(tmp_path / "run").read_text(encoding="utf-8")


def test_a_run_of_another_machine_may_be_running(tmp_path: Path) -> None:
    with begun(tmp_path / "run", 3):
        (tmp_path / "run" / "lock").write_text("pid 1 on host elsewhere\n", encoding="utf-8")
        progress = read_progress(read_run(tmp_path / "run"))
    assert progress is not None
    assert (progress.state, progress.host) == ("unknown", "elsewhere")
    assert "elsewhere" in progress.sentence


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        (Progress("running", 0, 30, None), "Before the first step of 30."),
        (Progress("running", 30, 30, 0.0), "All 30 steps are done; the last measurements are running."),
        (Progress("running", 5, None, None), "Step 5."),
        (Progress("stopped", 5, None, None), "Stopped after step 5: not finished."),
    ],
)
def test_only_what_is_known_is_said(progress: Progress, sentence: str) -> None:
    assert progress.sentence == sentence


def test_the_pace_is_that_of_this_start(tmp_path: Path) -> None:
    """A pause of an hour before a resume does not slow the forecast."""
    with begun(tmp_path / "run", 10) as run:
        rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
        for row in rows[:5]:
            row["time"] -= 3600
        (tmp_path / "run" / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        run.manifest["starts"][-1]["started"] = datetime.fromtimestamp(time.time(), UTC).isoformat()
        run.note({})
        progress = read_progress(read_run(tmp_path / "run"))
    assert progress is not None
    assert progress.left == pytest.approx(20, abs=0.1)


def test_pages_are_written_at_the_start_when_old_and_at_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bool] = []
    clock = [0.0]
    monkeypatch.setattr(live, "write_report", lambda path, ended=False: written.append(ended) or path)
    monkeypatch.setattr(live.time, "monotonic", lambda: clock[0])
    with begun(tmp_path / "run", 1) as run, live_page(run) as page:
        for moment in (0.0, 10.0, 29.0, 31.0, 40.0):
            clock[0] = moment
            page(1, None)
        assert written == [False, False]
    assert written == [False, False, True]


def test_a_page_that_cannot_be_written_is_one_warning(tmp_path: Path, recorder: Recorder) -> None:
    with begun(tmp_path / "run", 1, recorder) as run:
        (tmp_path / "run" / "report.html").write_text("mine", encoding="utf-8")
        with live_page(run) as page:
            page(1, None)
            page(2, None)
    (warning,) = recorder.of("warn")
    assert "report.html" in warning
    assert (tmp_path / "run" / "report.html").read_text(encoding="utf-8") == "mine"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, zero_config: Callable[..., ZeroConfig]) -> dict[int, str]:
    """The page of a run after each of its steps, written as `dunwu report` would."""
    folder = tmp_path_factory.mktemp("live") / "run"
    found: dict[int, str] = {}

    class Reading(Recorder):
        def progress(self, total: int, description: str, start: int = 0) -> Any:
            inner = super().progress(total, description, start)

            class Each:
                def __enter__(self) -> Any:
                    inner.__enter__()

                    def advance(step: int, metrics: Any) -> None:
                        if description == "zero":
                            found[step] = write_report(folder, folder.parent / "page.html").read_text(encoding="utf-8")

                    return advance

                def __exit__(self, *error: Any) -> None:
                    inner.__exit__(None, None, None)

            return Each()

    run_zero(zero_config("evaluate_every=2", "dump_rollouts_every=1"), folder, reporter=Reading())
    found[7] = (folder / "report.html").read_text(encoding="utf-8")
    return found


def test_a_page_while_training_claims_nothing_that_is_not_known(pages: dict[int, str]) -> None:
    page = pages[1]
    assert "Step 1 of 6" in page
    assert "unknown" not in without_scripts(page).partition("The base model")[0]
    assert "→ –" not in page
    assert 'id="missing"' not in page
    table = page[page.index("All numbers") : page.index("</table>", page.index("All numbers"))]
    assert ">before<" in table
    assert ">after<" not in table
    assert ">after<" in pages[7]


def test_the_headline_follows_the_evaluations_during_training(pages: dict[int, str]) -> None:
    assert "pass@1 at step 4" in pages[5]
    assert pages[5].count("The band is") == 1, "beside the plot, not in the headline"
    assert "pass@1 at step" not in pages[7]


def test_the_newest_completions_are_shown_with_the_parts_of_their_rewards(pages: dict[int, str]) -> None:
    assert "Of 16 completions in step 5" in pages[5]
    assert re.search(r"reward [\d.]+ \(accuracy [\d.]+, format [\d.]+\), (correct|wrong|unparsable), \d+ tokens", pages[5])


def test_a_comparison_shows_what_is_measured(tmp_path: Path) -> None:
    for name in ("a", "b"):
        begun(tmp_path / name, 2).close()
    page = write_comparison([tmp_path / "a", tmp_path / "b"], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "unknown" not in without_scripts(page).partition("The base model")[0]
