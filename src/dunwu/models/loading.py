"""Load and save Hugging Face checkpoints. Loading never unpickles and never runs code from a checkpoint."""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from dunwu.config.blocks import SavePrecision
from dunwu.errors import ModelError, UserError
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.models.chat_text import chat_end
from dunwu.models.folder import first_line, read_json, weight_files
from dunwu.models.generations import write_for_both
from dunwu.models.hub_ids import local_folder
from dunwu.models.lora import FOLDER, has_adapters, load_adapter, merged_state, save_adapter
from dunwu.models.protocols import CausalLM, LanguageModel, Tokenizer
from dunwu.models.tokenizer_check import difference
from dunwu.process.hub import hub_answers

_DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16}
_STORED = "stored_dtype"
_ONE_AT_A_TIME = threading.RLock()
"""transformers patches its classes while it loads: two loads at once leave them patched."""
_GENERIC_TOKENIZERS = (None, "PreTrainedTokenizerFast", "TokenizersBackend")
# transformers would save these with the tokenizer: a checkpoint must not depend on where it was loaded from.
_HOW_IT_WAS_LOADED = ("is_local", "local_files_only")
# Errors of transformers, the hub client and safetensors for missing, malformed or unreachable files.
LOAD_ERRORS = (
    *(OSError, ValueError, RuntimeError, LookupError, ArithmeticError, TypeError, AttributeError, ImportError),
    *(SafetensorError, StrictDataclassError),
)
_WHOLE = {"F64", "F32", "F16", "BF16"}
# Tables that older versions saved and every model recomputes; in the backbone of a reward model, the head that it replaces.
_NEEDLESS = re.compile(r"(.*rotary_emb\.inv_freq|.*\.attn\.(masked_)?bias)")
_HEAD = re.compile(r"lm_head\..*")


