"""Sampling tokens: counter-based randomness, filters, and the exact log-probability of each sampled token.

A rollout's t-th token is drawn with the uniform number ``u = hash(seed, t)``: generators have no state, so the draw does not depend on the
batch around it, on the slot, or on what was drawn before. The hash is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", OOPSLA 2014): a stream that starts at the mixed seed and advances by the golden gamma. The token is then found by
inverting the cumulative distribution at ``u``. (Logits of one rollout can still differ in their last bits between batch shapes, as matrix
products round differently; a draw within that distance of a boundary may then fall to the neighbour.)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dunwu.types import SamplingParams

GOLDEN_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_UNIFORM_BITS = 24
BLOCK = 1024
"""Masses that `invert_in_blocks` adds up first."""
LOGITS_AT_ONCE = 2**21
"""The most logits that a CPU draws from at a time, 8 MiB: larger tensors are given back to the system and fetched anew at each token."""


def as_int64(value: int) -> int:
    """The signed 64-bit integer with the low 64 bits of ``value``."""
    return ((value + 2**63) % 2**64) - 2**63


def splitmix64(state: Tensor) -> Tensor:
    """SplitMix64's output function on int64 tensors that hold unsigned bits (products wrap around)."""
    state = (state ^ _shift_right(state, 30)) * as_int64(_MIX_1)
    state = (state ^ _shift_right(state, 27)) * as_int64(_MIX_2)
    return state ^ _shift_right(state, 31)


def uniforms(seeds: Tensor, positions: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) with 24 bits, float32, for ``seeds`` and token ``positions`` (both int64, same shape)."""
    gamma = as_int64(GOLDEN_GAMMA)
    bits = splitmix64(splitmix64(seeds + gamma) + (positions + 1) * gamma)
    return _shift_right(bits, 64 - _UNIFORM_BITS).to(torch.float32) * 2.0**-_UNIFORM_BITS


def filters(params: SamplingParams) -> bool:
    """True if some tokens can never be drawn, though their probability is not 0."""
    return params.temperature > 0 and (params.top_k > 0 or params.top_p < 1 or params.min_p > 0)


def draw_each(logits: Tensor, seeds: Tensor, positions: Tensor, params: Sequence[SamplingParams]) -> tuple[Tensor, Tensor]:
    """`draw` with parameters for each row."""
    kinds: dict[tuple[float, ...], list[int]] = {}
    for row, each in enumerate(params):
        kinds.setdefault((each.temperature, each.top_p, each.top_k, each.min_p), []).append(row)
    if len(kinds) == 1:
        return draw(logits, seeds, positions, params[0])
    tokens, logprobs = torch.empty_like(positions), torch.empty(len(params), device=logits.device)
    for rows in kinds.values():
        at = torch.tensor(rows, device=logits.device)
        tokens[at], logprobs[at] = draw(logits[at], seeds[at], positions[at], params[rows[0]])
    return tokens, logprobs


def draw(logits: Tensor, seeds: Tensor, positions: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    """Draw one token a row from ``logits`` (n, V): token ids (n) int64 and their behaviour log-probabilities (n) float32.

    The log-probability is natural and belongs to the distribution drawn from, that is after temperature and filters. Greedy decoding
    (temperature 0) draws from a point mass, whose log-probability 0 would be of no use: it reports that of the softmax at temperature 1.
    Non-finite logits give a NaN log-probability.
    """
    if logits.device.type != "cpu" or logits.numel() <= LOGITS_AT_ONCE:
        return _draw(logits, seeds, positions, params)
    rows = max(1, LOGITS_AT_ONCE // logits.shape[-1])
    parts = (slice(start, start + rows) for start in range(0, len(logits), rows))
    tokens, logprobs = zip(*(_draw(logits[part], seeds[part], positions[part], params) for part in parts), strict=True)
    return torch.cat(tokens), torch.cat(logprobs)


def _draw(logits: Tensor, seeds: Tensor, positions: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    if params.temperature == 0:
        logits = logits.float()
        tokens = logits.argmax(dim=-1)
        return tokens, logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(dim=-1)
    if params.temperature != 1:
        logits = logits.float() / params.temperature
    probs = logits.softmax(dim=-1, dtype=torch.float32)
    uniform = uniforms(seeds, positions)[:, None]
    if not filters(params):
        chosen, mass, total = _invert(probs, uniform)
        return chosen[:, 0], mass.log()[:, 0]
    kept, token_ids = _filtered(probs, params)
    chosen, mass, total = _invert(kept, uniform)
    return token_ids.gather(-1, chosen)[:, 0], (mass / total).log()[:, 0]


def _filtered(probs: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    """Probabilities in falling order, 0 where a filter removes the token, and their token ids.

    Each filter keeps a prefix of that order: top-k its first k; top-p, of what top-k left, the shortest prefix whose mass reaches top_p;
    min-p what has at least min_p times the highest probability. The first token always stays.
    """
    if 0 < params.top_k < probs.shape[-1]:
        probs, token_ids = probs.topk(params.top_k, dim=-1)
        total = probs.sum(dim=-1, keepdim=True)
    else:
        total = probs.sum(dim=-1, keepdim=True)
        probs, token_ids = _likely(probs, total, params) if probs.device.type == "cpu" else _falling(probs)
    keep = probs >= params.min_p * probs[:, :1]
    if params.top_p < 1:
        before = probs.cumsum(dim=-1) - probs
        keep &= before < params.top_p * total
    keep[:, 0] = True
    return probs * keep, token_ids


def _falling(probs: Tensor) -> tuple[Tensor, Tensor]:
    """In falling order; of equals, the first one first."""
    probs, token_ids = probs.sort(dim=-1, descending=True, stable=True)
    return probs, token_ids


def _likely(probs: Tensor, total: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    """The beginning of `_falling`, with all that top-p and min-p keep: they keep little of a large vocabulary, and to sort all of it takes
    longer than a token of a small model.

    Tokens of at most ``(1 - top_p) / V`` each have together at most the mass that top-p leaves out; the half allows for rounding.
    """
    lowest = torch.maximum(params.min_p * probs.amax(dim=-1, keepdim=True), 0.5 * (1 - params.top_p) / probs.shape[-1] * total)
    chosen = ~(probs < lowest)  # NaN stays
    rows, columns = chosen.nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=len(probs))
    if int(counts.max()) * 2 > probs.shape[-1]:
        return _falling(probs)
    places = torch.arange(len(rows)) - (counts.cumsum(dim=-1) - counts)[rows]
    token_ids = torch.zeros(len(probs), int(counts.max()), dtype=torch.long)
    token_ids[rows, places] = columns
    masses = torch.zeros(token_ids.shape, dtype=probs.dtype)
    masses[rows, places] = probs[rows, columns]
    masses, order = _falling(masses)
    return masses, token_ids.gather(-1, order)


def _invert(probs: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Index (n, 1) where the cumulative sum of ``probs`` (n, V) passes ``uniform`` (n, 1) of its total; the mass there; the total.

    ``uniform * total < total`` holds in floating point for 24-bit uniforms, so an index of mass 0 is never returned by a running sum.
    """
    if probs.device.type != "cpu":
        return invert_in_blocks(probs, uniform)
    cumulative = probs.cumsum(dim=-1, dtype=torch.float32)
    total = cumulative[:, -1:]
    index = torch.searchsorted(cumulative, uniform * total, right=True).clamp_(max=probs.shape[-1] - 1)
    return index, probs.gather(-1, index), total


