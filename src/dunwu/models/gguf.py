"""Imports models from GGUF files: weights, tokenizer and chat template as a Hugging Face folder.

transformers reads the file; the `gguf` package reads what transformers does not pass on, such as the licence and scaled positions.
"""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import tokenizers
import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast
from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor, get_gguf_hf_weights_map
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from dunwu.errors import ModelError
from dunwu.models.gguf_file import ROPE_FACTORS, GgufFile
from dunwu.models.loading import LOAD_ERRORS, alone, save_model
from dunwu.models.protocols import CausalLM, Tokenizer

KNOWN_SPLITS = ("default", "gpt-2", "smollm", "llama-bpe", "qwen2", "deepseek-r1-qwen")
"""Values of `tokenizer.ggml.pre` (how a text is split before BPE) that are rebuilt: smollm here, the others by transformers."""
_KNOWN_SCALING = ("type", "factor", "original_context_length", "finetuned")
_LLAMA3 = {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


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
            settings = {"dtype": torch.float32, "output_loading_info": True, **_settings(file)}
            model, info = AutoModelForCausalLM.from_pretrained(**source, **settings)
            _check_all_used(file, model)
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


def _settings(file: GgufFile) -> dict[str, Any]:
    """What transformers does not read: how positions are scaled, and the size of Qwen3's heads."""
    heads = {"head_dim": file.fact("attention.key_length", 128)} if file.architecture == "qwen3" else {}
    if (scaling := _rope_scaling(file)) is None:
        return heads
    return heads | {"rope_parameters": {"rope_theta": file.fact("rope.freq_base", 10_000.0), **scaling}}


def _rope_scaling(file: GgufFile) -> dict[str, Any] | None:
    """`rope_parameters` of transformers without their base; ``None`` without scaling. Raises ``ModelError`` for an unknown kind."""
    kind, factor = file.fact("rope.scaling.type", "none"), file.fact("rope.scaling.factor", file.fact("rope.scale_linear", 1.0))
    if unknown := sorted(name for name in file.facts if ".rope.scaling." in name and name.rpartition(".")[2] not in _KNOWN_SCALING):
        raise _unknown_scaling(file, unknown[0])
    if any(each != 1 for each in file.rope_factors):
        if (found := _llama3(file)) is None or kind != "none":
            raise _unknown_scaling(file, ROPE_FACTORS)
        return found
    if kind == "yarn":
        original = file.fact("rope.scaling.original_context_length", file.fact("context_length"))
        return {"rope_type": kind, "factor": factor, "original_max_position_embeddings": original}
    if kind not in ("none", "linear"):
        raise _unknown_scaling(file, str(kind))
    return None if factor in (0, 1) else {"rope_type": "linear", "factor": factor}


def _unknown_scaling(file: GgufFile, kind: str) -> ModelError:
    return ModelError(f"{file.path}: its positions are scaled by {kind!r}, which cannot be rebuilt: get the model as a Hugging Face folder")


def _llama3(file: GgufFile) -> dict[str, Any] | None:
    """The scaling of Llama 3.1 and later that has the file's factors: all of them were trained from 8,192 positions."""
    theta, size = file.fact("rope.freq_base", 10_000.0), 2 * len(file.rope_factors)
    plain = 1 / theta ** (torch.arange(0, size, 2) / size)
    for factor in (8.0, 16.0, 32.0):
        scaling = _LLAMA3 | {"factor": factor}
        config = LlamaConfig(head_dim=size, rope_parameters={"rope_theta": theta, **scaling})
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
        if torch.allclose(plain / scaled, torch.tensor(file.rope_factors), rtol=1e-4):
            return scaling
    return None


def _check_all_used(file: GgufFile, model: Any) -> None:
    """Raises ``ModelError`` for weights that the architecture does not have in transformers, such as biases: they would be dropped."""
    processor = TENSOR_PROCESSORS.get(file.architecture, TensorProcessor)(config={})
    used = get_gguf_hf_weights_map(model, processor)
    if unused := sorted(set(file.names) - used.keys() - {ROPE_FACTORS}):
        raise ModelError(
            f"{file.path} has weights that its architecture lacks, such as {unused[0]!r}: get the model as a Hugging Face folder"
        )


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
