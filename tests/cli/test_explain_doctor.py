"""`dunwu explain` and `dunwu doctor` on folders made by hand."""

import hashlib
import json
from pathlib import Path

import pytest

from dunwu.cli import doctor_command
from dunwu.cli.doctor_command import torch_and_devices
from dunwu.cli.explain_command import lineage
from dunwu.cli.main import main
from dunwu.data.tiny_world import card
from dunwu.errors import ModelError
from dunwu.run.checkpoint import save_checkpoint


def make_base(folder: Path) -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    card = {"recipe": "tiny/pretrain", "tokens": 123, "sha256": hashlib.sha256(b"weights").hexdigest(), "corpus": {"wait": 0.1}}
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def make_run(folder: Path, model: str, seed: int) -> Path:
    """A run directory with one checkpoint, which is returned."""
    folder.mkdir()
    (folder / "config.yaml").write_text(
        f"model: {model}\nseed: {seed}\ntasks: [{{task: {{kind: countdown}}}}]\ngrpo: {{steps: 9, algorithm: grpo-r1}}\n", encoding="utf-8"
    )
    (folder / "manifest.json").write_text(json.dumps({"kind": "zero", "config_hash": "abc", "base_card": {"x": 1}}), encoding="utf-8")
    (folder / "metrics.jsonl").write_text('{"step": 8, "reward": 0.5}\n{"step": 9, "reward": 0.75}\n{"step": 1', encoding="utf-8")
    return save_checkpoint(folder / "checkpoints", 9, lambda place: (place / "model.safetensors").write_bytes(b"w") and None, keep=1)


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_base(tmp_path / "base")
    monkeypatch.setattr(card, "bundled_path", lambda: folder)
    return folder


def test_the_lineage_goes_down_to_the_base(base: Path, tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", "tiny", 1)
    second = make_run(tmp_path / "second", str(first), 2)
    lines = lineage(str(second))
    text = "\n".join(lines)
    places = [
        text.index(part) for part in (str(second), "seed (configuration): 2", f"<- {first}", "seed (configuration): 1", "<- the bundled")
    ]
    assert places == sorted(places)
    for part in (
        "valid: ",
        "step: 9",
        "kind: zero",
        "config_hash: abc",
        "task: kind countdown",
        "step 9, reward 0.75",
        "tokens: 123",
    ):
        assert part in text
    assert "base_card" not in text


def test_a_torn_checkpoint_is_called_so(base: Path, tmp_path: Path) -> None:
    step = make_run(tmp_path / "run", "tiny", 1)
    (step / "model.safetensors").write_bytes(b"x")
    assert any("CORRUPT" in line for line in lineage(str(step)))


def test_a_circle_and_a_hub_id_end(base: Path, tmp_path: Path) -> None:
    step = make_run(tmp_path / "run", str(tmp_path / "run" / "checkpoints" / "step-000009"), 1)
    assert "(see above)" in lineage(str(step))[-1]
    other = make_run(tmp_path / "other", "Qwen/Qwen2.5-0.5B", 1)
    assert "a hub id" in lineage(str(other))[-1]


def test_a_folder_without_a_run_and_a_missing_one(tmp_path: Path) -> None:
    alone = tmp_path / "a" / "b" / "c"
    alone.mkdir(parents=True)
    with pytest.raises(ModelError, match="neither a model"):
        lineage(str(alone))
    (alone / "config.json").write_text("{}", encoding="utf-8")
    assert "no run directory above it" in lineage(str(alone))[-1]
    with pytest.raises(ModelError, match="nowhere"):
        lineage(str(tmp_path / "nowhere"))


def test_a_torn_manifest_is_one_line(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step = make_run(tmp_path / "run", "tiny", 1)
    (tmp_path / "run" / "manifest.json").write_text("{", encoding="utf-8")
    assert main(["explain", str(step)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_hash_is_compared(base: Path) -> None:
    assert card.check_hash() == hashlib.sha256(b"weights").hexdigest()
    (base / "model.safetensors").write_bytes(b"Weights")
    with pytest.raises(ModelError, match="is not the card's"):
        card.check_hash()
    (base / "card.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="is not the card's"):
        card.check_hash()
    (base / "card.json").write_text("[", encoding="utf-8")
    with pytest.raises(ModelError, match="corrupt"):
        card.check_hash()
    (base / "model.safetensors").unlink()
    (base / "card.json").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        card.check_hash()


def test_doctor_is_well_with_the_model_and_ill_without(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for part in ("python", "torch", "processor", "isa", "memory", "disk", "datasets", "sha256", "Dunwu can run here."):
        assert part in out
    (base / "model.safetensors").write_bytes(b"other")
    assert main(["doctor"]) == 1
    assert "Dunwu cannot run here: tiny model" in capsys.readouterr().out


def test_a_missing_package_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_command, "REQUIRED", ("json", "no_such_package"))
    assert doctor_command.packages()[0].status == "FAIL"
    assert "no_such_package" in doctor_command.packages()[0].text


def test_doctor_says_what_computes_on_apple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    found = torch_and_devices()
    assert [finding.name for finding in found] == ["torch", "gpu"]
    assert "torch" in found[1].text
    assert "float32" in found[1].text
