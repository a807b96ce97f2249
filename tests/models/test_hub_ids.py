"""Names of models, answered before torch is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.errors import DataError, ModelError
from dunwu.models import hub_ids
from dunwu.models.hub_ids import check_model, check_names, local_folder


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_ids, "hub_answers", lambda: False)


def test_a_hub_model_offline_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for check in (
        lambda: check_model("Qwen/Qwen2.5-0.5B"),
        lambda: check_names(load_config(ZeroConfig, None, ["model=Qwen/Qwen2.5-0.5B"])),
    ):
        with pytest.raises(ModelError, match=r"Qwen/Qwen2\.5-0\.5B") as caught:
            check()
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(hub_ids, "is_cached", lambda name: True)
    check_model("Qwen/Qwen2.5-0.5B")


def test_a_hub_that_answers_is_left_to_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_ids, "hub_answers", lambda: True)
    check_model("Qwen/Qwen2.5-0.5B")


def test_local_models_need_no_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        check_model(str(tmp_path))
    (tmp_path / "config.json").touch()
    for name in ("tiny", str(tmp_path)):
        check_model(name)
    assert local_folder(str(tmp_path)) == tmp_path
    (tmp_path / "file").touch()
    for name in (str(tmp_path / "file"), "./nothing/at/all", "a b", "nothing", "tiny/zero"):
        with pytest.raises(ModelError):
            check_model(name)


def test_an_adapter_alone_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").touch()
    with pytest.raises(ModelError, match="merge"):
        check_model(str(tmp_path))
    (tmp_path / "config.json").touch()
    check_model(str(tmp_path))


def test_a_hub_data_set_without_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dunwu.tasks.rows.importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"someone/something.*pip install"):
        check_names(load_config(ZeroConfig, None, ["tasks=[{task: {kind: dataset, path: someone/something}}]"]))


def test_the_hub_is_asked_early_for_its_data_sets_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[bool]()
    monkeypatch.setattr(hub_ids, "ask_early", lambda: asked.append(True))
    monkeypatch.setattr(hub_ids, "check_hub_reader", lambda name: None)
    for path, times in (("nothing.jsonl", 0), ("owner/name:subset", 1)):
        check_names(load_config(ZeroConfig, None, [f"tasks=[{{task: {{kind: dataset, path: '{path}'}}}}]", "evaluations=[]"]))
        assert len(asked) == times


@pytest.mark.parametrize("command", [["eval"], ["zero"], ["sft", "--data", "chats.jsonl"], ["reward-model", "--data", "pairs.jsonl"]])
def test_commands_answer_before_torch_is_imported(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "chats.jsonl").write_text('{"prompt": "a", "completion": "b"}\n', encoding="utf-8")
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n', encoding="utf-8")
    code = f"""
import sys
from dunwu.cli.main import main
code = main({[*command, "--model", "Qwen/Qwen2.5-0.5B", "--out", str(tmp_path / "run")]})
assert "torch" not in sys.modules
sys.exit(code)
"""
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "Qwen/Qwen2.5-0.5B" in done.stderr
    assert not (tmp_path / "run").exists()
