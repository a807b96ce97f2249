"""The decoder's forward pass over live parameters: whole prompts (prefill) and one token per slot (decode).

Qwen2, Qwen3 and Llama share it: pre-norm blocks with RMSNorm, rotary positions (halves rotated), grouped-query attention and a gated MLP.
Dropout does not exist here, whatever mode the trainer has left the model in.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear, rms_norm, scaled_dot_product_attention

from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.weights import DecoderWeights, LayerWeights

Rope = tuple[Tensor, Tensor]
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries (n, kv_heads, G, D), keys and values (n, kv_heads, longest, D) -> (n, kv_heads, G, D).

The G query heads of a key head take the place of query positions: keys and values are read once for all of them, without copies.
"""
Attention = Callable[[DecoderWeights, Tensor, int], Attend]
"""``(weights, lengths, longest)``: what the layers of a step share. A slot sees positions 0 to ``lengths`` (n) inclusive."""


def prefill(weights: DecoderWeights, token_ids_PT: Tensor, lengths_P: Tensor, rope: Rope) -> tuple[Tensor, Tensor]:
    """Read right-padded prompts together.

    Returns keys and values (layers, 2, P, kv_heads, T, head_dim) and the logits (P, V) after each prompt's last token.
    Padding needs no mask: it stands behind every real token, so causality hides it.
    """
    prompts, length = token_ids_PT.shape
    cos, sin = rope[0][:length, None], rope[1][:length, None]
    kept = []
    x = embedding(token_ids_PT, weights.embedding)
    for layer in weights.layers:
        q, k, v = (t.transpose(1, 2) for t in _qkv(weights, layer, x, cos, sin))
        kept.append(torch.stack((k, v)))
        attended = scaled_dot_product_attention(q, k, v, is_causal=True, scale=weights.scale, enable_gqa=True)
        x = _finish_layer(weights, layer, x, attended.transpose(1, 2).reshape(prompts, length, -1))
    last = x[torch.arange(prompts, device=x.device), lengths_P - 1]
    return torch.stack(kept), _logits(weights, last)


def masked_sdpa(weights: DecoderWeights, lengths: Tensor, longest: int) -> Attend:
    """Torch's attention with a mask. It reads all ``longest`` positions of each slot."""
    hidden = torch.arange(longest, device=lengths.device) > lengths[:, None]
    mask = torch.zeros(hidden.shape, device=lengths.device, dtype=weights.embedding.dtype).masked_fill_(hidden, -torch.inf)
    grouped = len(lengths), weights.kv_heads, weights.heads // weights.kv_heads, longest
    return partial(scaled_dot_product_attention, attn_mask=mask[:, None, None].expand(grouped), scale=weights.scale)


def decode(
    weights: DecoderWeights,
    tokens: Tensor,
    lengths: Tensor,
    longest: int,
    cache: KVCache,
    rope: Rope,
    attention: Attention = masked_sdpa,
) -> Tensor:
    """Feed one token to each of the slots 0..n-1 and return the next logits (n, V).

    ``lengths`` (n) counts the tokens already held by each slot, which is the position of the new one;
    ``longest`` is at least ``lengths.max() + 1``: later keys are not read.
    """
    slots = len(tokens)
    cos, sin = rope[0][lengths, None], rope[1][lengths, None]
    rows = cache.row_index(lengths)
    x = embedding(tokens, weights.embedding)
    grouped = (slots, weights.kv_heads, weights.heads // weights.kv_heads, weights.head_dim)
    attend = attention(weights, lengths, longest)
    for index, layer in enumerate(weights.layers):
        q, k, v = _qkv(weights, layer, x, cos, sin)
        cache.write(index, rows, k, v)
        keys, values = cache.view(index, slots, longest)
        x = _finish_layer(weights, layer, x, attend(q.view(grouped), keys, values).reshape(slots, -1))
    return _logits(weights, x)


def _qkv(weights: DecoderWeights, layer: LayerWeights, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rotated queries, rotated keys and values, each (..., heads, head_dim)."""
    normed = rms_norm(x, x.shape[-1:], layer.attention_norm, weights.eps)
    heads = weights.heads, weights.kv_heads, weights.kv_heads
    if layer.qkv is not None:
        together = linear(normed, *layer.qkv).view(*x.shape[:-1], -1, weights.head_dim)
        if layer.q_norm is None:
            rotated = _rotate(together[..., : heads[0] + heads[1], :], cos, sin)
            return rotated[..., : heads[0], :], rotated[..., heads[0] :, :], together[..., -heads[2] :, :]
        q, k, v = torch.split(together, list(heads), dim=-2)
    else:
        q, k, v = (linear(normed, *affine).view(*x.shape[:-1], -1, weights.head_dim) for affine in (layer.q, layer.k, layer.v))
    if layer.q_norm is not None:
        q = rms_norm(q, q.shape[-1:], layer.q_norm, weights.eps)
        k = rms_norm(k, k.shape[-1:], layer.k_norm, weights.eps)
    return _rotate(q, cos, sin), _rotate(k, cos, sin), v


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.addcmul(x * cos, torch.cat((-second, first), dim=-1), sin)


def _finish_layer(weights: DecoderWeights, layer: LayerWeights, x: Tensor, attended: Tensor) -> Tensor:
    x = x + linear(attended, *layer.o)
    normed = rms_norm(x, x.shape[-1:], layer.mlp_norm, weights.eps)
    if layer.gate_up is None:
        gate, up = linear(normed, *layer.gate), linear(normed, *layer.up)
    else:
        gate, up = linear(normed, *layer.gate_up).chunk(2, dim=-1)
    return x + linear(layer.activation(gate).mul_(up), *layer.down)


def _logits(weights: DecoderWeights, x: Tensor) -> Tensor:
    return linear(rms_norm(x, x.shape[-1:], weights.norm, weights.eps), *weights.head)
