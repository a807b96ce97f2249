"""The page of the laboratory in Chinese: no sentence of ours stays English."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from dunwu.analysis.lab.compute import compute_section
from dunwu.analysis.lab.experiments import experiment_sections
from dunwu.analysis.lab.laboratory import SECTIONS, analyse, write_laboratory
from dunwu.analysis.lab.material import read_material
from dunwu.analysis.lab.probes import probe_sections
from dunwu.evaluation.ability import Checkpoint, ability_curve
from dunwu.evaluation.budgets import BudgetRow, budget_curve
from dunwu.evaluation.causal import causal_summary
from dunwu.text.translate import VARIABLE

NAMES = re.compile(r"BLEU|self-BLEU|pass@(k|\d+)|majority@\d+|token|Dunwu|countdown|game24|step-\d+|“[a-z]+”|FLOPs|· run\b")
"""What Chinese texts have in Latin letters too."""


class _Texts(HTMLParser):
    """The texts of a page, those in plots too."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._kept = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if name == "aria-label" and value]
        self._kept = tag if tag in ("style", "script") else self._kept

    def handle_endtag(self, tag: str) -> None:
        self._kept = "" if tag == self._kept else self._kept

    def handle_data(self, data: str) -> None:
        if not self._kept:
            self.found.append(" ".join(data.split()))


def english(page: str) -> list[str]:
    parser = _Texts()
    parser.feed(page)
    return [text for text in parser.found if re.search(r"[A-Za-z]{3}", NAMES.sub("", text))]


@pytest.fixture
def chinese(monkeypatch):
    monkeypatch.setenv(VARIABLE, "zh")


def test_every_sentence_of_the_page_is_chinese(run_folder, make, rollouts, chinese):
    rows = [make.row(i, sample, completion=TEXTS[sample], difficulty=float(i % 3)) for i in range(6) for sample in range(2)]
    make.write_sets(run_folder, rows, rows)
    for step in (30, 60):
        (run_folder / "evaluations" / f"step-{step:05d}-countdown.parquet").write_bytes(
            (run_folder / "evaluations" / "before-countdown.parquet").read_bytes()
        )
    rollouts(run_folder, 30, ["9*3=26, 9*3=27, 27-10=17, wait 27-10=17. 9+3=12.</think>", "我想 9+3=12。等等</think>"], ("p2", "p3", "p4"))
    experiments(run_folder)
    material = read_material(run_folder)
    material = replace(material, parameters=1000, flops={step: 1e6 * step for step in range(1, 91)})
    made = experiment_sections(run_folder, run_folder)
    sections = (*SECTIONS, *made, compute_section(run_folder, run_folder), *probe_sections(run_folder))
    found = analyse(material, sections)
    _, page = write_laboratory(run_folder, run_folder, found, material, sections)
    assert [name for name, each in found.items() if "missing" in each] == []
    assert not english(page.read_text(encoding="utf-8"))


TEXTS = ("1+2=4. wait, 1+2=3.</think><answer>1+2</answer>", "我想 1+2=3。等等</think><answer>1+2</answer>")


def experiments(run):
    """Figures of both experiments, before and after."""
    phases = {
        phase: hashlib.sha256((run / "evaluations" / f"{phase}-countdown.parquet").read_bytes()).hexdigest()
        for phase in ("before", "after")
    }
    budgets = {"budgets": budget_curve([BudgetRow("p", 0, n, n > 0, "", 9, 1.0, None) for n in (0, 16)])}
    budgets["majorities"] = [{"m": 2, "tokens": 50.0, "majority": 0.5, "interval": [0.25, 0.75]}]
    (run / "lab").mkdir()
    checkpoints = [Checkpoint(f"step {i}", 1e12 * i, {"p": [0.5]}) for i in range(7)]
    abilities = ("knowledge", "reasoning", "generalisation", "safety", "diversity")
    probes = {"run": {name: ability_curve(checkpoints[: 7 - i]) for i, name in enumerate(abilities)}}
    (run / "lab" / "probes.json").write_text(json.dumps(probes))
    for name, figures in (("causal", causal_summary([], 4)), ("budgets", budgets)):
        recorded = {"countdown": {phase: {"evaluation": digest, **figures} for phase, digest in phases.items()}}
        (run / "lab" / f"{name}.json").write_text(json.dumps(recorded))
