"""A scalar head on the last token of a causal language model: the form of a reward model.

It is the sequence classifier of `transformers` with one label, so ``AutoModelForSequenceClassification`` loads its folder and gives the
same scores. The label's name is the criterion.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from dunwu.errors import ModelError
from dunwu.models.hub_ids import local_folder
from dunwu.models.loading import check_folder, load_checkpoint, load_tokenizer, padding_id, refuse_missing
from dunwu.models.precision import Precision, matmul_precision
from dunwu.models.protocols import RewardHeadModel, Tokenizer

HEAD = "score.weight"


def load_scorer(
    name_or_path: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, seed: int | None = None
) -> tuple[RewardHeadModel, Tokenizer]:
    """A model with a scalar head, and its tokenizer: from a folder that has a head, or from a causal model with a new head of ``seed``.

    Raises ``ModelError`` as `load_model`, for a head of another form, and for a missing head without ``seed``.
    """
    model, tokenizer, missing = load_checkpoint(AutoModelForSequenceClassification, name_or_path, dtype, num_labels=1)
    _check(name_or_path, model, missing, seed)
    if missing:
        assert seed is not None
        _new_head(model, seed)
    _set_padding(name_or_path, model, tokenizer)
    return model.to(device), tokenizer


def scores(model: RewardHeadModel, ids_BT: Tensor, precision: Precision = "float32") -> Tensor:
    """One score per row, ``[B]`` in float32: the head on the last token that is not padding, as in `transformers`.

    Padding is on the right, where causality hides it, so no mask is needed. ``precision`` is that of the layers below the head.
    """
    with matmul_precision(precision, ids_BT.device):
        hidden_BTD = model.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state
    places_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)
    last_B = (places_T * (ids_BT != model.config.pad_token_id)).argmax(dim=1)
    hidden_BD = hidden_BTD[torch.arange(len(ids_BT), device=ids_BT.device), last_B]
    return F.linear(hidden_BD.float(), model.score.weight.float())[:, 0]


def label_of(model: RewardHeadModel) -> str:
    """The name of the model's only label."""
    return str(model.config.id2label[0])


def set_label(model: RewardHeadModel, label: str) -> None:
    """Set the name of the only label; it is saved with the model."""
    model.config.id2label, model.config.label2id = {0: label}, {label: 0}


def scorer_label(name_or_path: str) -> str | None:
    """The name of a local model's only label, read without its weights; ``None`` for a model of the hub.

    Raises ``ModelError`` for a missing model, corrupt files or a missing head.
    """
    load_tokenizer(name_or_path)
    folder = local_folder(name_or_path)
    if folder is None:
        return None
    config, names = check_folder(folder)
    if HEAD not in names:
        raise ModelError(_no_head(name_or_path))
    return str((config.get("id2label") or {}).get("0", "LABEL_0"))


def _no_head(source: str) -> str:
    return f"model {source!r} has no reward head; train one with `dunwu reward-model --model {source}`"


def _check(source: str, model: RewardHeadModel, missing: set[str], seed: int | None) -> None:
    head = getattr(model, "score", None)
    if not isinstance(head, torch.nn.Linear) or head.bias is not None:
        raise ModelError(
            f"model_type {model.config.model_type!r} of {source!r} has no `score` head; take a model of the Qwen or Llama family"
        )
    refuse_missing(source, missing - {HEAD})
    if missing and seed is None:
        raise ModelError(_no_head(source))


def _new_head(model: RewardHeadModel, seed: int) -> None:
    """Initialise the head like other layers, but with its own generator: it depends on its seed only."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.empty(model.score.weight.shape).normal_(std=model.config.initializer_range, generator=generator)
    with torch.no_grad():
        model.score.weight.copy_(weight)


def _set_padding(source: str, model: RewardHeadModel, tokenizer: Tokenizer) -> None:
    """Ensure a padding token in the configuration: the classifier finds a row's last token by it."""
    padding = padding_id(tokenizer, model)
    if padding is None:
        raise ModelError(f"the tokenizer of {source!r} has neither a padding nor an end token that the model embeds; give it one")
    model.config.pad_token_id = padding
