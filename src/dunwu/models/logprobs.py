"""The trainer's log-probabilities of completion tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

# Logits (float32) held at once where the caller does not say: 128 MiB.
LOGITS_AT_ONCE = 2**25


def token_logprobs(
    model: Any, input_ids_BT: Tensor, attention_mask_BT: Tensor, completion_mask: Tensor, temperature: float = 1.0, chunk: int = 0
) -> tuple[Tensor, Tensor]:
    """Log-probability of each completion token under ``model`` at ``temperature``, and the entropy of its distribution.

    Both results are (B, T) float32, aligned with ``input_ids_BT``: entry t belongs to token t and was predicted at t - 1; entries outside
    ``completion_mask`` (bool, B, T; never true at t = 0) are 0. Gradients flow through the log-probabilities, not through the entropies.
    ``attention_mask_BT`` is 1 on tokens and 0 on padding, which must stand on the right: causality then hides it, positions count from 0,
    and attention needs no mask. Only completion positions meet the vocabulary, ``chunk`` of them at a time (0: as fits ``LOGITS_AT_ONCE``);
    where there are several chunks, the backward pass computes their logits again instead of keeping them.
    """
    assert temperature > 0, f"temperature is {temperature}; log-probabilities need a positive one"
    assert not completion_mask[:, 0].any(), "nothing predicts the first token"
    assert bool((attention_mask_BT[:, 1:] <= attention_mask_BT[:, :-1]).all()), "padding must be on the right"
    hidden_BTD = model.model(input_ids=input_ids_BT, use_cache=False).last_hidden_state
    scored = completion_mask.bool()
    hidden = hidden_BTD[:, :-1][scored[:, 1:]]
    targets = input_ids_BT[scored]
    logprobs, entropies = _in_chunks(
        model.lm_head, hidden, targets, temperature, chunk or max(1, LOGITS_AT_ONCE // model.config.vocab_size)
    )
    blank = torch.zeros(input_ids_BT.shape, dtype=torch.float32, device=input_ids_BT.device)
    return blank.masked_scatter(scored, logprobs), blank.masked_scatter(scored, entropies)


def _in_chunks(head: Any, hidden: Tensor, targets: Tensor, temperature: float, chunk: int) -> tuple[Tensor, Tensor]:
    if len(targets) <= chunk:
        return _score(head, hidden, targets, temperature)
    parts: list[tuple[Tensor, Tensor]] = [
        checkpoint(_score, head, h, t, temperature, use_reentrant=False)
        for h, t in zip(torch.split(hidden, chunk), torch.split(targets, chunk), strict=True)
    ]
    logprobs, entropies = zip(*parts, strict=True)
    return torch.cat(logprobs), torch.cat(entropies)


def _score(head: Any, hidden: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies (N) of ``targets`` (N) after ``hidden`` (N, D)."""
    logprobs = (head(hidden).float() / temperature).log_softmax(dim=-1)
    with torch.no_grad():
        entropies = -(logprobs.exp() * logprobs).sum(dim=-1)
    return logprobs.gather(-1, targets[:, None])[:, 0], entropies
