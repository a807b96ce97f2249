"""Ways to attend to the cache in a decoding step, beside the engine's own `masked_sdpa`; `benchmarks.gpu_check` measures them.

The engine takes another one once it is 1.3 times as fast at mixed lengths on a real GPU (docs/decisions/0012).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from dunwu.rollout.torch_engine.forward import Attend
from dunwu.rollout.torch_engine.weights import DecoderWeights

BLOCK = 128


@cache
def _flex() -> Any:
    """Torch's FlexAttention, compiled where there is a GPU: it is only then faster than a mask."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention) if torch.cuda.is_available() else flex_attention


def flex(weights: DecoderWeights, lengths: Tensor, longest: int) -> Attend:
    """FlexAttention with a list of blocks for each row: it reads no block behind a row's length."""
    from torch.nn.attention.flex_attention import BlockMask

    blocks = -(-longest // BLOCK)
    every = torch.arange(blocks, dtype=torch.int32, device=lengths.device).expand(len(lengths), 1, 1, blocks)
    partial_block = (lengths // BLOCK).to(torch.int32)
    mask = BlockMask.from_kv_blocks(
        torch.ones_like(partial_block)[:, None, None],
        partial_block[:, None, None, None].expand(len(lengths), 1, 1, blocks).contiguous(),
        partial_block[:, None, None],
        every.contiguous(),
        BLOCK_SIZE=BLOCK,
        mask_mod=lambda row, head, query, key: key <= lengths[row],
        seq_lengths=(weights.heads // weights.kv_heads, longest),
        compute_q_blocks=False,
    )
    return lambda q, k, v: _flex()(q, k, v, block_mask=mask, scale=weights.scale)


def flash(weights: DecoderWeights, lengths: Tensor, longest: int) -> Attend:
    """Torch's own flash kernel with the used length of each row, which torch offers under a private name only. On CUDA alone."""
    group, rows = weights.heads // weights.kv_heads, len(lengths) * weights.kv_heads
    starts = torch.arange(rows + 1, dtype=torch.int32, device=lengths.device)
    used = (lengths + 1).to(torch.int32).repeat_interleave(weights.kv_heads)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        # Each key head of each slot is a sequence of its own, as far apart as the cache's capacity.
        apart = k.stride(1) // k.stride(2)
        size = (rows - 1) * apart + longest
        keys, values = (each.as_strided((size, 1, each.shape[-1]), (each.stride(2), each.stride(2), 1)) for each in (k, v))
        queries = q.reshape(rows * group, 1, q.shape[-1])
        found = torch.ops.aten._flash_attention_forward(
            queries, keys, values, starts * group, starts * apart, group, longest, 0.0, False, False, scale=weights.scale, seqused_k=used
        )
        return found[0].view(q.shape)

    return attend
