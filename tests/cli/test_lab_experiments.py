"""`dunwu lab RUN --causal --budgets` on a run of the bundled model."""

import json
import shutil

import pytest

from dunwu.cli.main import main
from dunwu.config.blocks import EngineConfig, SamplingConfig
from dunwu.config.load import dump_config
from dunwu.config.tasks import CountdownTask
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.evaluation import paired
from dunwu.evaluation.session import EvaluationSession
from dunwu.evaluation.store import write_evaluation
from dunwu.models.loading import load_model
from dunwu.run.directory import config_hash

SETS = (EvalConfig(task=CountdownTask(), problems=8, samples=2, sampling=SamplingConfig(max_tokens=96)),)
BUDGETS = ("--budgets", "--problems", "3", "--threads", "1")
SMALL = ("--causal", "--samples", "2", "--completions", "4", *BUDGETS)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(paired, "RESAMPLES", 300)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A run that has evaluated the bundled model before training."""
    folder = tmp_path_factory.mktemp("measured") / "run"
    (folder / "evaluations").mkdir(parents=True)
    config = ZeroConfig(model="tiny", template="tiny", evaluations=SETS)
    (folder / "config.yaml").write_text(dump_config(config))
    (folder / "manifest.json").write_text(json.dumps({"kind": "zero", "config": {}, "config_hash": config_hash({})}))
    with EvaluationSession.open(*load_model("tiny"), EngineConfig(), "tiny", 1024) as session:
        write_evaluation(folder / "evaluations" / "before-countdown.parquet", session.evaluate(SETS[0]))
    return folder


@pytest.fixture
def run(measured, tmp_path):
    return shutil.copytree(measured, tmp_path / "run")


def test_figures_and_samples_are_written_and_made_once(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["lab", str(run), "--out", str(out), *SMALL]) == 0
    shown = capsys.readouterr().out
    found = json.loads((out / "lab.json").read_text())
    causal, budgets = (found[name]["sets"]["countdown"]["before"] for name in ("causal", "budgets"))
    assert causal["reflection"]["completions"] == 4
    assert causal["reflection"]["accuracy"]["kept"]["count"] <= 4
    assert "kept minus averted" in shown
    assert budgets["problems"] == 3
    assert [point["budget"] for point in budgets["budgets"]][:2] == [0, 16]
    assert budgets["budgets"][-1]["kept"] == 1.0
    assert (out / causal["samples_kept_in"] / "part-0000.parquet").is_file()
    assert not (run / "lab").exists()
    kept = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("*.parquet")}
    page = (out / "lab.html").read_bytes()
    assert main(["lab", str(run), "--out", str(out), *SMALL]) == 0
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("*.parquet")} == kept
    assert main(["lab", str(run), "--out", str(out)]) == 0  # the page keeps what was found
    assert (out / "lab.html").read_bytes() == page


def test_figures_of_another_evaluation_are_not_shown(run, capsys):
    (run / "lab").mkdir()
    (run / "lab" / "causal.json").write_text(json.dumps({"countdown": {"before": {"evaluation": "another"}}}))
    (run / "lab" / "budgets.json").write_text("{")
    assert main(["lab", str(run)]) == 0
    found = json.loads((run / "lab.json").read_text())
    assert "missing" in found["causal"]
    assert "missing" in found["budgets"]


def test_figures_that_are_corrupt_are_refused_and_kept(run, capsys):
    (run / "lab").mkdir()
    (run / "lab" / "budgets.json").write_text("[]")
    assert main(["lab", str(run), *BUDGETS]) == 2
    assert (run / "lab" / "budgets.json").read_text() == "[]"


@pytest.mark.parametrize(
    "options",
    [
        ("--phases", "after"),
        ("--phases", "later"),
        ("--phases", "step-00010"),
        ("--eval-set", "gsm8k"),
        ("--samples", "0"),
        ("--budgets", "--grid", "-1"),
        ("--probes",),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(run, options, capsys):
    assert main(["lab", str(run), "--causal", *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (run / "lab.json").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--phases", "before"),
        ("--eval-set", "countdown"),
        ("--grid", "16"),
        ("--samples", "4"),
        ("--seed", "1"),
        ("--budgets", "--samples", "4"),
        ("--causal", "--grid", "16"),
        ("--causal", "--problems", "3"),
        ("--probe-suite", "suite.yaml"),
        ("--probes", "--grid", "16"),
    ],
)
def test_options_of_an_experiment_that_is_not_made_are_refused(run, options, capsys):
    assert main(["lab", str(run), *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (run / "lab.json").exists()


def test_any_model_is_examined_from_its_evaluation(tmp_path, capsys):
    folder = tmp_path / "evaluation"
    asked = ("--task", "countdown", "--problems", "4", "--samples", "2", "--max-tokens", "96", "--threads", "1", "--out", str(folder))
    assert main(["eval", "tiny", *asked]) == 0
    assert main(["lab", str(folder), *SMALL]) == 0
    found = json.loads((folder / "lab.json").read_text())
    assert found["causal"]["sets"]["countdown"]["evaluation"]["reflection"]["completions"] <= 4
    assert found["budgets"]["sets"]["countdown"]["evaluation"]["problems"] == 3
    assert found["thinking_time"]["sets"]["countdown"]["evaluation"]["tokens"]["problems"] == 4
    assert main(["lab", str(folder), *BUDGETS, "--phases", "before"]) == 2
    (folder / "summary.json").write_text("{}")
    assert main(["lab", str(folder), *BUDGETS]) == 2


def test_a_run_without_evaluations_says_how_to_make_one(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "sft", "config": {}}))
    (tmp_path / "config.yaml").write_text("model: tiny\n")
    assert main(["lab", str(tmp_path), *BUDGETS]) == 2
    assert f"dunwu eval {tmp_path}" in capsys.readouterr().err


def test_problems_that_have_changed_are_refused(run, capsys):
    changed = ZeroConfig(model="tiny", template="tiny", evaluations=(SETS[0].model_copy(update={"seed": 1}),))
    (run / "config.yaml").write_text(dump_config(changed))
    assert main(["lab", str(run), "--causal"]) == 2
