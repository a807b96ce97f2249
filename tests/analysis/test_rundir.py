"""Run directories, whole, empty and damaged."""

import json

import pytest

from dunwu.analysis.rundir import read_run
from dunwu.errors import RunError


def test_no_folder_is_the_users_mistake(tmp_path):
    with pytest.raises(RunError, match="no run folder"):
        read_run(tmp_path / "none")


def test_a_whole_run_lacks_nothing(tmp_path, make):
    make.write_whole_run(tmp_path)
    run = read_run(tmp_path)
    assert run.missing == ()
    assert [held_out.name for held_out in run.sets] == ["countdown", "game24"]
    assert len(run.metrics.rows) == 90
    assert run.config["model"] == "tiny"
    assert run.card["recipe"] == "tiny"


def test_an_empty_run_says_what_is_missing(tmp_path):
    run = read_run(tmp_path)
    assert run.sets == ()
    assert [line.split()[0] for line in run.missing] == ["config.yaml", "manifest.json", "summary.json", "metrics.jsonl", "No"]


def test_evaluations_alone_give_the_summary(tmp_path, make):
    told = make.write_sets(tmp_path, [make.row(0, right=False)], [make.row(0)])
    (tmp_path / "evaluations" / "after-countdown.parquet").unlink()
    run = read_run(tmp_path)
    assert run.sets[0].summaries == {"before": told["before"]}
    assert "countdown: there is no evaluation after training." in run.missing


def test_torn_files_are_named_and_the_rest_is_used(tmp_path, make):
    make.write_whole_run(tmp_path)
    (tmp_path / "summary.json").write_text('{"countdown": ')
    (tmp_path / "manifest.json").write_text("[]")
    (tmp_path / "config.yaml").write_text("a: [")
    (tmp_path / "evaluations" / "before-game24.parquet").write_bytes(b"PAR1")
    run = read_run(tmp_path)
    text = " ".join(run.missing)
    assert "summary.json cannot be read" in text
    assert "manifest.json cannot be read" in text
    assert "before-game24.parquet cannot be read" in text
    assert run.config == {}
    assert [held_out.name for held_out in run.sets] == ["countdown", "game24"]


def test_the_card_may_be_a_file_beside_the_run(tmp_path):
    (tmp_path / "base.json").write_text('{"recipe": "tiny"}')
    for named, card in (("base.json", {"recipe": "tiny"}), ("none.json", {}), (7, {})):
        (tmp_path / "manifest.json").write_text(json.dumps({"base_card": named}))
        assert read_run(tmp_path).card == card
