"""The trainer's log-probabilities of completion tokens."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from dunwu.models.chunked_scores import score_in_chunks
from dunwu.models.protocols import CausalLM

# Default number of logits (float32) held at once: 128 MiB.
LOGITS_AT_ONCE = 2**25


def token_logprobs(
    model: CausalLM,
    input_ids_BT: Tensor,
    attention_mask_BT: Tensor,
    completion_mask: Tensor,
    temperature: float = 1.0,
    chunk: int = 0,
    *,
    entropy_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    """Log-probability of each completion token under ``model`` at ``temperature``, and the entropy of its distribution.

    Both results are (B, T) float32, aligned with ``input_ids_BT``: entry t belongs to token t and was predicted at t - 1; entries outside
    ``completion_mask`` (bool, B, T; never true at t = 0) are 0. Gradients flow through the log-probabilities, and with
    ``entropy_gradient`` through the entropies too.
    ``attention_mask_BT`` is 1 on tokens and 0 on padding, which must be on the right: causality then hides it, positions count from 0,
    and attention needs no mask. Logits are computed at completion positions only, ``chunk`` of them at a time (0: as fits
    ``LOGITS_AT_ONCE``); with several chunks, no logits are kept (`chunked_scores`).
    """
    assert temperature > 0, f"temperature is {temperature}; log-probabilities need a positive one"
    assert not completion_mask[:, 0].any(), "nothing predicts the first token"
    assert bool((attention_mask_BT[:, 1:] <= attention_mask_BT[:, :-1]).all()), "padding must be on the right"
    hidden_BTD = model.model(input_ids=input_ids_BT, use_cache=False).last_hidden_state
    scored = completion_mask.bool()
    hidden = hidden_BTD[:, :-1][scored[:, 1:]]
    targets = input_ids_BT[scored]
    chunk = chunk or max(1, LOGITS_AT_ONCE // model.config.vocab_size)
    score = _score if len(targets) <= chunk else partial(score_in_chunks, chunk=chunk)
    logprobs, entropies = score(model.lm_head, hidden, targets, temperature, entropy_gradient)
    blank = torch.zeros(input_ids_BT.shape, dtype=torch.float32, device=input_ids_BT.device)
    return blank.masked_scatter(scored, logprobs), blank.masked_scatter(scored, entropies)


def _score(head: Any, hidden: Tensor, targets: Tensor, temperature: float, entropy_gradient: bool) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies (N) of ``targets`` (N) after ``hidden`` (N, D)."""
    logprobs = (head(hidden).float() / temperature).log_softmax(dim=-1)
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        entropies = -(logprobs.exp() * logprobs).sum(dim=-1)
    return logprobs.gather(-1, targets[:, None])[:, 0], entropies
