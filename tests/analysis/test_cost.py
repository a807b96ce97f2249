"""Cost in time, tokens, FLOPs and money."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from dunwu.analysis.cost import Alternative, Prices, Spent, cost_table, pipeline_spent, read_prices, run_spent
from dunwu.analysis.pipeline_run import PipelineRun, StageRun
from dunwu.analysis.rundir import read_run
from dunwu.errors import UserError

SPENT = Spent(seconds=5400.0, trained=1e6, generated=2e6, flops=7.2e18)


def test_money_is_time_work_or_tokens_at_their_prices() -> None:
    found = cost_table({"": SPENT}, read_prices(2.0, 0.5, ["fast:3:1000", "slow:0.1:1"]))
    assert found is not None
    values = [row[1] for row in found.rows]
    assert values[:4] == ["1.5 h", "1,000,000", "2,000,000", "7.2e+18"]
    # 1.5 h at 2; 7.2e18 / 1e15 = 7,200 s = 2 h at 3; 1,000 times as long, 2,000 h, at 0.1; 2 million tokens at 0.5
    assert values[4:] == ["3.00", "6.00", "200.00", "1.00"]


def test_without_prices_there_is_no_money_and_runs_have_columns() -> None:
    found = cost_table({"a": SPENT, "b": Spent(30.0, 0, 0, 0)})
    assert found is not None
    assert (found.head, len(found.rows)) == (("", "a", "b"), 4)
    assert [row[2] for row in found.rows] == ["30 s", "0", "0", "–"]
    assert cost_table({}) is None


def test_alternatives_are_read() -> None:
    assert read_prices(None, None, ["H100:2.5:300"]) == Prices(alternatives=(Alternative("H100", 2.5, 3e14),))


@pytest.mark.parametrize("text", ["H100", "H100:2", "H100:x:1", ":1:1", "a:-1:1", "a:1:0", "a:nan:1", "a:1:2:3"])
def test_another_form_of_alternative_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        read_prices(None, None, [text])


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf")])
def test_a_price_is_a_number(price: float) -> None:
    with pytest.raises(UserError):
        read_prices(price, None, [])
    with pytest.raises(UserError):
        read_prices(None, price, [])


def test_a_run_has_the_usage_of_its_steps(tmp_path: Path, make: Any) -> None:
    rows = [{"step": step, "num_tokens": 100, "trained_tokens": 60, "scored_tokens": 10, "step_time": 3.0} for step in (1, 2)]
    make.write_metrics(tmp_path, rows)
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "zero"}))
    (tmp_path / "config.yaml").write_text("grpo: {inner_epochs: 1}")
    assert run_spent(read_run(tmp_path)) == Spent(6.0, 120, 200, 0)
    header = json.dumps({"weight": {"dtype": "F32", "shape": [5, 2], "data_offsets": [0, 40]}}).encode()
    folder = tmp_path / "checkpoints" / "step-000002"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(40))
    (tmp_path / "checkpoints" / "latest").write_text("step-000002")
    assert run_spent(read_run(tmp_path)) == Spent(6.0, 120, 200, 10 * (6 * 120 + 2 * (200 + 20)))


def test_odd_runs_have_no_cost(tmp_path: Path, make: Any) -> None:
    assert run_spent(read_run(tmp_path)) is None
    make.write_metrics(tmp_path, [{"step": 1, "num_tokens": "many"}])
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "zero"}))
    (tmp_path / "config.yaml").write_text("grpo: {inner_epochs: 1}")
    assert run_spent(read_run(tmp_path)) is None


def test_a_pipeline_costs_what_its_stages_cost() -> None:
    costs = [{"seconds": 10, "trained_tokens": 1, "flops": 5, "teacher_flops": 2}, {}, {"seconds": "x", "generated_tokens": 3}]
    stages = tuple(StageRun(str(i), "zero", cost=cost) for i, cost in enumerate(costs))
    assert pipeline_spent(PipelineRun("p", stages)) == Spent(10, 1, 3, 7)
