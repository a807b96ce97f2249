"""Evaluation during R1-Zero training: it changes nothing about training, is stored, counted apart, and survives a stop."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.zero import ZeroConfig
from dunwu.errors import Interrupted
from dunwu.evaluation.result import spread
from dunwu.evaluation.store import read_evaluation
from dunwu.jobs.zero import run_zero
from dunwu.run.reporter import Reporter
from tests.recorder import Recorder

DURING = ("evaluate_every=2", "evaluate_problems=2", "save_every=3")
STALE = ("grpo.staleness=1", "grpo.tis_clip=2")


def weights(run: Path) -> bytes:
    return (run / "checkpoints" / "step-000006" / "model.safetensors").read_bytes()


def curve(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((run / "evaluations" / "curve.json").read_text(encoding="utf-8"))["say"]
    return found


def completions(run: Path) -> dict[str, list[str]]:
    return {path.name: [row.completion for row in read_evaluation(path).rows] for path in sorted((run / "evaluations").glob("*.parquet"))}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, zero_config: Callable[..., ZeroConfig]) -> Path:
    """A finished run with evaluations after steps 2 and 4."""
    return run_zero(zero_config(*DURING), tmp_path_factory.mktemp("watched") / "run")


def test_spread_takes_items_at_equal_distances() -> None:
    assert spread(range(10), 4) == [0, 2, 5, 7]
    assert list(spread(range(3), 3)) == list(spread(range(3), None)) == list(spread(range(3), 9)) == [0, 1, 2]


@pytest.mark.parametrize("more", [(), STALE], ids=["shared engine", "sampling ahead"])
def test_training_is_the_same_with_and_without(
    more: tuple[str, ...], zero_config: Callable[..., ZeroConfig], tmp_path: Path, timeless: Callable[[Path], list[dict[str, Any]]]
) -> None:
    plain = run_zero(zero_config(*more), tmp_path / "plain")
    watched = run_zero(zero_config(*more, *DURING), tmp_path / "watched")
    assert weights(watched) == weights(plain)
    assert timeless(watched) == timeless(plain)
    assert [point["step"] for point in curve(watched)] == [0, 2, 4, 6]
    assert not (plain / "evaluations" / "curve.json").exists()


def test_every_point_is_measured_over_the_same_problems_and_stored(watched: Path) -> None:
    files = {path.name for path in (watched / "evaluations").glob("*.parquet")}
    assert files == {"before-say.parquet", "step-00002-say.parquet", "step-00004-say.parquet", "after-say.parquet"}
    asked = [row.problem_id for row in read_evaluation(watched / "evaluations" / "step-00002-say.parquet").rows]
    every = list(dict.fromkeys(row.problem_id for row in read_evaluation(watched / "evaluations" / "before-say.parquet").rows))
    assert asked == [every[0], every[0], every[1], every[1]]
    for point in curve(watched):
        name = {0: "before", 6: "after"}.get(point["step"], f"step-{point['step']:05d}")
        rows = [row for row in read_evaluation(watched / "evaluations" / f"{name}-say.parquet").rows if row.problem_id in asked]
        assert (point["problems"], point["k"]) == (2, 2)
        assert point["pass_at_1"] == pytest.approx(sum(row.correct for row in rows) / 4)
        assert point["interval"][0] <= point["pass_at_1"] <= point["interval"][1]
        assert 0 <= point["majority_at_k"] <= 1


def test_the_cost_is_counted_apart(watched: Path) -> None:
    seconds = json.loads((watched / "summary.json").read_text(encoding="utf-8"))["seconds"]
    assert {"evaluate_before", "evaluate_during", "evaluate_after", "train"} <= seconds.keys()
    rows = [json.loads(line) for line in (watched / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert seconds["train"] == round(sum(row["step_time"] for row in rows), 1)


def test_the_step_is_saved_before_its_evaluation(zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    seen: list[set[str]] = []

    class Looker(Reporter):
        def say(self, text: str) -> None:
            if text.startswith("step 2: say: pass@1"):
                seen.append({path.name for path in (tmp_path / "run" / "checkpoints").glob("step-*")})

    run_zero(zero_config(*DURING), tmp_path / "run", reporter=Looker())
    assert seen == [{"step-000002"}]


class StopDuring(Recorder):
    """Asks its own process to stop when an evaluation shows its first completion."""

    def progress(self, total: int, description: str, start: int = 0) -> Any:
        inner = super().progress(total, description, start)

        class Stopping:
            def __enter__(self) -> Any:
                advance = inner.__enter__()

                def wrapped(step: int, metrics: Any) -> None:
                    advance(step, metrics)
                    if step == 4 and "evaluating" in metrics:
                        signal.raise_signal(signal.SIGTERM)

                return wrapped

            def __exit__(self, *error: Any) -> Any:
                return inner.__exit__(*error)

        return Stopping()


@pytest.mark.parametrize("more", [(), STALE], ids=["shared engine", "sampling ahead"])
def test_stopped_during_an_evaluation_and_resumed_it_is_the_same(
    more: tuple[str, ...],
    zero_config: Callable[..., ZeroConfig],
    tmp_path: Path,
    timeless: Callable[[Path], list[dict[str, Any]]],
) -> None:
    whole = run_zero(zero_config(*more, *DURING), tmp_path / "whole")
    with pytest.raises(Interrupted, match="step 4 of 6"):
        run_zero(zero_config(*more, *DURING), tmp_path / "run", reporter=StopDuring())
    assert not (tmp_path / "run" / "evaluations" / "step-00004-say.parquet").exists()
    assert (tmp_path / "run" / "evaluations" / "step-00002-say.parquet").exists()
    run = run_zero(zero_config(*more, *DURING), tmp_path / "run", resume=True)
    assert weights(run) == weights(whole)
    assert timeless(run) == timeless(whole)
    assert completions(run) == completions(whole)
    assert curve(run) == curve(whole)


def test_a_resumed_run_drops_what_was_measured_after_its_checkpoint(
    zero_config: Callable[..., ZeroConfig], tmp_path: Path, watched: Path
) -> None:
    with pytest.raises(Interrupted):
        run_zero(zero_config(*DURING), tmp_path / "run", reporter=StopDuring())
    folder = tmp_path / "run" / "evaluations"
    planted = (folder / "step-00002-say.parquet").read_bytes()
    (folder / "step-00005-say.parquet").write_bytes(planted)
    run = run_zero(zero_config(*DURING), tmp_path / "run", resume=True)
    assert not (folder / "step-00005-say.parquet").exists()
    assert curve(run) == curve(watched)


def test_it_may_begin_when_a_run_is_resumed(zero_config: Callable[..., ZeroConfig], tmp_path: Path, watched: Path) -> None:
    with pytest.raises(Interrupted):
        run_zero(zero_config(*DURING), tmp_path / "run", reporter=StopDuring())
    run = run_zero(zero_config("evaluate_every=5", "evaluate_problems=2", "save_every=3"), tmp_path / "run", resume=True)
    assert [point["step"] for point in curve(run)] == [0, 2, 5, 6]
    assert weights(run) == weights(watched)


def test_the_report_draws_it(watched: Path) -> None:
    page = (watched / "report.html").read_text(encoding="utf-8")
    assert "Held-out accuracy: say" in page
    assert "evaluation during" in page
