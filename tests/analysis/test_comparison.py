"""Several runs on one page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from dunwu.analysis.comparison import differences, write_comparison
from dunwu.analysis.rundir import read_run
from dunwu.errors import UserError


@pytest.fixture
def run(tmp_path: Path):
    def make(name: str, weight: float, **last: float) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump({"seed": 0, "reward": [{"weight": weight}], "long": "x" * 99}))
        rows = [{"step": step, "reward": 1.0, "rewards/accuracy": 0.5, "rewards/accuracy/std": 0.1, **last} for step in (1, 2)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    return make


def test_the_page_has_a_curve_for_each_metric_and_says_what_differs(run, tmp_path: Path) -> None:
    folders = [run("plain", 0.0), run("<with>", 1.0, **{"rewards/language": 0.75})]
    page = write_comparison(folders, tmp_path / "c.html").read_text(encoding="utf-8")
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["Reward", "Accuracy", "Reward part: language"]
    assert "<with>" not in page
    assert "&lt;with&gt;" in page
    assert "plain was not recorded. " in page
    assert "What differs" in page
    assert "comparison of runs" in page
    table = differences({"a": read_run(folders[0]), "b": read_run(folders[1])})
    assert table.rows == (("reward.0.weight", "0.0", "1.0"),)


def test_a_result_names_its_eval_set(run, tmp_path: Path) -> None:
    folders = [run("both", 0.0), run("half", 1.0), run("none", 1.0)]
    sides = {"before": {"pass_at_1": 0.1}, "after": {"pass_at_1": 0.5}}
    (folders[0] / "summary.json").write_text(json.dumps({"sums": sides}))
    (folders[1] / "summary.json").write_text(json.dumps({"sums": {"before": sides["before"]}}))
    page = write_comparison(folders, tmp_path / "c.html").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    found = re.findall(r"<li>(\w+) <b>(.*?)</b></li>", page)
    assert found == [
        ("both", "10.0 % → 50.0 % (sums, held-out pass@1)"),
        ("half", "10.0 % (sums, held-out pass@1, before training)"),
        ("none", "not evaluated"),
    ]


def test_runs_that_cannot_be_told_apart_are_refused(run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two runs are named x"):
        write_comparison([run("a/x", 0.0), run("b/x", 0.0)], tmp_path / "c.html")
    with pytest.raises(UserError, match="at most 4"):
        write_comparison([tmp_path] * 5, tmp_path / "c.html")