def invert_in_blocks(probs: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`_invert` on two levels, for an accelerator: the block of `BLOCK` masses that passes, then the place in it.

    The parallel scan of an accelerator adds in another order for each element, so its float32 sums may decrease or pass too early. Running
    sums here are in float64, but only over the blocks and over one block: in float64 over a whole vocabulary they took most of a draw.
    """
    blocks, width = probs.shape[-1] // BLOCK, probs.shape[-1]
    whole = probs[:, : blocks * BLOCK].view(len(probs), blocks, BLOCK).sum(dim=-1)
    sums = _running_sum(torch.cat((whole, probs[:, blocks * BLOCK :].sum(dim=-1, keepdim=True)), dim=-1))
    total = sums[:, -1:]
    target = uniform.to(total.device).to(total.dtype) * total
    block = torch.searchsorted(sums, target, right=True).clamp_(max=blocks)
    rest = target - torch.where(block > 0, sums.gather(-1, (block - 1).clamp_(min=0)), 0.0)
    places = block.to(probs.device) * BLOCK + torch.arange(BLOCK, device=probs.device)
    inside = _running_sum(probs.gather(-1, places.clamp(max=width - 1)) * (places < width))
    # A block's own running sum may end a little below its float32 sum: then the last token with mass is meant.
    last = torch.searchsorted(inside, inside[:, -1:].contiguous())
    index = torch.minimum(torch.searchsorted(inside, rest, right=True), last).clamp_(max=BLOCK - 1)
    index = (block * BLOCK + index).clamp_(max=width - 1).to(probs.device)
    return index, probs.gather(-1, index), total.to(probs.dtype).to(probs.device)


def _running_sum(masses: Tensor) -> Tensor:
    """Cumulative sums of each row in float64, which MPS lacks: there they are on the CPU."""
    return (masses.cpu() if masses.device.type == "mps" else masses).double().cumsum(dim=-1)


def _shift_right(value: Tensor, bits: int) -> Tensor:
    """Logical right shift; torch's own copies the sign bit."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)
