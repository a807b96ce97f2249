"""The browser's place on a page. What the script does is in the tests in Chromium."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from dunwu.analysis.browser.section import BUDGET, browser
from dunwu.analysis.report import write_report
from dunwu.analysis.rundir import read_run
from tests.analysis.browser.make_rollouts import write_step

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \ud800\u202e\x1b[31m😀"


def data_of(page: str) -> Any:
    found = re.findall(r'<script type="application/json" id="completions">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[0])


def test_training_and_evaluations_are_there_by_step(tmp_path: Path, make: Any) -> None:
    make.write_whole_run(tmp_path)
    for step in (10, 20):
        write_step(tmp_path, step, [["3+5", "3+6"], ["abc"]], characters=True)
    found = browser(read_run(tmp_path))
    assert found is not None
    data = data_of(found.markup)
    training = [entry for entry in data["entries"] if entry["source"] == ""]
    assert [(entry["step"], entry["text"], entry["verdict"]) for entry in training[:3]] == [
        (10, "3+5", "correct"), (10, "3+6", "wrong"), (10, "abc", "correct"),
    ]  # fmt: skip
    assert training[0]["characters"] == [1, 1, 1]
    assert {entry["step"] for entry in data["entries"] if entry["source"] == "countdown"} == {0, 90}  # before, and after 90 steps
    steps = {entry["step"] for entry in data["entries"] if entry["source"] and entry["problem"] == 0}
    assert steps == {0, 90}  # one problem at all steps
    assert all(0 <= entry["problem"] < len(data["problems"]) for entry in data["entries"])


def test_a_run_without_completions_has_no_browser(tmp_path: Path, make: Any) -> None:
    make.write_metrics(tmp_path, make.metrics(3))
    assert browser(read_run(tmp_path)) is None
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert 'id="browser"' not in page


def test_corrupt_files_are_named_and_old_ones_open(tmp_path: Path) -> None:
    write_step(tmp_path, 10, [["old"]])
    (tmp_path / "rollouts" / "step-00020.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "rollouts" / "step-0x.parquet").write_bytes(b"")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "rollouts/step-00020.parquet cannot be read." in page.replace("<wbr>", "")
    assert [entry["text"] for entry in data_of(page)["entries"]] == ["old"]


def test_hostile_text_is_data(tmp_path: Path) -> None:
    write_step(tmp_path, 1, [[HOSTILE, HOSTILE * 1000]], characters=True, problem=HOSTILE + "{}")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    inside = page.split('id="completions">')[1].split("</script>")[0]
    assert "<" not in inside
    entry = data_of(page)["entries"][0]
    assert entry["text"].startswith("</script><script>alert(1)</script><!--")
    assert "[U+202E][U+001B]" in entry["text"]
    assert len(page) < 1_000_000


@pytest.mark.parametrize("running", [False, True])
def test_the_policy_names_the_script_by_its_hash(running: bool, tmp_path: Path) -> None:
    write_step(tmp_path, 1, [["abc"]])
    found = browser(read_run(tmp_path), reload=30 if running else None)
    assert found is not None
    page = write_report(tmp_path).read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    digest = base64.b64encode(hashlib.sha256(found.code.encode()).digest()).decode()
    assert unescape(policy) == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert data_of(found.markup)["reload"] == (30 if running else None)


def test_a_page_stays_within_its_budget_and_says_what_is_missing(tmp_path: Path) -> None:
    for step in range(1, 4):
        write_step(tmp_path, step, [[f"{step} " + "x" * 9000] * 8] * 30, characters=True)
    found = browser(read_run(tmp_path))
    assert found is not None
    shown = len(data_of(found.markup)["entries"])
    assert 0 < shown < 720
    assert len(found.markup.encode()) < 1.2 * BUDGET
    assert f"Training: {shown:,} of 720 completions are shown" in found.markup
    assert browser(read_run(tmp_path)) == found
