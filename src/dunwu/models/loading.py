"""Hugging Face checkpoints in and out. Loading never unpickles and never runs code from a checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from dunwu.errors import ModelError, UserError
from dunwu.models.bundled import BUNDLED_NAME, bundled_path
from dunwu.models.lora import FOLDER, has_adapters, load_adapter, merged_state, save_adapter

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_GENERIC_TOKENIZERS = (None, "PreTrainedTokenizerFast", "TokenizersBackend")
# transformers would save these with the tokenizer: a checkpoint must not depend on where it was loaded from.
_HOW_IT_WAS_LOADED = ("is_local", "local_files_only")
# What transformers, the hub client and safetensors raise for files that are absent, malformed or out of reach.
_LOAD_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError, SafetensorError)


def load_model(
    name_or_path: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load a causal language model and its tokenizer: ``tiny`` (bundled), a local folder, or a hub id.

    Raises ``ModelError`` with one line that names the path and what is missing or broken. A parameter that the checkpoint lacks is an error
    too: transformers would fill it with random numbers.
    """
    model, tokenizer, missing = load_checkpoint(AutoModelForCausalLM, name_or_path, dtype)
    refuse_missing(name_or_path, missing)
    return model.to(device), tokenizer


def load_checkpoint(auto: Any, name_or_path: str, dtype: torch.dtype, **settings: Any) -> tuple[Any, PreTrainedTokenizerFast, set[str]]:
    """The model of an Auto class with ``settings``, its tokenizer, and the names of parameters that the checkpoint lacks."""
    folder = _local_folder(name_or_path)
    if folder is not None:
        check_folder(folder)
    source = name_or_path if folder is None else str(folder)
    try:
        tokenizer = _load_tokenizer(source, folder)
        for key in _HOW_IT_WAS_LOADED:
            tokenizer.init_kwargs.pop(key, None)
        model, missing = _load_weights(auto, source, dtype, local=folder is not None, **settings)
    except _LOAD_ERRORS as error:
        raise ModelError(_explain(name_or_path, folder, error)) from error
    return model, tokenizer, missing


def load_tokenizer(name_or_path: str) -> Any:
    """The tokenizer alone. Raises ``ModelError`` as `load_model`."""
    folder = _local_folder(name_or_path)
    try:
        return _load_tokenizer(name_or_path if folder is None else str(folder), folder)
    except _LOAD_ERRORS as error:
        raise ModelError(_explain(name_or_path, folder, error)) from error


def refuse_missing(name: str, missing: Collection[str]) -> None:
    """Raise ``ModelError`` where a checkpoint lacks parameters."""
    if missing:
        raise ModelError(f"model {name!r} lacks {len(missing)} parameters, first {min(missing)!r}; the checkpoint is incomplete")


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path | str) -> None:
    """Write a folder with safetensors weights, configuration and tokenizer that transformers and vLLM load as it is.

    Of a model with adapters these are merged weights, and the adapter lies beside them.
    """
    adapted = has_adapters(model)
    with _no_progress_bar():
        model.save_pretrained(folder, state_dict=merged_state(model) if adapted else None)
    if adapted:
        save_adapter(model, Path(folder) / FOLDER)
    tokenizer.save_pretrained(folder)


def load_weights_into(model: Any, folder: Path) -> None:
    """Copy the weights that ``save_model`` wrote into a live model of the same shape, or its adapter into a model with adapters."""
    if has_adapters(model):
        load_adapter(model, folder / FOLDER)
        return
    with _no_progress_bar():
        saved = type(model).from_pretrained(folder, dtype=model.dtype, use_safetensors=True, local_files_only=True)
    with torch.no_grad():
        model.load_state_dict(saved.state_dict())


def pick_device(name: str = "auto") -> torch.device:
    """``auto``: the first of CUDA, MPS and CPU that is there. Raises ``UserError`` for a device that is not."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {name!r} is not available here; use `auto` or `cpu`") from error
    return device


def stop_token_ids(tokenizer: PreTrainedTokenizerFast, model: PreTrainedModel) -> tuple[int, ...]:
    """End-of-sequence tokens of the tokenizer and of the generation configuration, without repeats, in that order."""
    configured = model.generation_config.eos_token_id if model.generation_config is not None else None
    listed = configured if isinstance(configured, list) else [configured]
    return tuple(dict.fromkeys(token for token in (tokenizer.eos_token_id, *listed) if token is not None))


def check_folder(folder: Path) -> None:
    """Raise ``ModelError`` unless ``folder`` holds a configuration, a tokenizer and whole safetensors weights."""
    _read_json(folder / "config.json", "a Hugging Face model folder has one")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        raise ModelError(f"no tokenizer.json in {folder}; save the tokenizer beside the weights")
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt"):
                pass
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"weights {path} cannot be read ({_first_line(error)}); the file is missing, cut short or damaged, fetch it again"
            ) from error


def _local_folder(name_or_path: str) -> Path | None:
    if name_or_path == BUNDLED_NAME:
        return bundled_path()
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ModelError(f"model {name_or_path!r} is a file; give the folder that holds config.json")
    if _HUB_ID.fullmatch(name_or_path) is None:
        raise ModelError(f"no model folder {name_or_path!r}; give `{BUNDLED_NAME}`, an existing folder or a hub id")
    return None


def _weight_files(folder: Path) -> list[Path]:
    index = folder / WEIGHTS_INDEX
    if index.is_file():
        shards = _read_json(index, "it lists the shards").get("weight_map", {})
        return [folder / name for name in sorted(set(shards.values()))]
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    pickled = " (pickled weights are never loaded; convert them)" if any(folder.glob("*.bin")) else ""
    raise ModelError(f"no {WEIGHTS} in {folder}{pickled}; save the weights as safetensors")


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"no {path.name} in {path.parent}; {remedy}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({_first_line(error)}); it must be JSON") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}; it must be a JSON object")
    return content


def _load_tokenizer(source: str, folder: Path | None) -> Any:
    """AutoTokenizer, except where tokenizer.json alone says what the tokenizer is.

    For some model types (qwen2 among them) AutoTokenizer ignores a generic class name and builds the family's own tokenizer around
    the vocabulary, which silently gives other ids than the tokenizer.json that the model was trained with.
    """
    if folder is not None and (folder / "tokenizer.json").is_file():
        described = folder / "tokenizer_config.json"
        declared = _read_json(described, "").get("tokenizer_class") if described.is_file() else None
        if declared in _GENERIC_TOKENIZERS:
            return PreTrainedTokenizerFast.from_pretrained(source, local_files_only=True)
    return AutoTokenizer.from_pretrained(source, local_files_only=folder is not None)


def _load_weights(auto: Any, source: str, dtype: torch.dtype, local: bool, **settings: Any) -> tuple[Any, set[str]]:
    with _no_progress_bar():
        model, info = auto.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            attn_implementation="sdpa",
            local_files_only=local,
            output_loading_info=True,
            **settings,
        )
    return model, set(info["missing_keys"])


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Nor the table in which transformers tells of missing parameters: the caller decides what they mean."""
    enabled, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if enabled:
            transformers_logging.enable_progress_bar()


def _explain(name: str, folder: Path | None, error: BaseException) -> str:
    if folder is not None:
        return f"model folder {folder} cannot be loaded ({_first_line(error)}); check that its files belong together"
    return f"{name!r} is neither a folder nor a hub model that can be fetched ({_first_line(error)}); check the name or the network"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
