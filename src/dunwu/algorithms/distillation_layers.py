"""Distillation of hidden states and attention between models of different width, depth and head count, one value a token.

Hidden state 0 is the embedding and m the output of layer m; layers are numbered from 1. T tokens, D width, H heads, d width of a head,
M and N the layers of student and teacher.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dunwu.algorithms.distillation import FORWARD_KL

LayerMap = tuple[tuple[int, int], ...]
"""Pairs of a layer of the student and the layer of the teacher that it learns from."""
Distance = Callable[[Tensor, Tensor], Tensor]
"""``(student_BTD, teacher_BTD) -> distance_BT``"""


def uniform_map(student_layers: int, teacher_layers: int) -> LayerMap:
    """Each layer of the student learns from the teacher's at the same share of its depth; the last from the last.

    TinyBERT (arXiv 1909.10351) section 3.1, ``g(m) = m * N / M``; PKD-Skip (arXiv 1908.09355). Departure: rounded up where M does not
    divide N.
    """
    return tuple((m, math.ceil(m * teacher_layers / student_layers)) for m in range(1, student_layers + 1))


def last_k_map(student_layers: int, teacher_layers: int, k: int) -> LayerMap:
    """The student's last k layers learn from the teacher's last k, in order; PKD-Last (arXiv 1908.09355), MiniLM (2002.10957) at k = 1."""
    shallower = min(student_layers, teacher_layers)
    assert 1 <= k <= shallower, f"k is {k}; it must be between 1 and {shallower}, the layers of the shallower model"
    return tuple((student_layers - back, teacher_layers - back) for back in reversed(range(k)))


def squared_distance(student_BTD: Tensor, teacher_BTD: Tensor) -> Tensor:
    """Mean squared error over the width, ``[B, T]``; TinyBERT (arXiv 1909.10351) Eq. 8. A few wide dimensions can outweigh all others."""
    return (student_BTD - teacher_BTD).square().mean(dim=-1)


def cosine_distance(student_BTD: Tensor, teacher_BTD: Tensor) -> Tensor:
    """``1 - cos``, ``[B, T]``; DistilBERT (arXiv 1910.01108) section 2. Half of PKD's Eq. 7, the squared distance of unit vectors."""
    return 1 - nn.functional.cosine_similarity(student_BTD, teacher_BTD, dim=-1)


class HiddenTransfer(nn.Module):
    """How far the student's hidden states, projected to the teacher's width, are from the teacher's; its weights are trained too.

    TinyBERT (arXiv 1909.10351) Eq. 8: ``distance(h W, h_P)``, with W only where the widths differ. With ``learned`` layers of
    the teacher, each pair's target is a mean of all of them with trained weights, equal at first, instead of the layer that the map names
    (after ALP-KD, arXiv 2012.14022, whose weights depend on the input). Trained weights move to what is easiest to match.
    """

    def __init__(self, layer_map: LayerMap, student_width: int, teacher_width: int, distance: Distance, learned: int = 0) -> None:
        super().__init__()
        self.layer_map, self.distance = layer_map, distance
        same = student_width == teacher_width
        self.project = nn.ModuleList(nn.Identity() if same else nn.Linear(student_width, teacher_width, bias=False) for _ in layer_map)
        self.scores_MN = nn.Parameter(torch.zeros(len(layer_map), learned)) if learned else None

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Mean distance over the pairs, ``[B, T]``, of all hidden states of both models, ``[B, T, D]`` each."""
        states = [project(student[layer]) for project, (layer, _) in zip(self.project, self.layer_map, strict=True)]
        return torch.stack([self.distance(*pair) for pair in zip(states, self._targets(teacher), strict=True)]).mean(dim=0)

    def _targets(self, teacher: Sequence[Tensor]) -> Sequence[Tensor]:
        if self.scores_MN is None:
            return [teacher[layer] for _, layer in self.layer_map]
        layers_NBTD = torch.stack(tuple(teacher[1:]))
        return torch.einsum("mn,nbtd->mbtd", self.scores_MN.softmax(dim=-1).to(layers_NBTD.dtype), layers_NBTD).unbind()


def visible_tokens(mask_BT: Tensor) -> Tensor:
    """Which tokens (last axis) each token sees, ``[B, T, T]``: those before it that are no padding, and itself."""
    length = mask_BT.shape[1]
    causal_TT = torch.ones(length, length, dtype=torch.bool, device=mask_BT.device).tril()
    return (causal_TT & mask_BT[:, None, :]) | torch.eye(length, dtype=torch.bool, device=mask_BT.device)


def relation(left_BHTd: Tensor, right_BKTd: Tensor, heads: int, visible_BTT: Tensor) -> Tensor:
    """Log-probabilities of a self-attention relation, ``[B, heads, T, T]``: how each token attends to those before it.

    MiniLMv2 (arXiv 2012.15828) section 3.1, with relation heads a of width d_r = H * d / heads that cut across attention heads::

        R_a = softmax(left_a right_a^T / sqrt(d_r))

    Queries with keys at ``heads = H`` are the attention map itself; values with values the value relation of MiniLM (arXiv 2002.10957)
    section 3.2. Grouped heads (K < H) are repeated first. Departure: tokens see what the causal model shows them.
    """
    left_BRTd, right_BRTd = (_split(side, heads) for side in (left_BHTd, _repeated(right_BKTd, left_BHTd.shape[1])))
    scores_BRTT = left_BRTd @ right_BRTd.transpose(-1, -2) / math.sqrt(left_BRTd.shape[-1])
    # Not -inf: what neither model sees must count as 0 in the divergence.
    return scores_BRTT.masked_fill(~visible_BTT[:, None], torch.finfo(scores_BRTT.dtype).min).log_softmax(dim=-1)


def relation_divergence(student_BRTT: Tensor, teacher_BRTT: Tensor) -> Tensor:
    """KL of the student's rows of a `relation` from the teacher's, mean over heads, ``[B, T]``.

    MiniLM (arXiv 2002.10957) sections 3.1 and 3.2, MiniLMv2 (arXiv 2012.15828) section 3.1: ``1 / A sum_a KL(R_a of the teacher || R_a)``.
    The teacher's carries no gradient.
    """
    return FORWARD_KL(student_BRTT, teacher_BRTT).mean(dim=1)


def _split(vectors_BHTd: Tensor, heads: int) -> Tensor:
    """The vectors of all heads in a row, cut into ``heads`` equal parts."""
    batch, own, length, width = vectors_BHTd.shape
    assert own * width % heads == 0, f"{heads} relation heads do not divide {own} heads of width {width}"
    return vectors_BHTd.transpose(1, 2).reshape(batch, length, heads, -1).transpose(1, 2)


def _repeated(vectors_BKTd: Tensor, heads: int) -> Tensor:
    return vectors_BKTd.repeat_interleave(heads // vectors_BKTd.shape[1], dim=1)
