"""The sections of the experiments, from figures that the job has recorded."""

import hashlib
import json

import pytest

from dunwu.analysis.lab.experiments import experiment_sections
from dunwu.analysis.lab.material import Material
from dunwu.evaluation.budgets import BudgetRow, budget_curve
from dunwu.evaluation.causal import CausalRow, causal_summary


@pytest.fixture
def run(tmp_path):
    (tmp_path / "evaluations").mkdir()
    (tmp_path / "lab").mkdir()
    for phase in ("before", "after", "step-00060"):
        (tmp_path / "evaluations" / f"{phase}-countdown.parquet").write_bytes(phase.encode())
    return tmp_path


def recorded(run, name, figures):
    phases = {phase: {"evaluation": hashlib.sha256(phase.encode()).hexdigest(), **each} for phase, each in figures.items()}
    (run / "lab" / f"{name}.json").write_text(json.dumps({"countdown": phases}))


def budgets(*points):
    rows = [BudgetRow("p", 0, n, kept, "", tokens, score, None) for n, kept, tokens, score in points]
    return {"budgets": budget_curve(rows), "majorities": [{"m": 2, "tokens": 50.0, "majority": 0.5, "interval": [0.25, 0.75]}]}


def table(run):
    (section,) = experiment_sections(run, run)
    return section.part(section.analyse(Material())).tables[0]


def test_no_experiment_no_section(run):
    assert experiment_sections(run, run) == ()


def test_budgets_stand_in_order_with_a_column_per_phase(run):
    recorded(
        run,
        "budgets",
        {
            "after": budgets((0, False, 5, 0.0), (32, False, 20, 1.0), (99, True, 40, 1.0)),
            "before": budgets((0, False, 4, 0.0), (16, True, 9, 0.0)),
        },
    )
    made = table(run)
    assert made.head == ("accuracy", "before", "after")
    assert [row[0] for row in made.rows] == ["n = 0", "n = 32", "whole thought", "majority@2"]
    assert made.rows[1][1] == "–"
    assert made.rows[3][1] == "50.0 % (25.0 to 75.0)"


def test_phases_are_in_the_order_of_training(run):
    found = causal_summary([], 4)
    recorded(run, "causal", dict.fromkeys(("after", "step-00060", "before"), found))
    assert table(run).head == ("", "before", "step-00060", "after")


def test_the_causal_table_says_how_many_problems_an_effect_has_and_what_could_not_be_averted(run):
    def row(problem, draw, number, reflects, score):
        values = {"before": 1, "after": 2, "position": 0.5, "text": "a", "tokens": 1, "vote": "a"}
        return CausalRow(
            kind="reflection", problem_id=problem, sample=0, draw=draw, number=number, reflects=reflects, score=score, **values
        )

    rows = [row(problem, "kept", 0, False, 1.0) for problem in "abc"]
    rows += [row(problem, "free", 0, problem == "c", 0.0) for problem in "abc"]  # c always reflects
    recorded(run, "causal", {"after": causal_summary(rows, 1)})
    cells = {cells[0]: cells[1] for cells in table(run).rows}
    assert cells["completions that could not be averted"] == "1 of 3"
    assert cells["kept minus averted"].endswith(", 2 problems")


def test_figures_of_an_evaluation_that_is_gone_are_left_out(run):
    recorded(run, "causal", dict.fromkeys(("before", "after"), causal_summary([], 4)))
    (run / "evaluations" / "after-countdown.parquet").write_bytes(b"another")
    assert table(run).head == ("", "before")
    (run / "evaluations" / "before-countdown.parquet").unlink()
    (section,) = experiment_sections(run, run)
    assert "missing" in section.analyse(Material())
