"""What the defaults follow, read from a model's files."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.defaults import ModelFacts, template_of
from dunwu.errors import ModelError
from dunwu.models import facts
from dunwu.models.bundled import bundled_path
from dunwu.models.facts import model_facts
from tests.models.tokenizers_of_kinds import byte_level


def test_the_tiny_world_is_told_by_its_tokenizer(tmp_path: Path, world_tokenizer: Any) -> None:
    shutil.copytree(bundled_path(), tmp_path / "copy")
    assert (
        model_facts("tiny")
        == model_facts(str(bundled_path()))
        == model_facts(str(tmp_path / "copy"))
        == ModelFacts(True, None, 1024, chat=True)
    )
    world_tokenizer.save_pretrained(tmp_path / "own")  # as of another `dunwu pretrain`: other merges
    assert model_facts(str(tmp_path / "own")).tiny
    byte_level().save_pretrained(tmp_path / "other")
    assert model_facts(str(tmp_path / "other")) == ModelFacts(False, None, None)
    assert model_facts("owner/name") == ModelFacts(False, None, None)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model": {"vocab": [["a", -1.0]]}}', '{"model": 3}'])
def test_odd_files_are_of_no_known_model(text: str, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "config.json"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert model_facts(str(tmp_path)) == ModelFacts(False, None, None)


def test_a_name_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        model_facts(str(tmp_path / "none"))


def test_the_template_is_that_of_the_run(tmp_path: Path) -> None:
    step = tmp_path / "checkpoints" / "step-000003"
    step.mkdir(parents=True)
    (step / "config.json").write_text(json.dumps({"max_position_embeddings": 64}), encoding="utf-8")
    assert template_of(model_facts("tiny")) == "tiny"
    assert template_of(model_facts(str(step))) == "auto"
    (tmp_path / "config.yaml").write_text("template: chat\n", encoding="utf-8")
    assert model_facts(str(step)) == ModelFacts(False, "chat", 64)
    assert template_of(model_facts(str(step))) == "chat"


@pytest.mark.parametrize(
    ("files", "chat"),
    [
        ({}, False),
        ({"tokenizer_config.json": "{}"}, False),
        ({"tokenizer_config.json": '{"chat_template": "x"}'}, True),
        ({"chat_template.jinja": "x"}, True),
    ],
)
def test_a_chat_template_is_known_of_a_folder_and_of_a_hub_model(
    files: dict[str, str], chat: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def on_the_hub(repository: str, file: str, fetch: bool) -> Path | None:
        return tmp_path / file if fetch and (tmp_path / file).is_file() else None

    monkeypatch.setattr(facts, "hub_file", on_the_hub)
    assert model_facts(str(tmp_path)).chat == model_facts("owner/name", fetch=True).chat == chat
    assert not model_facts("owner/name").chat
