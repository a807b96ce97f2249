"""The scalar head: equal to what transformers computes from the folder, seeded, and refused where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from dunwu.errors import ModelError
from dunwu.models.heads import label_of, load_scorer, scores, set_label
from dunwu.models.loading import save_model
from dunwu.trainers.scoring import pad_right

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 48}
ROWS = [[7, 8, 9, 10, 11], [12, 13], [14, 15, 16]]


def causal_folder(folder: Path, family: str, tokenizer: Any, **settings: Any) -> str:
    kinds: dict[str, tuple[Any, Any]] = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}
    config, model = kinds[family]
    torch.manual_seed(3)
    save_model(model(config(vocab_size=len(tokenizer), max_position_embeddings=64, **SHAPE, **settings)), tokenizer, folder)
    return str(folder)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize("tied", [True, False])
def test_transformers_gives_the_same_scores(family: str, tied: bool, world_tokenizer: Any, tmp_path: Path) -> None:
    base = causal_folder(tmp_path / "base", family, world_tokenizer, tie_word_embeddings=tied)
    model, tokenizer = load_scorer(base, seed=0)
    set_label(model, "helpfulness")
    save_model(model, tokenizer, tmp_path / "scorer")
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "scorer")
    ids, mask = pad_right(ROWS, tokenizer.pad_token_id, torch.device("cpu"))
    with torch.no_grad():
        ours = scores(load_scorer(str(tmp_path / "scorer"))[0], ids)
        expected = theirs(input_ids=ids, attention_mask=mask).logits
        alone = torch.cat([scores(model, torch.tensor([row])) for row in ROWS])
    assert expected.shape == (3, 1)
    assert ours.std() > 1e-3  # rows that all scored alike would prove nothing
    torch.testing.assert_close(ours, expected[:, 0], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ours, alone, atol=1e-6, rtol=1e-5)  # padding changes nothing
    assert theirs.config.id2label == {0: "helpfulness"}
    assert label_of(load_scorer(str(tmp_path / "scorer"))[0]) == "helpfulness"


def test_the_body_is_the_causal_model_s_and_the_head_is_the_seed_s(
    new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path
) -> None:
    policy = new_policy(1)
    save_model(policy, world_tokenizer, tmp_path)
    torch.manual_seed(99)
    first = load_scorer(str(tmp_path), seed=5)[0]
    again, other = (load_scorer(str(tmp_path), seed=seed)[0] for seed in (5, 6))
    assert torch.equal(first.score.weight, again.score.weight)  # whatever the global generator was at
    assert not torch.equal(first.score.weight, other.score.weight)
    for name, tensor in policy.model.state_dict().items():
        assert torch.equal(tensor, first.model.state_dict()[name]), name


def test_a_causal_model_is_no_scorer_without_a_seed(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path) -> None:
    save_model(new_policy(1), world_tokenizer, tmp_path)
    with pytest.raises(ModelError, match="has no reward head; train one with `dunwu reward-model"):
        load_scorer(str(tmp_path))


def test_a_trained_head_is_kept_whatever_the_seed(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path) -> None:
    save_model(new_policy(1), world_tokenizer, tmp_path / "base")
    model, tokenizer = load_scorer(str(tmp_path / "base"), seed=5)
    save_model(model, tokenizer, tmp_path / "scorer")
    assert torch.equal(load_scorer(str(tmp_path / "scorer"), seed=8)[0].score.weight, model.score.weight)


def test_a_checkpoint_without_a_layer_is_refused(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path) -> None:
    policy = new_policy(1)
    save_model(policy, world_tokenizer, tmp_path)
    state = {name: tensor for name, tensor in policy.state_dict().items() if "layers.1.mlp" not in name and name != "lm_head.weight"}
    policy.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(ModelError, match=r"lacks 3 parameters, first 'model.layers.1.mlp"):
        load_scorer(str(tmp_path), seed=0)


def test_a_scorer_does_not_say_where_it_was_loaded_from(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path) -> None:
    save_model(new_policy(1), world_tokenizer, tmp_path / "base")
    save_model(*load_scorer(str(tmp_path / "base"), seed=0), tmp_path / "scorer")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "scorer" / name).read_bytes() == (tmp_path / "base" / name).read_bytes()


def test_several_labels_are_no_reward(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path) -> None:
    save_model(new_policy(1), world_tokenizer, tmp_path / "base")
    three = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base", num_labels=3)
    save_model(three, world_tokenizer, tmp_path / "three")
    with pytest.raises(ModelError, match="three"):
        load_scorer(str(tmp_path / "three"), seed=0)


def test_a_tokenizer_without_padding_pads_with_its_end(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path) -> None:
    save_model(new_policy(1), world_tokenizer, tmp_path)
    for name in ("config.json", "tokenizer_config.json"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if '"pad_token' not in line]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    model, tokenizer = load_scorer(str(tmp_path), seed=0)
    assert model.config.pad_token_id == tokenizer.eos_token_id


def test_bfloat16_below_the_head_is_near(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path) -> None:
    save_model(new_policy(1), world_tokenizer, tmp_path)
    model, tokenizer = load_scorer(str(tmp_path), seed=0)
    ids, _ = pad_right(ROWS, tokenizer.pad_token_id, torch.device("cpu"))
    with torch.no_grad():
        exact, near = scores(model, ids), scores(model, ids, "bfloat16")
    assert near.dtype == torch.float32
    torch.testing.assert_close(near, exact, atol=5e-3, rtol=5e-2)
    assert not torch.equal(near, exact)