def load_model(name_or_path: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> tuple[CausalLM, Tokenizer]:
    """Load a causal language model and its tokenizer: ``tiny`` (bundled), a local folder, or a hub id.

    Raises ``ModelError`` that names the path and what is missing or corrupt. A missing parameter is an error too: transformers would fill
    it with random numbers.
    """
    model, tokenizer, missing = load_checkpoint(AutoModelForCausalLM, name_or_path, dtype)
    refuse_missing(name_or_path, missing)
    return model.to(device), tokenizer


def load_checkpoint(auto: Any, name_or_path: str, dtype: torch.dtype, **settings: Any) -> tuple[Any, Tokenizer, set[str]]:
    """The model of an Auto class with ``settings``, its tokenizer, and the names of parameters that the checkpoint lacks."""
    folder = local_folder(name_or_path)
    if folder is not None:
        check_folder(folder)
    source = name_or_path if folder is None else str(folder)
    try:
        tokenizer = _load_tokenizer(source, folder)
        model, missing, unknown = _load_weights(auto, source, dtype, local=folder is not None, **settings)
        _switch_dropout_off(model)
        # The bundled model was rounded only for its size; models trained from it are saved unrounded.
        setattr(model, _STORED, torch.float32 if name_or_path == BUNDLED_NAME else _stored_dtype(source, folder))
    except LOAD_ERRORS as error:
        raise ModelError(_explain(name_or_path, folder, error)) from error
    _refuse_unknown(name_or_path, unknown if auto is AutoModelForCausalLM else [key for key in unknown if not _HEAD.fullmatch(key)])
    return model, tokenizer, missing


def load_tokenizer(name_or_path: str) -> Tokenizer:
    """The tokenizer alone. Raises ``ModelError`` as `load_model`."""
    folder = local_folder(name_or_path)
    if folder is not None:
        _check_tokenizer(folder)
    try:
        return _load_tokenizer(name_or_path if folder is None else str(folder), folder)
    except LOAD_ERRORS as error:
        raise ModelError(_explain(name_or_path, folder, error)) from error


def refuse_missing(name: str, missing: Collection[str]) -> None:
    """Raise ``ModelError`` if a checkpoint lacks parameters."""
    if missing:
        raise ModelError(f"model {name!r} lacks {len(missing)} parameters, first {min(missing)!r}; the checkpoint is incomplete")


def _refuse_unknown(name: str, unknown: Collection[str]) -> None:
    """Raise ``ModelError`` for weights that do not fit the configuration, such as a bias or a layer: transformers drops them."""
    if unknown := [key for key in unknown if not _NEEDLESS.fullmatch(key)]:
        raise ModelError(
            f"model {name!r} has {len(unknown)} weights that do not fit its config.json, first {min(unknown)!r};"
            " take both from the same model"
        )


def save_model(model: LanguageModel, tokenizer: Tokenizer, folder: Path | str, dtype: torch.dtype | None = None) -> None:
    """Write a folder with safetensors weights, configuration and tokenizer that transformers (4 and 5) and vLLM can load.

    The weights are rounded to ``dtype`` (``None``: the model's). Adapters are merged, and the adapter is also saved separately, not
    rounded.
    """
    adapted, dtype = has_adapters(model), dtype or model.dtype
    state = merged_state(model) if adapted else model.state_dict() if dtype != model.dtype else None
    with alone():
        model.save_pretrained(folder, state_dict=None if state is None else _rounded(state, dtype))
    if adapted:
        save_adapter(model, Path(folder) / FOLDER)
    tokenizer.save_pretrained(folder)
    write_for_both(Path(folder), str(dtype).removeprefix("torch."))


def _rounded(state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The state rounded to ``dtype``; tied weights stay tied."""
    made: dict[int, Tensor] = {}
    for tensor in state.values():
        made.setdefault(tensor.data_ptr(), tensor.to(dtype) if tensor.is_floating_point() else tensor)
    return {name: made[tensor.data_ptr()] for name, tensor in state.items()}


def saved_dtype(model: LanguageModel, precision: SavePrecision) -> torch.dtype:
    """The dtype in which to save a model: ``loaded`` is that of the files it was loaded from, or of the model itself if it is new."""
    found: torch.dtype = getattr(model, _STORED, model.dtype) if precision == "loaded" else getattr(torch, precision)
    return found


def load_weights_into(model: LanguageModel, folder: Path) -> None:
    """Copy the weights written by ``save_model`` into an existing model of the same shape, or its adapter into a model with adapters."""
    if has_adapters(model):
        load_adapter(model, folder / FOLDER)
        return
    with alone():
        saved = type(model).from_pretrained(folder, dtype=model.dtype, use_safetensors=True, local_files_only=True)
    with torch.no_grad():
        model.load_state_dict(saved.state_dict())


def pick_device(name: str = "auto") -> torch.device:
    """The device; ``auto``: the first available of CUDA, MPS and CPU. Raises ``UserError`` for an unavailable device."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {name!r} is not available; use `auto` or `cpu`") from error
    return device


def stop_token_ids(tokenizer: Tokenizer, model: LanguageModel) -> tuple[int, ...]:
    """The tokens that end a completion of this model in any engine, without repeats and without those that it does not embed.

    In order: the tokenizer's end of sequence, those of the generation configuration and of the model's, the one that ends a turn in the
    tokenizer's chat template.
    """
    end, embedded = chat_end(tokenizer), range(model.get_input_embeddings().num_embeddings)
    listed = (
        tokenizer.eos_token_id,
        *_listed(getattr(model.generation_config, "eos_token_id", None)),
        *_listed(getattr(model.config, "eos_token_id", None)),
        tokenizer.convert_tokens_to_ids(end) if end else None,
    )
    return tuple(dict.fromkeys(int(token) for token in listed if token is not None and token in embedded))


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def padding_id(tokenizer: Tokenizer, model: LanguageModel) -> int | None:
    """A padding token that the model embeds: the configured padding, else an end token; ``None`` if it embeds none of them."""
    listed = (model.config.pad_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((token for token in listed if token is not None and 0 <= token < model.get_input_embeddings().num_embeddings), None)


def check_folder(folder: Path) -> tuple[dict[str, Any], set[str]]:
    """The configuration and the names of the weights.

    Raises ``ModelError`` unless ``folder`` has a valid configuration, a tokenizer and complete safetensors weights.
    """
    config, names = read_json(folder / "config.json", "a Hugging Face model folder has one"), set[str]()
    _check_tokenizer(folder)
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"weights {path} cannot be read ({first_line(error)}); the file is missing, truncated or corrupt: download it again"
            ) from error
        names |= types.keys()
        if packed := [name for name, kind in types.items() if kind not in _WHOLE and name.endswith("weight")]:
            raise ModelError(f"weights {path}: {packed[0]} is {types[packed[0]]}, quantised; fetch or convert to bfloat16 or float32")
    return config, names


def _check_tokenizer(folder: Path) -> None:
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        raise ModelError(f"no tokenizer.json in {folder}; save the tokenizer beside the weights")


def stored_dtype(name_or_path: str) -> torch.dtype:
    """The dtype of most tensors in a model's files."""
    return _stored_dtype(name_or_path, local_folder(name_or_path))


def _stored_dtype(source: str, folder: Path | None) -> torch.dtype:
    """The dtype of most tensors in the weights."""
    config = _beside(source, folder, "config.json")
    counts = Counter[torch.dtype]()
    for path in [] if config is None else weight_files(config.parent)[:1]:
        with safe_open(path, framework="pt") as file:
            counts.update(_DTYPES.get(file.get_slice(name).get_dtype(), torch.float32) for name in file.keys())  # noqa: SIM118
    return counts.most_common(1)[0][0] if counts else torch.float32


def _load_tokenizer(source: str, folder: Path | None) -> Tokenizer:
    """A tokenizer that gives the ids of tokenizer.json, which the model was trained with: AutoTokenizer's choice, or the plain file.

    For some model types (such as qwen2) AutoTokenizer ignores a generic class name, and for a class of another family it builds that
    family's tokenizer around the vocabulary, which silently gives other ids.
    """
    classes = [AutoTokenizer, PreTrainedTokenizerFast]
    if folder is not None and _described(source, folder).get("tokenizer_class") in _GENERIC_TOKENIZERS:
        classes.reverse()
    probe, failures = "", []
    for kind in classes:
        try:
            with alone():
                local = folder is not None or not hub_answers()
                tokenizer: Tokenizer = kind.from_pretrained(source, local_files_only=local, trust_remote_code=False)
                file = _beside(source, folder, "tokenizer.json")
                probe = "" if file is None else difference(tokenizer, file)
        except LOAD_ERRORS as error:
            if folder is None:
                raise  # do not query an unreachable hub again
            failures.append(error)
            continue
        if not probe:
            return _plain(tokenizer)
    if not probe:
        raise failures[0]
    raise ModelError(f"the tokenizer of {source} gives other ids than its tokenizer.json, as for {probe[:40]!r}; fix tokenizer_config.json")


def _plain(tokenizer: Tokenizer) -> Tokenizer:
    """Of several chat templates the default one, if there is one; a special token that is an empty text is none."""
    for key in _HOW_IT_WAS_LOADED:
        tokenizer.init_kwargs.pop(key, None)
    if isinstance(tokenizer.chat_template, dict):
        tokenizer.chat_template = tokenizer.chat_template.get("default")
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        if getattr(tokenizer, name) == "":
            setattr(tokenizer, name, None)
    return tokenizer


def _described(source: str, folder: Path | None) -> dict[str, Any]:
    file = _beside(source, folder, "tokenizer_config.json")
    return {} if file is None else read_json(file, "")


def _beside(source: str, folder: Path | None, name: str) -> Path | None:
    """A file of the model if it has it; for a hub model, the cached one."""
    if folder is not None:
        return folder / name if (folder / name).is_file() else None
    quiet = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
    found = cached_file(source, name, local_files_only=not hub_answers(), **quiet)
    return None if found is None else Path(found)


def _load_weights(auto: Any, source: str, dtype: torch.dtype, local: bool, **settings: Any) -> tuple[Any, set[str], set[str]]:
    folder = Path(source) if local else None
    file = _beside(source, folder, "config.json")
    config = {} if file is None else read_json(file, "")
    if _pads_outside(config):
        settings = {**settings, "pad_token_id": None}  # an embedding would refuse it, or use its last row
    with alone():
        model, info = auto.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            attn_implementation="sdpa",
            local_files_only=local or not hub_answers(),
            trust_remote_code=False,  # by default transformers asks on the terminal
            output_loading_info=True,
            **settings,
        )
    _check_ends(model)
    if not getattr(model.config, "is_causal", True):
        raise ModelError(
            f"model {source!r} sees later tokens too (is_causal is false in its config.json); take one that predicts the next token"
        )
    if getattr(model.config, "tie_word_embeddings", False) and _own_head(model):
        model.config.tie_word_embeddings = False  # other engines would tie the two by the saved configuration
    if "eos_token_id" not in config:
        # transformers has a default id for the family, such as 2, which may be any token in this vocabulary.
        model.config.eos_token_id = None
        if _beside(source, folder, "generation_config.json") is None and model.can_generate():
            model.generation_config.eos_token_id = None
    return model, set(info["missing_keys"]), set(info["unexpected_keys"])


