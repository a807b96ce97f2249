"""The ancestry of an artefact, down to files from outside."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.load import load_config
from dunwu.config.pipeline import FileConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import RunError
from dunwu.pipeline.execute import run_pipeline
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.lineage import ancestry, artefacts_at, facts, settings


def test_every_stage_above_is_told_before_what_it_was_made_of(workshop: Any) -> None:
    made = run_pipeline(workshop.diamond(), workshop.run)
    found = [(each.artefact.stage, each.depth, each.key) for each in ancestry(made["d"])]
    assert found == [("d", 0, ""), ("b", 1, "files.b"), ("a", 2, "files.a"), ("c", 1, "files.c"), ("a", 2, "files.a")]


def test_any_path_within_an_artefact_or_the_run_leads_to_it(workshop: Any, tmp_path: Path) -> None:
    made = run_pipeline(workshop.diamond(), workshop.run)
    for path in (made["b"].folder, made["b"].payload, made["b"].payload / "text"):
        assert [each.stage for each in artefacts_at(path)] == ["b"]
    assert [each.stage for each in artefacts_at(workshop.run)] == ["d"]
    assert artefacts_at(tmp_path) == []
    assert artefacts_at(tmp_path / "nowhere") == []


def test_a_run_that_was_moved_tells_its_lineage_and_one_that_lost_a_part_says_so(workshop: Any, tmp_path: Path) -> None:
    run_pipeline(workshop.diamond(), workshop.run)
    moved = workshop.run.rename(tmp_path / "moved")
    (last,) = artefacts_at(moved)
    assert len(list(ancestry(last))) == 5
    shutil.rmtree(moved / "stages" / "c")
    with pytest.raises(RunError, match="from which d was made"):
        list(ancestry(last))


def test_the_facts_of_an_artefact(workshop: Any, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("one", encoding="utf-8")
    made = run_pipeline(Pipeline("p", (Stage("corpus", FileConfig(path=str(corpus))), workshop.stage("b", "corpus"))), workshop.run)
    told = facts(made["corpus"])
    assert told[0] == "valid: every file is as it was written"
    assert any(line.startswith(f"path <- {corpus} (") for line in told)
    assert any("torch" in line and line.startswith("code: ") for line in told)
    corpus.write_text("two", encoding="utf-8")
    assert facts(made["corpus"])[0].startswith("CORRUPT: ")


def test_settings_are_what_is_not_the_default_and_the_seed() -> None:
    config = load_config(ZeroConfig, None, ["grpo.steps=7", "evaluations=[]", "sampling.temperature=0.9", "lora.rank=4"])
    told = dict(settings("zero", config.model_dump(mode="json")))
    assert told.pop("lora")["rank"] == 4
    assert told == {"seed": 0, "grpo.steps": 7, "evaluations": [], "sampling.temperature": 0.9}
    assert dict(settings("sft", SftConfig(data="x", epochs=5).model_dump(mode="json"))) == {"seed": 0, "data": "x", "epochs": 5}
    assert dict(settings("gone", {"a": 1})) == {"a": 1}, "a kind that a later version no longer has"
