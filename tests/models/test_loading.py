"""Checkpoints in and out, and one clear line for each way in which a folder can be wrong."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from dunwu.errors import ModelError, UserError
from dunwu.models import bundled, hub_ids, loading
from dunwu.models.loading import load_model, load_tokenizer, pick_device, save_model, stop_token_ids
from tests.models.smol_like import save_smol


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Any, tiny_tokenizer: Any) -> Path:
    """A saved checkpoint."""
    save_model(tiny_model, tiny_tokenizer, tmp_path / "model")
    return tmp_path / "model"


def refusal(path: Path | str) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(str(path), "cpu", torch.float32)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_saved_model_comes_back_the_same(folder: Path, tiny_model: Any) -> None:
    model, tokenizer = load_model(str(folder), "cpu", torch.float32)
    assert model.config._attn_implementation == "sdpa"
    assert not model.training
    for name, parameter in tiny_model.named_parameters():
        assert torch.equal(model.get_parameter(name), parameter)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert tokenizer("w5 w7").input_ids == [5, 7]
    assert not list(folder.glob("*.bin"))


def test_dtype_is_the_one_asked_for(folder: Path) -> None:
    model, _ = load_model(str(folder), "cpu", torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_missing_folder(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in refusal(tmp_path / "nowhere")


def test_a_file_is_not_a_folder(folder: Path) -> None:
    assert "is a file" in refusal(folder / "config.json")


def test_missing_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert refusal(folder).startswith(f"no config.json in {folder}")


@pytest.mark.parametrize("content", ["{", "[]", "\ufeff"])
def test_config_that_is_not_a_json_object(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    assert str(folder / "config.json") in refusal(folder)


def test_config_of_no_known_model(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "no-such-thing"}')
    assert str(folder) in refusal(folder)


def test_missing_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert refusal(folder).startswith(f"no model.safetensors in {folder}; ")


def test_pickled_weights_are_not_loaded(folder: Path, tiny_model: Any) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(tiny_model.state_dict(), folder / "pytorch_model.bin")
    assert "pickled weights are never loaded" in refusal(folder)


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_truncated_weights(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert str(path) in refusal(folder)


def test_missing_shard(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    half = dict(list(weights.items())[::2])
    save_file(half, folder / "a.safetensors", metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: ("a" if name in half else "b") + ".safetensors" for name in weights}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "b.safetensors" in refusal(folder)
    save_file({name: weights[name] for name in weights if name not in half}, folder / "b.safetensors", metadata={"format": "pt"})
    load_model(str(folder), "cpu", torch.float32)


@pytest.mark.parametrize("shards", [None, [], ["a.safetensors"], {}, {"model.norm.weight": "../a.safetensors"}, {"model.norm.weight": 3}])
def test_a_list_of_shards_that_is_not_one(folder: Path, shards: Any) -> None:
    (folder / "model.safetensors").rename(folder.parent / "a.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert "weight_map" in refusal(folder)


def test_shards_beside_the_weights_of_another_save(folder: Path) -> None:
    """transformers loads the whole file and other programs the shards: which of them is the model is not for us to guess."""
    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "a.safetensors", metadata={"format": "pt"})
    for file in ("model", "a"):
        index = {"metadata": {}, "weight_map": dict.fromkeys(weights, f"{file}.safetensors")}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        if file == "model":
            load_model(str(folder))
    assert "model.safetensors.index.json" in refusal(folder)


CODE = "raise SystemExit('code of a checkpoint')"


@pytest.mark.filterwarnings("ignore:`rope_scaling`:FutureWarning")  # of transformers, as it reads a configuration of an unknown kind
@pytest.mark.parametrize("kind", ["nova", None])
def test_code_of_a_checkpoint_is_neither_run_nor_offered(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str | None) -> None:
    """transformers would ask on the terminal whether to run it."""
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda text="": asked.append(text) or "y")
    monkeypatch.setattr("transformers.dynamic_module_utils.TIME_OUT_REMOTE_CODE", 15)
    (folder / "own.py").write_text(CODE)
    edit(
        folder / "config.json", auto_map={"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}, **({"model_type": kind} if kind else {})
    )
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.T", None]}, tokenizer_class="OwnTokenizer")
    if kind:
        assert "code of its own" in refusal(folder)
    else:
        load_model(str(folder))
    assert not asked


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_model_that_sees_later_tokens(folder: Path) -> None:
    edit(folder / "config.json", is_causal=False)
    assert "is_causal" in refusal(folder)


def test_an_output_layer_of_its_own_is_kept_though_the_configuration_says_tied(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"] + 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model, tokenizer = load_model(str(folder))
    save_model(model, tokenizer, tmp_path / "again")
    assert json.loads((tmp_path / "again/config.json").read_text())["tie_word_embeddings"] is False
    assert torch.equal(load_file(tmp_path / "again/model.safetensors")["lm_head.weight"], weights["lm_head.weight"])


def test_a_missing_output_layer_is_not_made_up(folder: Path) -> None:
    change(folder / "config.json", tie_word_embeddings=False)
    assert "lm_head.weight" in refusal(folder)


def test_a_parameter_that_is_missing_is_not_made_up(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "lacks 1 parameters, first 'model.norm.weight'" in refusal(folder)


def change(path: Path, **keys: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_weights_that_the_configuration_has_no_place_for_are_not_dropped(folder: Path) -> None:
    change(folder / "config.json", num_hidden_layers=1, layer_types=["full_attention"])
    assert "model.layers.1." in refusal(folder)
    change(folder / "config.json", num_hidden_layers=2, layer_types=None, model_type="llama", architectures=["LlamaForCausalLM"])
    assert "_proj.bias" in refusal(folder)


def test_tables_of_older_versions_are_passed_over(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors") | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    load_model(str(folder))


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_quantised_weights_are_not_taken_as_numbers(folder: Path, dtype: torch.dtype) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"] = weights["model.layers.0.mlp.up_proj.weight"].to(dtype)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert "model.layers.0.mlp.up_proj.weight" in refusal(folder)


def test_a_configuration_with_a_value_of_another_type(folder: Path) -> None:
    change(folder / "config.json", eos_token_id="</s>")
    assert "eos_token_id" in refusal(folder)


@pytest.mark.parametrize("end", ["</s>", ["</s>"], {"id": 1}, 1.5])
def test_ends_of_sequence_that_are_no_token_ids(folder: Path, end: Any) -> None:
    change(folder / "generation_config.json", eos_token_id=end)
    assert "generation_config.json" in refusal(folder)


def test_of_several_chat_templates_the_default_is_taken(folder: Path) -> None:
    named = [{"name": "default", "template": "{{ 'a' }}"}, {"name": "tool_use", "template": "{{ 'b' }}"}]
    for templates, expected in ((named, "{{ 'a' }}"), (named[1:] * 2, None)):
        change(folder / "tokenizer_config.json", chat_template=templates)
        model, tokenizer = load_model(str(folder))
        assert tokenizer.chat_template == expected
        assert stop_token_ids(tokenizer, model) == (1,)


def test_an_empty_end_of_sequence_is_none(folder: Path) -> None:
    change(folder / "tokenizer_config.json", eos_token="")
    assert load_model(str(folder))[1].eos_token is None


def test_dropout_is_off_in_training_too(folder: Path) -> None:
    change(folder / "config.json", attention_dropout=0.9)
    model = load_model(str(folder))[0].train()
    ids = torch.arange(2, 40)[None]
    assert torch.equal(model(ids).logits, model.eval()(ids).logits)
    assert model.config.attention_dropout == 0.9


def test_weights_of_another_shape(folder: Path) -> None:
    change(folder / "config.json", intermediate_size=32)
    assert "other sizes" in refusal(folder)


def test_missing_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "tokenizer" in refusal(folder)


def test_a_tokenizer_whose_merges_are_not_in_its_vocabulary(tmp_path: Path) -> None:
    """tokenizers raises a plain `Exception` for it."""
    folder = Path(save_smol(tmp_path / "smol"))
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["merges"].append(["nowhere", "to be found"])
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match="out of vocabulary"):
        load_model(str(folder))


def test_hub_model_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_args: object, **_options: object) -> None:
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(loading.AutoTokenizer, "from_pretrained", offline)
    assert refusal("nobody/no-model") == (
        "'nobody/no-model' is neither a folder nor a hub model that can be downloaded (We couldn't connect); check the name or the network"
    )


def test_missing_bundle_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "dunwu" / "models" / "bundled.py"))
    assert "`dunwu pretrain --recipe tiny`" in refusal("tiny")


def test_tiny_is_the_bundled_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_ids, "bundled_path", lambda: folder)
    model, _ = load_model("tiny", "cpu", torch.float32)
    assert model.config.vocab_size == 50


def test_stop_tokens_come_from_tokenizer_configurations_and_chat_template(tiny_model: Any, tiny_tokenizer: Any) -> None:
    assert stop_token_ids(tiny_tokenizer, tiny_model) == (1,)
    tiny_model.generation_config.eos_token_id = [7, 1, 9]
    assert stop_token_ids(tiny_tokenizer, tiny_model) == (1, 7, 9)
    tiny_model.config.eos_token_id = [8]
    assert stop_token_ids(tiny_tokenizer, tiny_model) == (1, 7, 9, 8)
    tiny_tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}<end>{% endfor %}"
    assert stop_token_ids(tiny_tokenizer, tiny_model) == (1, 7, 9, 8)  # text that is no token ends nothing
    tiny_tokenizer.add_special_tokens({"extra_special_tokens": ["<end>"]})
    assert stop_token_ids(tiny_tokenizer, tiny_model) == (1, 7, 9, 8)  # the model does not embed it
    tiny_model.resize_token_embeddings(51)
    assert stop_token_ids(tiny_tokenizer, tiny_model) == (1, 7, 9, 8, 50)
    tiny_model.generation_config.eos_token_id = [-1, 7, 10**6]
    assert stop_token_ids(tiny_tokenizer, tiny_model) == (1, 7, 8, 50)
    tiny_tokenizer.chat_template = "{{ raise_exception('no') }}"
    tiny_model.generation_config = tiny_model.config.eos_token_id = tiny_tokenizer.eos_token = None
    assert stop_token_ids(tiny_tokenizer, tiny_model) == ()


def test_devices() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("warp", "cuda:99"):
        with pytest.raises(UserError, match=name):
            pick_device(name)


def test_two_threads_load_in_turn() -> None:
    with ThreadPoolExecutor(2) as threads:
        loaded = [model for model, _ in threads.map(lambda _: load_model("tiny", torch.device("cpu")), range(8))]
    loaded.append(load_model("tiny", torch.device("cpu"))[0])
    first = loaded[0].state_dict()
    assert all(torch.equal(tensor, first[name]) for model in loaded[1:] for name, tensor in model.state_dict().items())


def test_a_tokenizer_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no tokenizer\.json in"):
        load_tokenizer(str(tmp_path))