def _check_ends(model: Any) -> None:
    """Raise ``ModelError`` for ends of sequence in the generation configuration that are no token ids; transformers reads any value."""
    given = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if any(not isinstance(token, int) for token in _listed(given) if token is not None):
        raise ModelError(f"generation_config.json: eos_token_id = {given!r} is not a token id; take the file from the same model")


def _own_head(model: Any) -> bool:
    """True if the output layer is not the embedding: transformers does not tie what the files hold twice with other values."""
    head = model.get_output_embeddings()
    return head is not None and head.weight is not model.get_input_embeddings().weight


def _switch_dropout_off(model: LanguageModel) -> None:
    """Disable dropout but keep its configured value: the engine samples without it, so a policy trained with it would differ."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if getattr(module, "attention_dropout", None):
            module.attention_dropout = 0.0


def _pads_outside(config: Mapping[str, Any]) -> bool:
    padding, size = config.get("pad_token_id"), config.get("vocab_size")
    return isinstance(padding, int) and isinstance(size, int) and not 0 <= padding < size


@contextmanager
def alone() -> Iterator[None]:
    """One call into transformers at a time, without its progress bar and table of missing parameters, which the caller handles.

    Raises ``ValueError`` where tokenizers raises a plain ``Exception``, as for merges of tokens that are not in the vocabulary.
    """
    with _ONE_AT_A_TIME:
        enabled, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        try:
            yield
        finally:
            transformers_logging.set_verbosity(verbosity)
            if enabled:
                transformers_logging.enable_progress_bar()
            if type(error := sys.exception()) is Exception:
                raise ValueError(str(error)) from error


def _explain(name: str, folder: Path | None, error: BaseException) -> str:
    if "trust_remote_code" in str(error):
        return f"model {name!r} brings code of its own, which Dunwu does not run; take a model that transformers knows"
    if "ignore_mismatched_sizes" in str(error):
        return f"model {name!r} has weights of other sizes than its config.json says; take both from the same model"
    if folder is not None:
        return f"model folder {folder} cannot be loaded ({first_line(error)}); take all its files from the same model"
    return f"{name!r} is neither a folder nor a hub model that can be downloaded ({first_line(error)}); check the name or the network"
