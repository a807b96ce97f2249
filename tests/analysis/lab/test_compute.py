"""Accuracy against the FLOPs of training, from the run's own usage, and of an answer."""

import hashlib
import json

import pytest

from dunwu.analysis.lab import material
from dunwu.analysis.lab.compute import compute_section
from dunwu.analysis.lab.material import Material, training_flops
from dunwu.analysis.rundir import read_run
from dunwu.evaluation.budgets import BudgetRow, budget_curve


def chains(chain, right):
    return [chain(problem=f"p{i}", right=int(i < right)) for i in range(10)]


def test_flops_are_those_of_the_steps_so_far(tmp_path):
    (tmp_path / "config.yaml").write_text("grpo: {inner_epochs: 1}\n")
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "zero", "config": {}}))
    rows = [{"step": 1, "num_tokens": 100, "trained_tokens": 50}, {"step": 2, "num_tokens": 200, "trained_tokens": 10}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    # 7 weights: 6 * 50 + 2 * 100 = 500 and 6 * 10 + 2 * 200 = 460 per weight
    assert training_flops(read_run(tmp_path), 7) == {1: 3500, 2: 6720}
    assert training_flops(read_run(tmp_path), 0) == {}


def test_a_set_is_shown_over_training_flops_with_its_forecast(chain, tmp_path):
    flops = {step: 1000.0 * step for step in range(1, 31)}
    sets = {"s": {"before": chains(chain, 1), "after": chains(chain, 8)}}
    during = {"s": {step: chains(chain, 1 + step // 5) for step in range(5, 30, 5)}}
    made = Material(sets=sets, during=during, parameters=7, flops=flops)
    section = compute_section(tmp_path, tmp_path)
    found = section.analyse(made)
    points = found["training"]["s"]["points"]
    assert [point["flops"] for point in points] == [0, 5000, 10000, 15000, 20000, 25000, 30000]
    assert [point["value"] for point in points] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8])
    assert found["training"]["s"]["forecast"]["fitted"] == 4
    assert found["training"]["s"]["forecast"]["naive_error"] == pytest.approx((0.1 + 0.2 + 0.4) / 3)
    part = section.part(found)
    assert part.figures[0].svg
    assert part.tables[0].rows[0][2].startswith("80.0 %")


def test_an_answer_takes_two_flops_per_weight_and_token(chain, tmp_path):
    (tmp_path / "evaluations").mkdir()
    (tmp_path / "lab").mkdir()
    (tmp_path / "evaluations" / "after-s.parquet").write_bytes(b"x")
    budgets = budget_curve([BudgetRow("p", 0, n, False, "", 10 + n, 1.0, None) for n in (0, 16)])
    majorities = [{"m": 2, "tokens": 50.0, "majority": 0.5, "interval": [0.25, 0.75]}]
    digest = hashlib.sha256(b"x").hexdigest()
    recorded = {"s": {"after": {"evaluation": digest, "budgets": budgets, "majorities": majorities}}}
    (tmp_path / "lab" / "budgets.json").write_text(json.dumps(recorded))
    section = compute_section(tmp_path, tmp_path)
    found = section.analyse(Material(parameters=7))
    answers = found["answers"]["s"]["after"]
    assert [point[0] for point in answers["cut"]] == [2 * 7 * 10, 2 * 7 * 26]
    assert answers["majority"] == [[700.0, 0.5, 0.25, 0.75]]
    assert section.part(found).figures[0].svg


def test_what_is_not_known_is_said(chain, tmp_path):
    section = compute_section(tmp_path, tmp_path)
    assert "missing" in section.analyse(Material(sets={"s": {"before": chains(chain, 1)}}))
    assert "missing" in section.analyse(Material(sets={"s": {"before": chains(chain, 1)}}, parameters=7))


def test_a_broken_checkpoint_tells_no_weights(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\x05")
    assert material._parameters(tmp_path) == 0
