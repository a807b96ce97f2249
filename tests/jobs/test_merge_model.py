"""Merged models: exact where they must be, in the base's precision, and refused where models do not fit each other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dunwu.cli.main import main
from dunwu.config.load import validate
from dunwu.config.merge import MergeConfig
from dunwu.config.pretrain import ModelShape
from dunwu.errors import ModelError
from dunwu.jobs import merge_model
from dunwu.jobs.merge_model import run_merge
from dunwu.models.facts import model_facts
from dunwu.models.loading import load_model, save_model
from dunwu.models.new import new_model
from tests.recorder import Recorder

WEIGHTS = "model.safetensors"
SIZES = {"hidden": 16, "layers": 1, "heads": 2, "kv_heads": 1, "intermediate": 32, "max_positions": 64}


@pytest.fixture(scope="module")
def models(world_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three models of one shape; `half` is the first one in bfloat16."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("base", "a", "b")):
        save_model(new_model(ModelShape(**SIZES), world_tokenizer, seed), world_tokenizer, root / name)
    save_model(load_model(str(root / "base"))[0], world_tokenizer, root / "half", torch.bfloat16)
    return {path.name: str(path) for path in root.iterdir()}


def weights(folder: Path | str) -> dict[str, Tensor]:
    return load_file(Path(folder) / WEIGHTS)


def merged(out: Path, reporter: Any = None, **keys: Any) -> Path:
    out.mkdir()
    return run_merge(validate(MergeConfig, keys), out, *([reporter] if reporter else []))


def same(found: Path, expected: str) -> bool:
    ours, theirs = weights(found), weights(expected)
    return ours.keys() == theirs.keys() and all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("values", [7, 2**24])
def test_known_tensors(models: dict[str, str], tmp_path: Path, values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_model, "VALUES", values)
    found = weights(merged(tmp_path / "mean", models={"a": models["a"], "b": models["b"]}, weights={"b": 3}))
    a, b, base = (weights(models[name]) for name in ("a", "b", "base"))
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, 0.25 * a[name] + 0.75 * b[name])
    keys = {"models": {"a": models["a"], "b": models["b"]}, "method": "task-arithmetic", "base": models["base"]}
    found = weights(merged(tmp_path / "sum", **keys, scale=0.4, weights={"b": 0.5}))
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, base[name] + 0.4 * (a[name] - base[name]) + 0.2 * (b[name] - base[name]))


def test_what_must_be_exact(models: dict[str, str], tmp_path: Path) -> None:
    arithmetic = {"method": "task-arithmetic", "base": models["base"]}
    assert same(merged(tmp_path / "self", models={"x": models["a"], "y": models["a"], "z": models["a"]}), models["a"])
    assert same(merged(tmp_path / "none", models={"a": models["a"], "b": models["b"]}, scale=0, **arithmetic), models["base"])
    assert same(merged(tmp_path / "one", models={"a": models["a"]}, **arithmetic), models["a"])


def test_the_precision_is_the_bases_and_the_model_loads(models: dict[str, str], tmp_path: Path) -> None:
    out = merged(tmp_path / "m", models={"a": models["a"]}, method="task-arithmetic", base=models["half"])
    assert {tensor.dtype for tensor in weights(out).values()} == {torch.bfloat16}
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
    model, tokenizer = load_model(str(out))
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight  # type: ignore[attr-defined]
    assert tokenizer.get_vocab() == load_model(models["a"])[1].get_vocab()


def test_shards_are_read(models: dict[str, str], tmp_path: Path) -> None:
    sharded = tmp_path / "sharded"
    shutil.copytree(models["a"], sharded)
    tensors, where = weights(sharded), {}
    for place, (name, tensor) in enumerate(tensors.items()):
        where[name] = f"model-{place}.safetensors"
        save_file({name: tensor}, sharded / where[name])
    (sharded / WEIGHTS).unlink()
    (sharded / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": where}), encoding="utf-8")
    assert same(merged(tmp_path / "m", models={"x": str(sharded), "y": models["a"]}), models["a"])


def test_the_merged_weights_of_a_run_with_adapters_count(models: dict[str, str], tmp_path: Path) -> None:
    adapted = tmp_path / "adapted"
    shutil.copytree(models["a"], adapted)
    (adapted / "adapter").mkdir()
    (adapted / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")
    out = merged(tmp_path / "m", models={"x": str(adapted)})
    assert same(out, models["a"])
    assert not (out / "adapter").exists()


def _changed(model: str, folder: Path, change: Callable[[dict[str, Any]], Any] = lambda config: None, **tensors: Tensor | None) -> str:
    """A copy with another config.json, and with these tensors instead of its own; ``None`` drops one."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    kept = {name: tensor for name, tensor in (weights(model) | tensors).items() if tensor is not None}
    save_file(kept, folder / WEIGHTS, {"format": "pt"})
    return str(folder)


