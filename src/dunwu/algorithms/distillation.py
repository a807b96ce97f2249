"""Distillation on next-token distributions: how far the student's is from the teacher's, one value a token.

P is the teacher, Q the student; the gradient flows to the student only. A loss is a weighted sum of these values, with global
denominators (`dunwu.algorithms.terms`); `dunwu.models.chunked_logits` makes the logits a few tokens at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Divergence:
    """A divergence of Q from P as a value; called on log-probabilities, it gives one number >= 0 for each distribution::

        D(P, Q) = of_teacher * KL(P || M) + of_student * KL(Q || M)        M = mixture * P + (1 - mixture) * Q

    Shapes: ``student_NV`` (with gradient), ``teacher_NV`` (without) -> ``[N]``. Log-probabilities must be finite.
    """

    name: str
    of_teacher: float
    of_student: float
    mixture: float

    def __post_init__(self) -> None:
        assert min(self.of_teacher, self.of_student) >= 0, f"weights must be >= 0, got {self.of_teacher} and {self.of_student}"
        assert 0 <= self.mixture <= 1, f"a mixture is between 0 and 1, got {self.mixture}"

    def __call__(self, student_NV: Tensor, teacher_NV: Tensor) -> Tensor:
        assert student_NV.shape == teacher_NV.shape, f"student {tuple(student_NV.shape)} and teacher {tuple(teacher_NV.shape)} differ"
        assert not teacher_NV.requires_grad, "the teacher's log-probabilities must carry no gradient"
        mixed_NV = self._mixed(student_NV, teacher_NV)
        total_N = torch.zeros_like(student_NV[..., 0])
        for weight, logprobs_NV in ((self.of_teacher, teacher_NV), (self.of_student, student_NV)):
            if weight:
                total_N = total_N + weight * (logprobs_NV.exp() * (logprobs_NV - mixed_NV)).sum(dim=-1)
        return total_N

    def _mixed(self, student_NV: Tensor, teacher_NV: Tensor) -> Tensor:
        if self.mixture in (0, 1):
            return teacher_NV if self.mixture else student_NV
        return torch.logaddexp(teacher_NV + math.log(self.mixture), student_NV + math.log1p(-self.mixture))


FORWARD_KL = Divergence("forward-kl", of_teacher=1, of_student=0, mixture=0)
"""``KL(P || Q)``, the soft targets of Hinton et al. (arXiv 1503.02531) section 2 less the teacher's entropy. It covers all that P does."""
REVERSE_KL = Divergence("reverse-kl", of_teacher=0, of_student=1, mixture=1)
"""``KL(Q || P)``, MiniLLM (arXiv 2306.08543) Eq. 1. It keeps to what P finds likely."""


def jensen_shannon(beta: float = 0.5) -> Divergence:
    """Generalised Jensen-Shannon divergence, GKD (arXiv 2306.13649) Eq. 1::

        D = beta * KL(P || M) + (1 - beta) * KL(Q || M)        M = beta * P + (1 - beta) * Q

    Departure: at 0 and 1, where it vanishes, the limits of D / beta and D / (1 - beta) take its place, forward and reverse KL, as in TRL.
    """
    if beta in (0, 1):
        return REVERSE_KL if beta else FORWARD_KL
    return Divergence("jensen-shannon", of_teacher=beta, of_student=1 - beta, mixture=beta)


def skewed_forward(alpha: float = 0.1) -> Divergence:
    """Skewed KL, DistiLLM (arXiv 2402.03898) section 3.1: ``KL(P || alpha * P + (1 - alpha) * Q)``; forward KL at 0."""
    return Divergence("skewed-forward", of_teacher=1, of_student=0, mixture=alpha)


def skewed_reverse(alpha: float = 0.1) -> Divergence:
    """Skewed reverse KL, DistiLLM (arXiv 2402.03898) section 3.1: ``KL(Q || (1 - alpha) * P + alpha * Q)``; reverse KL at 0."""
    return Divergence("skewed-reverse", of_teacher=0, of_student=1, mixture=1 - alpha)


def full_divergence(divergence: Divergence, student_NV: Tensor, teacher_NV: Tensor, temperature: float = 1.0) -> Tensor:
    """Divergence of the student's logits from the teacher's at a temperature, times its square.

    Hinton et al. (arXiv 1503.02531) Eq. 1 and the end of section 2: ``T^2 * D(softmax(z_P / T), softmax(z_Q / T))``. The
    gradient of D falls as 1 / T^2; the factor keeps its size. GKD and TRL leave it out.

    Shapes: logits ``student_NV``, ``teacher_NV`` -> ``[N]``. Heads of one tokenizer may differ in size where embeddings are padded
    (Qwen2.5: 151,936 and 152,064): logits past the shorter one belong to no token and are dropped.
    """
    size = min(student_NV.shape[-1], teacher_NV.shape[-1])
    student_NV, teacher_NV = (_logprobs(logits_NV[..., :size], temperature) for logits_NV in (student_NV, teacher_NV))
    return temperature**2 * divergence(student_NV, teacher_NV)


