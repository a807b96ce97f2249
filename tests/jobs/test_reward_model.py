"""`run_reward_model` from beginning to end, what it leaves behind, and what it refuses in one line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification

from dunwu.cli.main import main
from dunwu.cli.reward_model_command import next_commands
from dunwu.cli.training import newest
from dunwu.config.load import load_config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.errors import ConfigError, DataError, RunError
from dunwu.jobs.reward_model import run_reward_model
from dunwu.models.loading import save_model
from dunwu.rewards.scope import Visible
from dunwu.run.directory import content_hash, read_manifest, read_metrics
from dunwu.run.step_manifest import verify_checkpoint
from dunwu.trainers.reward_model_scoring import RewardModel
from dunwu.types import Problem
from tests.recorder import Recorder
from tests.trainers.reward_model_data import polite_pairs, safety_answers, write_rows

ConfigOf = Callable[..., RewardModelConfig]


@pytest.fixture(scope="module")
def config_of(tmp_path_factory: pytest.TempPathFactory, new_policy: Callable[..., Any], world_tokenizer: Any) -> ConfigOf:
    """``config_of("seed=1", ...)``: some steps of a random model on polite pairs."""
    root = tmp_path_factory.mktemp("reward-model")
    save_model(new_policy(1), world_tokenizer, root / "base")
    data = write_rows(root / "pairs.jsonl", polite_pairs(120))
    fixed = [f"model={root / 'base'}", f"data={data}", "batch_size=16", "save_every=2", "sample_every=3", "device=cpu", "threads=1"]
    return lambda *overrides: load_config(RewardModelConfig, None, [*fixed, *overrides])


@pytest.fixture(scope="module")
def finished(config_of: ConfigOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_reward_model(config_of(), tmp_path_factory.mktemp("run") / "run")


def test_the_run_directory_is_whole_and_readable(finished: Path, config_of: ConfigOf) -> None:
    config = config_of()
    assert RewardModelConfig.model_validate(yaml.safe_load((finished / "config.yaml").read_text(encoding="utf-8"))) == config
    rows, manifest = read_metrics(finished), read_manifest(finished)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["step"] for row in rows if "held_out_accuracy" in row] == [3, 6, 7]
    final = finished / "checkpoints" / f"step-{len(rows):06d}"
    verify_checkpoint(final)
    assert config.data is not None
    assert manifest["kind"] == "reward-model"
    assert manifest["inputs"] == {"data": content_hash(Path(config.data)), "model": content_hash(Path(config.model))}
    assert manifest["outputs"] == {"checkpoint": content_hash(final)}
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    assert summary["data"]["training"] + summary["data"]["held out"] <= 120
    assert summary["held_out"]["count"] == summary["data"]["held out"]
    assert summary["tokens"] == sum(row["num_tokens"] for row in rows)
    assert manifest["steps"] == len(rows)


def test_examples_are_kept_with_scores_that_say_what_they_are(finished: Path) -> None:
    examples = json.loads((finished / "evaluations" / "examples.json").read_text(encoding="utf-8"))["examples"]
    assert 1 <= len(examples) <= 6
    for example in examples:
        chosen, rejected = example["answers"]
        assert (chosen["name"], rejected["name"]) == ("chosen", "rejected")
        if example["kind"] != "least sure":
            assert (chosen["score"] > rejected["score"]) == (example["kind"] == "right, surest")
    assert "Held-out examples" in (finished / "report.html").read_text(encoding="utf-8")


def test_the_checkpoint_is_loaded_by_transformers_and_scores_the_same(finished: Path, world_tokenizer: Any) -> None:
    final = str(max((finished / "checkpoints").glob("step-*")))
    theirs = AutoModelForSequenceClassification.from_pretrained(final)
    assert (theirs.config.num_labels, theirs.config.id2label) == (1, {0: "helpfulness"})
    ids = world_tokenizer("User: What is tea?\nAssistant:You are welcome.<|endoftext|>", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expected = float(theirs(ids).logits)
    found = RewardModel.load(final).score([Problem("p", "chat", "What is tea?", "text")], [Visible("You are welcome.")])
    assert found == [pytest.approx(expected, abs=1e-6)]


def test_a_finished_run_is_read_and_a_changed_one_refused(finished: Path, config_of: ConfigOf, recorder: Recorder) -> None:
    noted = ("lock", "manifest.json", "report.html")  # the page shows the manifest, which notes every start
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file() and path.name not in noted}
    assert run_reward_model(config_of(), finished, resume=True, reporter=recorder) == finished
    assert {path: path.read_bytes() for path in before} == before
    assert len(recorder.events) == 1
    assert "chosen longer" in (finished / "report.html").read_text(encoding="utf-8")
    with pytest.raises(RunError, match="seed = 0, not 1"):
        run_reward_model(config_of("seed=1"), finished, resume=True)


def test_other_data_is_another_run(config_of: ConfigOf, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", polite_pairs(60))
    run_reward_model(config_of(f"data={data}"), tmp_path / "run")
    write_rows(data, polite_pairs(60, seed=1))
    with pytest.raises(RunError, match=r"inputs\.data"):
        run_reward_model(config_of(f"data={data}"), tmp_path / "run", resume=True)


def test_safety_and_adapters(config_of: ConfigOf, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "answers.jsonl", safety_answers(90))
    out = run_reward_model(config_of("criterion=safety", f"data={data}", "lora={rank: 2}"), tmp_path / "run")
    final = max((out / "checkpoints").glob("step-*"))
    assert (final / "adapter" / "adapter_model.safetensors").is_file()
    assert RewardModel.load(str(final)).criterion == "safety"
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["held_out"]["groups"].keys() >= {"safe", "unsafe"}


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["data=null"], ConfigError, "data is not set: give --data FILE"),
        (["data=nowhere.jsonl"], DataError, "nowhere.jsonl does not exist"),
        (["max_tokens=8"], DataError, "no usable training rows.*longer than max_tokens"),
        (["criterion=safety"], DataError, "a pair without a label"),
        (["device=cuda:99"], Exception, "not available"),
    ],
)
def test_the_users_mistakes_are_one_line(
    overrides: list[str], error: type[Exception], message: str, config_of: ConfigOf, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        run_reward_model(config_of(*overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rows_that_cannot_be_balanced_leave_no_run(config_of: ConfigOf, tmp_path: Path) -> None:
    rows = [{"prompt": f"Say {n}.", "chosen": f"{n} and more words", "rejected": f"{n}"} for n in range(60)]
    data = write_rows(tmp_path / "longer.jsonl", rows)
    with pytest.raises(DataError, match="balance_lengths"):
        run_reward_model(config_of(f"data={data}"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rows_longer_than_the_model_are_refused(config_of: ConfigOf, tmp_path: Path) -> None:
    rows = [row | {"chosen": row["chosen"] + " It is big." * 120} for row in polite_pairs(60)]
    with pytest.raises(ConfigError, match="more than the model's 256 positions; set max_tokens to 256 at most"):
        run_reward_model(config_of(f"data={write_rows(tmp_path / 'long.jsonl', rows)}"), tmp_path / "run")


def test_the_next_command_trains_for_the_models_score(finished: Path, config_of: ConfigOf, capsys: pytest.CaptureFixture[str]) -> None:
    command, _ = next_commands(config_of(), newest(finished))
    _, *arguments = shlex.split(command.removeprefix("  next steps  "))
    assert main([*arguments, "--dry-run", "sampling.max_tokens=20", "--out", str(finished.parent / "next")]) == 0
    assert "kind: helpfulness" in capsys.readouterr().out


def test_resuming_a_finished_run_says_so_in_a_line(finished: Path, config_of: ConfigOf, recorder: Recorder) -> None:
    run_reward_model(config_of(), finished, resume=True, reporter=recorder)
    assert recorder.events == [("say", f"{finished} is finished: checkpoint {newest(finished)}, report {finished / 'report.html'}")]