def test_models_that_do_not_fit_are_refused_with_the_first_difference(models: dict[str, str], tmp_path: Path, world_tokenizer: Any) -> None:
    a, norm = models["a"], "model.norm.weight"
    mlp, heads = "model.layers.0.mlp.up_proj.weight", {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4}
    rope = {"rope_theta": 5e5, "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}
    others = {
        norm: _changed(a, tmp_path / "shape", **{norm: torch.zeros(8)}),
        "lm_head.weight": _changed(a, tmp_path / "untied", **{"lm_head.weight": weights(a)["model.embed_tokens.weight"] + 1}),
        mlp: _changed(a, tmp_path / "lacks", **{mlp: None}),
        "head_dim": _changed(a, tmp_path / "heads", lambda config: config.update(heads)),
        "rope_theta": _changed(a, tmp_path / "rope", lambda config: config.update(rope)),
        "F8_E4M3": _changed(a, tmp_path / "packed", **{norm: torch.zeros(16).to(torch.float8_e4m3fn)}),
        "score.weight": _changed(a, tmp_path / "reward", **{"score.weight": torch.zeros(1, 16)}),
    }
    for place, (said, other) in enumerate(others.items()):
        with pytest.raises(ModelError) as raised:
            merged(tmp_path / f"m{place}", models={"a": a, "b": other})
        assert said in str(raised.value)
        assert "\n" not in str(raised.value)


def test_other_tokens_are_refused(models: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(models["a"], other)
    file = other / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    last, before = sorted(vocabulary, key=vocabulary.get)[-1:-3:-1]
    vocabulary[last], vocabulary[before] = vocabulary[before], vocabulary[last]
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match=r"models\.b"):
        merged(tmp_path / "m", models={"a": models["a"], "b": str(other)})


def test_another_end_of_sequence_is_refused_between_models_and_not_of_the_base(models: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(models["a"], other)
    model, tokenizer = load_model(str(other))
    tokenizer.eos_token = tokenizer.pad_token
    save_model(model, tokenizer, other)
    with pytest.raises(ModelError, match="end of sequence"):
        merged(tmp_path / "m", models={"a": models["a"], "b": str(other)})
    out = merged(tmp_path / "n", models={"b": str(other)}, method="task-arithmetic", base=models["a"])
    assert load_model(str(out))[1].eos_token == tokenizer.pad_token


def test_what_is_no_model_is_refused(models: dict[str, str], tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="LoRA adapter"):
        merged(tmp_path / "m", models={"a": models["a"], "b": str(adapter)})
    with pytest.raises(ModelError, match="nowhere"):
        merged(tmp_path / "n", models={"a": models["a"], "b": "nowhere/"})


def test_the_template_is_that_of_the_first_models_run(models: dict[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(models["a"], run)
    (run / "config.yaml").write_text("template: r1-zero\nanswer_form: boxed\n", encoding="utf-8")
    recorder = Recorder()
    out = merged(tmp_path / "m", recorder, models={"a": str(run), "b": models["b"]})
    assert model_facts(str(out)).template == "auto"
    assert model_facts(str(out)).answer_form == "boxed"
    assert "<think>" in str(load_model(str(out))[1].chat_template)


def test_three_lines_are_a_recipe_and_explain_shows_the_parents(
    models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "soup.yaml"
    recipe.write_text(f"stages:\n  merged:\n    {{work: merge, models: {{a: {models['a']}, b: {models['b']}}}}}\n", encoding="utf-8")
    assert main(["run", str(recipe), "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main(["explain", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().out
    assert "stage merged (merge)" in told
    assert models["a"] in told
    assert models["b"] in told
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "card")]) == 0
    assert "merge" in (tmp_path / "card" / "README.md").read_text(encoding="utf-8")


def test_parents_within_a_pipeline(models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages: dict[str, Any] = {
        "a": {"work": "file", "path": models["a"], "holds": "model"},
        "base": {"work": "file", "path": models["base"], "holds": "model"},
        "merged": {"work": "merge", "method": "task-arithmetic", "inputs": {"models.x": "a", "base": "base"}},
    }
    (tmp_path / "p.yaml").write_text(json.dumps({"name": "p", "stages": stages}), encoding="utf-8")
    assert main(["run", str(tmp_path / "p.yaml"), "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main(["explain", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().out
    assert "models.x: stage a (file)" in told
    assert "base: stage base (file)" in told