@dataclass(frozen=True, slots=True)
class TopK:
    """What is stored of a teacher's distributions: their k most probable tokens, and everything else as one bucket, the tail.

    ``ids_NK`` int64; ``logprobs_NK`` and ``tail_N`` (log of the tail's mass) at ``temperature``, which cannot be changed afterwards:
    it would need all logits.
    """

    ids_NK: Tensor
    logprobs_NK: Tensor
    tail_N: Tensor
    temperature: float = 1.0

    def __getitem__(self, rows: slice) -> TopK:
        return TopK(self.ids_NK[rows], self.logprobs_NK[rows], self.tail_N[rows], self.temperature)


def top_k(logits_NV: Tensor, k: int, temperature: float = 1.0) -> TopK:
    """The `TopK` of a teacher's logits. The tail is summed from its own tokens, so it keeps its digits however small it is."""
    assert 1 <= k <= logits_NV.shape[-1], f"k is {k}; it must be between 1 and {logits_NV.shape[-1]}"
    logprobs_NV = _logprobs(logits_NV, temperature)
    ids_NK = logprobs_NV.topk(k, dim=-1).indices
    buckets = _buckets(logprobs_NV, ids_NK)
    return TopK(ids_NK, buckets[..., :-1], buckets[..., -1], temperature)


def tail_of(logprobs_NK: Tensor) -> Tensor:
    """``log(1 - sum_k p_k)``, ``[N]``: the tail where only the k log-probabilities are known, as of an endpoint.

    Their rounding is all that is left of a small tail: it is taken to be at least one unit in the last place.
    """
    mass_N = logprobs_NK.logsumexp(dim=-1)
    return torch.log(-torch.expm1(mass_N.clamp(max=-torch.finfo(mass_N.dtype).eps)))


def top_k_divergence(divergence: Divergence, student_NV: Tensor, teacher: TopK) -> Tensor:
    """`full_divergence` over k + 1 buckets: the teacher's k tokens, and the mass of all others.

    Shapes: logits ``student_NV`` -> ``[N]``. It equals the full divergence at k = V, and is never more (data processing inequality): what
    the student does inside the tail is free.
    """
    teacher_NK = torch.cat((teacher.logprobs_NK, teacher.tail_N[..., None]), dim=-1).to(student_NV.dtype)
    student_NK = _buckets(_logprobs(student_NV, teacher.temperature), teacher.ids_NK)
    return teacher.temperature**2 * divergence(student_NK, teacher_NK)


def shared_divergence(
    divergence: Divergence, student_NV: Tensor, teacher_NU: Tensor, student_ids_S: Tensor, teacher_ids_S: Tensor, temperature: float = 1.0
) -> Tensor:
    """`full_divergence` for different tokenizers over S + 1 buckets: tokens of equal text, and the mass of all others.

    Ours. Shapes: logits ``student_NV``, ``teacher_NU`` -> ``[N]``; ids and aligned rows from `dunwu.models.tokenizer_alignment`. Both
    distributions are then over the text of the next token, after the same text. Universal logit distillation (arXiv 2402.12030) compares
    sorted probabilities instead, whatever tokens they belong to; we do not offer it.
    """
    student_NS = _buckets(_logprobs(student_NV, temperature), student_ids_S.expand(len(student_NV), -1))
    teacher_NS = _buckets(_logprobs(teacher_NU, temperature), teacher_ids_S.expand(len(teacher_NU), -1))
    return temperature**2 * divergence(student_NS, teacher_NS)


def reverse_kl_advantages(student_BT: Tensor, teacher_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Advantage of each token that the student sampled: how much likelier the teacher finds it.

    The one-sample estimate k1 of the reverse KL (J. Schulman, "Approximating KL Divergence", 2020), with the sign turned::

        A_t = log P(y_t | y_<t) - log Q(y_t | y_<t)        E_Q[A_t] = -KL(Q || P)

    In a policy gradient it minimises the reverse KL at each token given its prefix; Lu et al., "On-Policy Distillation" (2025). Departure
    from MiniLLM (arXiv 2306.08543) Eq. 2: a token is not credited with the divergences that follow it.

    Shapes: log-probabilities ``student_BT``, ``teacher_BT`` of the sampled tokens -> ``[B, T]`` without gradient, 0 where ``mask_BT`` is
    false.
    """
    assert student_BT.shape == teacher_BT.shape == mask_BT.shape, "student, teacher and mask must have one shape"
    assert mask_BT.dtype == torch.bool, f"the mask must be bool, got {mask_BT.dtype}"
    return (teacher_BT - student_BT).detach().masked_fill(~mask_BT, 0.0)


def _logprobs(logits_NV: Tensor, temperature: float) -> Tensor:
    assert temperature > 0, f"temperature is {temperature}; it must be positive"
    return (logits_NV if temperature == 1 else logits_NV / temperature).log_softmax(dim=-1)


def _buckets(logprobs_NV: Tensor, ids_NK: Tensor) -> Tensor:
    """Log-probabilities of ``ids_NK`` and of all other tokens together, (N, K + 1). Nothing left counts as the smallest number."""
    nothing = torch.finfo(logprobs_NV.dtype).min  # not -inf: a divergence takes 0 * log 0 as 0 only where the log is finite
    rest_N1 = logprobs_NV.scatter(-1, ids_NK, nothing).logsumexp(dim=-1, keepdim=True)
    return torch.cat((logprobs_NV.gather(-1, ids_NK), rest_N1), dim=-1)
