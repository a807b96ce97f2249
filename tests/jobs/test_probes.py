"""Probes of saved checkpoints: what is sampled, what is read again, and the curves."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dunwu.config.suite import SuiteConfig
from dunwu.errors import ConfigError
from dunwu.evaluation.suite import SuiteRow
from dunwu.jobs import probes
from dunwu.jobs.probes import ability_values, run_probes
from dunwu.jobs.saved import Saved
from dunwu.models.bundled import bundled_path
from dunwu.run.tables import rows_table
from tests.recorder import Recorder


def row(problem: str, sample: int = 0, *, score: float | None = None, refused: bool = False, text: str = "a b c d") -> SuiteRow:
    verdict = None if score is None else "correct"
    return SuiteRow(problem, None, "q", "en", sample, text, 4, "stop", score, verdict, True, True, 0.0, None, text, refused)


def write(folder: Path, name: str, rows: list[SuiteRow]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows_table(rows, SuiteRow), folder / f"{name}.parquet")


def test_each_ability_has_its_values_by_problem(tmp_path: Path) -> None:
    write(tmp_path, "reasoning-sums", [row("p", 0, score=1.0), row("p", 1, score=0.0), row("q", 0, score=None), row("q", 1, score=1.0)])
    write(tmp_path, "general-knowledge", [row("k", score=1.0)])
    write(tmp_path, "harmful", [row("x", refused=True), row("y", refused=False)])
    write(tmp_path, "harmless", [row("x", refused=True), row("y", refused=False), row("z", text="")])
    found = ability_values(tmp_path)
    assert found["sums"] == {"p": [1.0, 0.0], "q": [1.0]}
    assert found["knowledge"] == {"k": [1.0]}
    assert found["safety"] == {"harmful/x": [1.0], "harmful/y": [0.0], "harmless/x": [0.0], "harmless/y": [1.0], "harmless/z": [0.0]}
    assert found["diversity"] == {"sums/p": [0.0], "sums/q": [0.0]}  # all completions are the same


class Sampler:
    """Writes the rows of a suite whose accuracy the checkpoint's name tells, in place of a model."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.resumed: list[bool] = []

    def __call__(self, config: SuiteConfig, out: Path, resume: bool, reporter: object) -> Path:
        self.calls.append(Path(config.model).name)
        self.resumed.append(resume)
        right = int(Path(config.model).name.removeprefix("m"))
        write(out / "suite", "general-knowledge", [row(f"p{i}", score=float(i < right)) for i in range(20)])
        (out / "suite" / "suite.json").write_text("{}")
        return out


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Sampler:
    made = Sampler()
    monkeypatch.setattr(probes, "run_suite", made)
    return made


def checkpoints(tmp_path: Path, rights: tuple[int, ...]) -> list[Saved]:
    """Folders of models with different content."""
    found = []
    for place, right in enumerate(rights):
        folder = tmp_path / f"m{right}"
        folder.mkdir(exist_ok=True)
        (folder / "model.safetensors").write_text(str(right))
        found.append(Saved("run", f"step {place}", str(folder), float(place)))
    return found


def test_a_known_curve_is_measured_and_forecast(tmp_path: Path, sampler: Sampler) -> None:
    run_probes(checkpoints(tmp_path, (2, 4, 6, 8, 10, 12, 14)), None, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "lab" / "probes.json").read_text())["run"]["knowledge"]
    assert [(point["name"], point["value"]) for point in found["points"]] == [(f"step {i}", (2 + 2 * i) / 20) for i in range(7)]
    assert found["forecast"]["fitted"] == 4
    assert found["forecast"]["naive_error"] == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    assert found["forecast"]["error"] < found["forecast"]["naive_error"]


def test_what_was_measured_is_read_and_what_is_new_is_sampled(tmp_path: Path, sampler: Sampler) -> None:
    saved = checkpoints(tmp_path, (2, 4))
    run_probes(saved, None, tmp_path / "out")
    run_probes(saved, None, tmp_path / "out")
    assert sampler.calls == ["m2", "m4"]
    run_probes([*saved, *checkpoints(tmp_path, (6,))], None, tmp_path / "out")
    assert sampler.calls == ["m2", "m4", "m6"]
    (tmp_path / "m2" / "model.safetensors").write_text("others")
    run_probes(saved, None, tmp_path / "out")
    run_probes([replace(saved[1], template="r1-zero")], None, tmp_path / "out")
    assert sampler.calls == ["m2", "m4", "m6", "m2", "m4"]


def test_a_stopped_checkpoint_is_resumed(tmp_path: Path, sampler: Sampler) -> None:
    saved = checkpoints(tmp_path, (2,))
    run_probes(saved, None, tmp_path / "out")
    (folder,) = (tmp_path / "out" / "lab").glob("probes-*")
    (folder / "suite" / "suite.json").unlink()
    (folder / "manifest.json").write_text("{}")
    run_probes(saved, None, tmp_path / "out")
    assert sampler.resumed == [False, True]


def test_the_rows_and_keys_of_a_suite_decide_what_is_sampled_anew(tmp_path: Path, sampler: Sampler) -> None:
    rows, suite, saved = tmp_path / "mine_test.jsonl", tmp_path / "suite.yaml", checkpoints(tmp_path, (2,))
    rows.write_text('{"problem": "1+1?", "answer": "2"}\n')
    suite.write_text(f"general: {{mine: {{task: {rows}}}}}\n")
    run_probes(saved, suite, tmp_path / "out")
    run_probes(saved, suite, tmp_path / "out")
    assert len(sampler.calls) == 1
    rows.write_text('{"problem": "1+2?", "answer": "3"}\n')
    run_probes(saved, suite, tmp_path / "out")
    suite.write_text(f"general: {{mine: {{task: {rows}, samples: 2}}}}\n")
    run_probes(saved, suite, tmp_path / "out")
    assert len(sampler.calls) == 3


def test_a_suite_that_is_wrong_is_refused(tmp_path: Path, sampler: Sampler) -> None:
    (tmp_path / "suite.yaml").write_text("knowledge: {}\n")
    with pytest.raises(ConfigError):
        run_probes(checkpoints(tmp_path, (2,)), tmp_path / "suite.yaml", tmp_path / "out")


@pytest.mark.slow
def test_the_built_in_probes_measure_the_bundled_model(tmp_path: Path) -> None:
    folder = shutil.copytree(bundled_path(), tmp_path / "model")
    run_probes([Saved("run", "start", str(folder), 0.0)], None, tmp_path / "out", threads=1, reporter=Recorder())
    found = json.loads((tmp_path / "out" / "lab" / "probes.json").read_text())["run"]
    assert found.keys() == {"knowledge", "reasoning", "generalisation", "safety", "diversity"}
    assert all(0 <= each["points"][0]["value"] <= 1 for each in found.values())
    assert found["reasoning"]["points"][0]["count"] == 48
