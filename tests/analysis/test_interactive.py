"""The interactive curves of a page: their numbers, their policy, and texts of others in them. A browser is in the test of pages."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dunwu.analysis.bins import Clock, binned, read_clock
from dunwu.analysis.comparison import write_comparison
from dunwu.analysis.curves import Curve
from dunwu.analysis.interactive import columns
from dunwu.analysis.plots import Series, line_plot
from dunwu.analysis.report import write_report

HOSTILE = "<img src=x onerror=alert(1)>"


def curves_of(page: str) -> Any:
    """The JSON that the page's script reads."""
    return json.loads(re.findall(r'<script type="application/json" id="curves">(.*?)</script>', page, re.DOTALL)[0])


def test_bins_hold_means_and_extremes() -> None:
    found = binned(Curve((1, 2, 3, 4, 5), (1.0, 3.0, 5.0, -1.0, 7.0)), most=3)
    assert (found.size, found.curve) == (2, Curve((1, 3, 5), (2.0, 2.0, 7.0)))
    assert (found.low, found.high) == ((1.0, -1.0, 7.0), (3.0, 5.0, 7.0))


@pytest.mark.parametrize("values", [1, 999, 1000, 1001, 10_000, 12_345])
def test_bins_lose_no_value(values: int) -> None:
    curve = Curve(tuple(range(1, values + 1)), tuple(float(i % 97) for i in range(values)))
    found = binned(curve)
    assert len(found.curve) <= 1000
    assert (max(found.high), min(found.low)) == (max(curve.values), min(curve.values))
    weights = [min(found.size, values - at) for at in range(0, values, found.size)]
    assert sum(w * v for w, v in zip(weights, found.curve.values, strict=True)) == pytest.approx(sum(curve.values))


def test_a_short_curve_is_not_binned() -> None:
    curve = Curve((3, 8), (0.1, 0.7))
    assert binned(curve).curve == curve


def test_the_clock_has_hours_on_the_wall_and_tokens_so_far() -> None:
    rows = [
        {"step": 2, "time": 7200.0, "step_time": 1800.0, "num_tokens": 10},
        {"step": 4, "time": 10800.0, "step_time": 1800.0, "num_tokens": 5},
    ]
    assert read_clock(rows) == Clock((2, 4), (0.5, 1.5), (10.0, 15.0))
    assert read_clock(rows).at((0, 2, 3, 9)) == ([0.0, 0.5, 0.5, 1.5], [0.0, 10.0, 10.0, 15.0])


def test_without_times_of_day_the_hours_are_those_of_the_steps() -> None:
    assert read_clock([{"step": 1, "step_time": 900.0}, {"step": 2, "step_time": 900.0}]).hours == (0.25, 0.5)


def test_a_clock_that_was_set_back_does_not_go_back() -> None:
    assert read_clock([{"step": 1, "time": 3600.0}, {"step": 2, "time": 0.0}]).hours == (0.0, 0.0)


def test_smoothing_begins_with_twenty_values() -> None:
    clock = Clock((), (), ())
    few = columns(Series("a", Curve(tuple(range(19)), tuple(map(float, range(19))))), clock, smooth=True)
    assert few["strong"] == few["value"]
    zigzag = Curve(tuple(range(60)), (0.0, 1.0) * 30)
    many = columns(Series("a", zigzag), clock, smooth=True)
    assert [max(many[level][20:40]) - min(many[level][20:40]) for level in ("none", "light", "strong")] == [
        1.0, pytest.approx(1 / 3), pytest.approx(1 / 13),
    ]  # fmt: skip
    assert columns(Series("a", zigzag), clock, smooth=False)["strong"] == zigzag.values


def test_a_measured_band_is_binned_with_its_line() -> None:
    steps = tuple(range(2001))
    low, high = tuple(float(step) for step in steps), tuple(float(step + 2) for step in steps)
    series = Series("a", Curve(steps, tuple(float(step + 1) for step in steps)), (low, high))
    found = columns(series, Clock((), (), ()), smooth=False)
    assert {len(values) for values in found.values()} == {667}
    assert (found["low"][:2], found["high"][:2], found["low"][-1]) == ((1.0, 4.0), (3.0, 6.0), 1999.0)
    assert line_plot("a", "a", [series], "")


def test_the_policy_allows_the_scripts_of_the_page_only(tmp_path: Path, make: Any) -> None:
    make.write_whole_run(tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    codes = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in codes]
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)[0].replace("&#39;", "'")
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'unsafe-eval' {' '.join(hashes)}"
    assert len(page.encode()) < 5_000_000


def test_a_long_run_is_binned_and_says_so(tmp_path: Path, make: Any) -> None:
    make.write_metrics(tmp_path, make.metrics(2500))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Points are means of up to 3 steps" in page
    assert len(page.encode()) < 10_000_000


def test_names_of_others_are_text(tmp_path: Path, make: Any) -> None:
    folders = [tmp_path / name for name in (HOSTILE, "$$x$$")]
    for folder in folders:
        folder.mkdir()
        make.write_metrics(folder, [row | {f"rewards/</script>{HOSTILE}\ud800\u2028": 1.0} for row in make.metrics(30)])
    page = write_comparison(folders, tmp_path / "c.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert page.count("<script") == page.count("</script") >= 4
    assert HOSTILE in json.dumps(curves_of(page))
