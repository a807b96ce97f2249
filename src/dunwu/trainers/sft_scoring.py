"""Log-probabilities of the learned tokens of conversations, packed: by torch as one row, or by the native scorer.

Packed conversations do not see each other. In torch each one's attention is computed by itself, over nothing but its own tokens, so there
is no mask that could be wrong or ignored; positions begin anew with each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from dunwu.data.io.chat_examples import Example
from dunwu.models.chunked_scores import score_in_chunks
from dunwu.models.logprobs import LOGITS_AT_ONCE
from dunwu.models.native import native_or_torch
from dunwu.models.native_logprobs import NativeScorer
from dunwu.models.precision import Precision, attention, causal_attention, matmul_precision, torch_precision
from dunwu.models.protocols import CausalLM

PACKED = "packed_causal_float32"


@dataclass(frozen=True, slots=True)
class Scores:
    """Of N learned tokens, conversation after conversation: log-probabilities (with a gradient), entropies, and whether each was the most
    probable one (``None``: not known).

    ``objective``: the loss summed over them, if it is not their cross-entropy; ``terms``: sums of its terms.
    """

    logprobs_N: Tensor
    entropies_N: Tensor
    hits_N: Tensor | None
    objective: Tensor | None = None
    terms: Mapping[str, float] = field(default_factory=dict)

    @property
    def loss(self) -> Tensor:
        """The loss summed over the tokens, with a gradient."""
        return -self.logprobs_N.sum() if self.objective is None else self.objective


class ExampleScorer(Protocol):
    """Scores conversations under one model."""

    name: str

    def __call__(self, examples: Sequence[Example]) -> Scores:
        """See ``Scores``."""
        ...


class PackedTorchScorer:
    """The model's own forward pass on one row of all conversations, on any device."""

    def __init__(self, model: CausalLM, precision: Precision, why: str = "") -> None:
        self._model, self._precision = model, precision
        self._chunk = max(1, LOGITS_AT_ONCE // model.config.vocab_size)
        self.name = f"torch, {precision}{why}"

    def __call__(self, examples: Sequence[Example]) -> Scores:
        """See ``ExampleScorer``."""
        device, lengths = self._model.device, [len(example.ids) for example in examples]
        ids_T = torch.from_numpy(np.concatenate([example.ids for example in examples])).long().to(device)
        learned_T = torch.from_numpy(np.concatenate([example.learned for example in examples])).to(device)
        positions_T = torch.cat([torch.arange(length) for length in lengths]).to(device)
        with attention(self._model, PACKED), matmul_precision(self._precision, device):
            hidden_1TD = self._model.model(
                input_ids=ids_T[None], position_ids=positions_T[None], use_cache=False, packed_lengths=lengths
            ).last_hidden_state
            # A learned token is never the first of its conversation, so the one before it is of the same.
            hidden_ND, targets_N = hidden_1TD[0, :-1][learned_T[1:]], ids_T[learned_T]
            logprobs_N, entropies_N = score_in_chunks(self._model.lm_head, hidden_ND, targets_N, 1.0, False, self._chunk)
            return Scores(logprobs_N, entropies_N, self._hits(hidden_ND, targets_N))

    @torch.no_grad()
    def _hits(self, hidden_ND: Tensor, targets_N: Tensor) -> Tensor:
        chunks = [hidden_ND[start : start + self._chunk] for start in range(0, len(hidden_ND), self._chunk)]
        return torch.cat([self._model.lm_head(hidden).argmax(dim=-1) for hidden in chunks]) == targets_N


class NativePackedScorer:
    """`kernels/score.c`. It does not return the most probable token."""

    def __init__(self, model: CausalLM, precision: Precision | Literal["auto"] = "auto") -> None:
        """Raises ``NativeUnavailable`` with the reason."""
        self._native = NativeScorer(model, precision)
        self.name = f"native, {self._native.precision}"

    def __call__(self, examples: Sequence[Example]) -> Scores:
        """See ``ExampleScorer``."""
        prompts = [example.ids[: example.start].tolist() for example in examples]
        rests = [example.ids[example.start :].tolist() for example in examples]
        logprobs, entropies = self._native.logprobs(prompts, rests)
        learned = torch.from_numpy(np.concatenate([example.learned[example.start :] for example in examples]))
        return Scores(logprobs[learned], entropies[learned], None)


def make_example_scorer(model: CausalLM, precision: Precision | Literal["auto"], native: bool = True) -> ExampleScorer:
    """Chosen as by `dunwu.trainers.scoring.make_scorer`."""
    return native_or_torch(
        native and precision != "float32",
        lambda: NativePackedScorer(model, precision),
        lambda why: PackedTorchScorer(model, torch_precision(precision, model.device), why),
    )


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    *,
    packed_lengths: Sequence[int],
    **others: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each of the conversations of ``packed_lengths`` (sum T): ``query`` (1, H, T, D) -> (1, T, H, D)."""
    ends = list(accumulate(packed_lengths))
    places = [slice(end - length, end) for end, length in zip(ends, packed_lengths, strict=True)]
    mixed = [causal_attention(module, query[:, :, at], key[:, :, at], value[:, :, at], None, scaling, **others)[0] for at in places]
    return torch.cat(mixed, dim=1), None


ALL_ATTENTION_FUNCTIONS.register(PACKED, packed_attention)
