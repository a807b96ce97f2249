"""Whatever class a folder declares, what is loaded gives the ids of tokenizer.json, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from dunwu.errors import ModelError
from dunwu.models import loading
from dunwu.models.loading import load_model, load_tokenizer, save_model
from dunwu.models.tokenizer_check import PROBES, difference
from tests.models.tokenizers_of_kinds import byte_level, llama_like

KINDS: dict[str, Callable[[], Any]] = {"byte level": byte_level, "llama": llama_like, "metaspace": lambda: llama_like("first")}
DECLARED = (None, "PreTrainedTokenizerFast", "TokenizersBackend", "Qwen2Tokenizer", "LlamaTokenizer", "LlamaTokenizerFast", "GPT2Tokenizer")
SIZE = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1}


def folder_of(folder: Path, family: str, tokenizer: Any, declared: str | None) -> Path:
    config, model = {"qwen2": (Qwen2Config, Qwen2ForCausalLM), "llama": (LlamaConfig, LlamaForCausalLM)}[family]
    save_model(model(config(vocab_size=len(tokenizer), **SIZE)), tokenizer, folder)  # type: ignore[abstract]
    described = folder / "tokenizer_config.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | {"tokenizer_class": declared}))
    return folder


@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_ids_are_those_of_the_file(kind: str, family: str, declared: str | None, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, family, KINDS[kind](), declared)
    _, tokenizer = load_model(str(folder))
    written = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in (*PROBES, "one<|im_end|>two", "What is 123456789?"):
        assert tokenizer(text)["input_ids"] == written.encode(text).ids
        assert (
            load_tokenizer(str(folder))(text, add_special_tokens=False)["input_ids"] == written.encode(text, add_special_tokens=False).ids
        )
    assert tokenizer.eos_token == "</s>"


def test_what_agrees_with_nothing_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path / "model", "qwen2", byte_level(), None)
    other = llama_like()

    class Stubborn:
        @classmethod
        def from_pretrained(cls, *_args: object, **_options: object) -> Any:
            return other

    monkeypatch.setattr(loading, "AutoTokenizer", Stubborn)
    monkeypatch.setattr(loading, "PreTrainedTokenizerFast", Stubborn)
    with pytest.raises(ModelError, match=r"other ids than its tokenizer\.json") as caught:
        load_model(str(folder))
    assert "\n" not in str(caught.value)


def test_a_file_that_cuts_and_pads_is_compared_whole(tmp_path: Path) -> None:
    tokenizer = byte_level()
    tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer.json"
    written = Tokenizer.from_file(str(file))
    written.enable_truncation(4)
    written.enable_padding(length=9)
    written.save(str(file))
    assert difference(tokenizer, file) == ""
