"""A run that cannot learn is warned of, once for each kind, and a healthy one is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dunwu.run.directory import RunDirectory, read_manifest
from dunwu.trainers.learning_watch import WINDOW, LearningWatch
from tests.recorder import Recorder

KEYS = (
    "rewards/accuracy",
    "frac_reward_zero_std",
    "completions/clipped_ratio",
    "verdicts/unparsable",
    "entropy",
    "completions/mean_length",
)
DEMO = [
    (0.088, 0.109, 0.0, 0.182, 0.335, 50.2),
    (0.117, 0.094, 0.0, 0.154, 0.319, 57.8),
    (0.09, 0.219, 0.008, 0.119, 0.32, 56.9),
    (0.102, 0.188, 0.006, 0.074, 0.313, 57.9),
    (0.086, 0.297, 0.006, 0.09, 0.321, 61.1),
    (0.158, 0.172, 0.031, 0.07, 0.313, 90.1),
    (0.559, 0.094, 0.125, 0.143, 0.292, 166.5),
    (0.633, 0.188, 0.178, 0.191, 0.282, 196.7),
    (0.689, 0.297, 0.193, 0.197, 0.286, 196.8),
    (0.691, 0.156, 0.164, 0.164, 0.268, 195.1),
    (0.762, 0.312, 0.131, 0.135, 0.266, 179.3),
    (0.766, 0.328, 0.135, 0.133, 0.257, 179.3),
]
"""Of steps 1 to 150 of the demo zero-24, in the order of `KEYS`."""
HEALTHY = dict(zip(KEYS, DEMO[0], strict=True)) | {"reward": 0.93}
LOSS = {"loss": 1.2, "skipped": 0}


def rl(count: int = WINDOW, **changes: float | None) -> list[dict[str, Any]]:
    """Rows of a healthy run but for ``changes``, whose names have ``_`` for the slash."""
    names = {key.rpartition("/")[2]: key for key in HEALTHY}
    return [HEALTHY | {names[name]: value for name, value in changes.items()}] * count


DEAD = {"frac_reward_zero_std": 1.0}
CASES: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "demo": ([dict(zip(KEYS, row, strict=True)) | {"reward": 1.0} for row in DEMO], set()),
    "four steps": (rl(WINDOW - 1, accuracy=0.0, **DEAD), set()),
    "one good step": ([*rl(4, accuracy=0.0), *rl(1), *rl(4, accuracy=0.0)], set()),
    "nothing right": (rl(accuracy=0.0), {"no right answer"}),
    "dead": (rl(**DEAD), {"dead groups"}),
    "dead and nothing right": (rl(accuracy=0.0, reward=0.0, **DEAD), {"dead groups", "no right answer"}),
    "solved": (rl(accuracy=1.0, **DEAD), {"solved"}),
    "cut off": (rl(clipped_ratio=1.0, unparsable=1.0), {"cut off"}),
    "unreadable": (rl(unparsable=0.97), {"unreadable"}),
    "half unreadable": (rl(unparsable=0.6, clipped_ratio=0.6), set()),
    "entropy": (rl() + rl(entropy=0.01), {"entropy"}),
    "low entropy of a solved task": (rl() + rl(entropy=0.01, accuracy=0.95), set()),
    "entropy that was never high": (rl(10, entropy=0.01), set()),
    "short": (rl() + rl(mean_length=4.0), {"short"}),
    "short and better": (rl() + rl(mean_length=4.0, accuracy=0.5), set()),
    "long": (rl() + rl(mean_length=260.0, clipped_ratio=0.6), {"long"}),
    "long without being cut off": (rl() + rl(mean_length=500.0), set()),
    "unknown": (rl(accuracy=None, entropy=None, mean_length=None), set()),
    "loss": ([LOSS, LOSS | {"loss": 9.0}, LOSS | {"loss": 9.8}], {"loss"}),
    "a harder batch": ([LOSS, LOSS | {"loss": 9.8}, LOSS], set()),
    "a small loss that doubled": ([LOSS | {"loss": value} for value in (0.1, 0.3, 0.4)], set()),
    "a loss that falls": ([LOSS | {"loss": 8.0 / step} for step in range(1, 9)], set()),
    "RL's loss": ([{"reward": 1.0, "loss": loss} for loss in (0.0, 3.0, 3.0, 3.0)], set()),
    "one skipped": ([LOSS, LOSS | {"skipped": 1}, LOSS], set()),
    "not finite": ([LOSS, LOSS | {"skipped": 1, "loss": None}, LOSS | {"skipped": 1, "loss": float("nan")}], {"not finite"}),
}

CONFIG = {"learning_rate": 1e-3, "sampling": {"max_tokens": 17}}
Watched = Callable[[Iterable[Mapping[str, Any]]], Recorder]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Logs and watches rows in a new process's way: the run is resumed if it exists."""

    def watch(rows: Iterable[Mapping[str, Any]]) -> Recorder:
        recorder, path = Recorder(), tmp_path / "run"
        with RunDirectory.create(path, "test", CONFIG, 0, path.exists(), reporter=recorder) as run:
            done = len((path / "metrics.jsonl").read_text().splitlines()) if run.resumed else 0
            run.rewind(done)
            follower = LearningWatch(run)
            for step, row in enumerate(rows, done + 1):
                run.log(step, row)
                follower.add(step, row)
        return recorder

    return watch


def kinds(path: Path) -> list[str]:
    return [kind for warning in read_manifest(path / "run").get("warnings", []) for kind in warning["kinds"]]


@pytest.mark.parametrize("case", CASES)
def test_what_is_warned_of(case: str, watched: Watched, tmp_path: Path) -> None:
    rows, wanted = CASES[case]
    recorder = watched(rows)
    assert set(kinds(tmp_path)) == wanted
    kept = [warning["text"] for warning in read_manifest(tmp_path / "run").get("warnings", [])]
    assert recorder.of("warn") == kept
    assert bool(kept) == bool(wanted)


def test_once_for_each_kind_also_after_a_resume(watched: Watched, tmp_path: Path) -> None:
    assert len(watched(rl(20, accuracy=0.0)).of("warn")) == 1
    assert watched(rl(20, accuracy=0.0)).of("warn") == []
    assert len(watched(rl(5, accuracy=0.0, entropy=0.001)).of("warn")) == 1
    assert kinds(tmp_path) == ["no right answer", "entropy"]


def test_a_window_spans_a_resume(watched: Watched, tmp_path: Path) -> None:
    watched(rl(3, accuracy=0.0))
    assert kinds(tmp_path) == []
    watched(rl(2, accuracy=0.0))
    assert kinds(tmp_path) == ["no right answer"]


def test_it_names_the_shares_and_the_remedy_of_the_cause(watched: Watched, tmp_path: Path) -> None:
    [text] = watched(rl(accuracy=0.0, unparsable=0.92, clipped_ratio=0.88)).of("warn")
    assert "steps 1 to 5" in text
    assert "92 % without a readable answer" in text
    assert "sampling.max_tokens = 17" in text
    json.loads((tmp_path / "run" / "manifest.json").read_text())


def test_a_learning_rate_is_named(watched: Watched) -> None:
    [text] = watched(CASES["loss"][0]).of("warn")
    assert "from 1.2 to 9.4" in text
    assert "0.001" in text
