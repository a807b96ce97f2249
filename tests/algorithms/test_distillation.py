"""Divergences of a student's distributions from a teacher's: cases by hand, gradients, invariants."""

from __future__ import annotations

import math
from itertools import pairwise
from math import log

import pytest
import torch
from torch import Tensor

from dunwu.algorithms.distillation import (
    FORWARD_KL,
    REVERSE_KL,
    Divergence,
    TopK,
    full_divergence,
    jensen_shannon,
    reverse_kl_advantages,
    shared_divergence,
    skewed_forward,
    skewed_reverse,
    tail_of,
    top_k,
    top_k_divergence,
)

ALL = [FORWARD_KL, REVERSE_KL, jensen_shannon(0.5), jensen_shannon(0.1), skewed_forward(), skewed_reverse()]
each = pytest.mark.parametrize("divergence", ALL, ids=lambda one: f"{one.name}-{one.mixture}")
# P = (3/4, 1/4), Q = (1/2, 1/2); at 1/4, M is (9/16, 7/16), and (11/16, 5/16) where it is mostly P
BY_HAND = {
    "forward": (FORWARD_KL, 3 / 4 * log(3 / 2) + 1 / 4 * log(1 / 2)),
    "reverse": (REVERSE_KL, 1 / 2 * log(2 / 3) + 1 / 2 * log(2)),
    "jensen-shannon": (
        jensen_shannon(1 / 4),
        1 / 4 * (3 / 4 * log(4 / 3) + 1 / 4 * log(4 / 7)) + 3 / 4 * (1 / 2 * log(8 / 9) + 1 / 2 * log(8 / 7)),
    ),
    "skewed forward": (skewed_forward(1 / 4), 3 / 4 * log(4 / 3) + 1 / 4 * log(4 / 7)),
    "skewed reverse": (skewed_reverse(1 / 4), 1 / 2 * log(8 / 11) + 1 / 2 * log(8 / 5)),
}


def logs(*probabilities: float) -> Tensor:
    """Log-probabilities of one distribution, [1, V]; they are logits too."""
    return torch.tensor([probabilities], dtype=torch.float64).log()


def logits(seed: int, tokens: int = 5, vocabulary: int = 7, scale: float = 2.0) -> Tensor:
    return scale * torch.randn(tokens, vocabulary, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", BY_HAND)
def test_each_divergence_by_hand(name: str) -> None:
    divergence, expected = BY_HAND[name]
    assert divergence(logs(1 / 2, 1 / 2), logs(3 / 4, 1 / 4)).tolist() == pytest.approx([expected])


@each
def test_a_student_equal_to_its_teacher_has_no_divergence_and_no_gradient(divergence: Divergence) -> None:
    student = logits(0).requires_grad_()
    found = full_divergence(divergence, student, logits(0), temperature=0.7)
    found.sum().backward()
    torch.testing.assert_close(found.detach(), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(student.grad, torch.zeros_like(student))


@each
def test_no_divergence_is_negative_and_logits_count_up_to_a_constant(divergence: Divergence) -> None:
    found = full_divergence(divergence, logits(1), logits(2))
    assert (found > 0).all()
    torch.testing.assert_close(full_divergence(divergence, logits(1) + 9, logits(2) - 3), found)


@each
def test_the_gradient_of_each(divergence: Divergence) -> None:
    student, teacher = logits(1, 3).requires_grad_(), logits(2, 3)
    assert torch.autograd.gradcheck(lambda z: full_divergence(divergence, z, teacher, 1.5), (student,))
    assert torch.autograd.gradcheck(lambda z: top_k_divergence(divergence, z, top_k(teacher, 3, 1.5)), (student,))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 10.0])
def test_the_gradient_of_forward_kl_keeps_its_size_at_any_temperature(temperature: float) -> None:
    student, teacher = logits(1).requires_grad_(), logits(2)
    full_divergence(FORWARD_KL, student, teacher, temperature).sum().backward()
    assert student.grad is not None
    torch.testing.assert_close(student.grad, temperature * ((student / temperature).softmax(-1) - (teacher / temperature).softmax(-1)))


def test_temperature_by_hand() -> None:
    # logits ln 9 and 0 at T = 2 are ln 3 and 0: P = (3/4, 1/4); the factor is 4
    found = full_divergence(FORWARD_KL, torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[log(9), 0]], dtype=torch.float64), 2.0)
    assert found.tolist() == pytest.approx([4 * BY_HAND["forward"][1]])


def test_the_ends_of_jensen_shannon_are_the_two_kl_divergences() -> None:
    assert jensen_shannon(0) == FORWARD_KL
    assert jensen_shannon(1) == REVERSE_KL
    student, teacher, near = logits(1).log_softmax(-1), logits(2).log_softmax(-1), 1e-7
    torch.testing.assert_close(jensen_shannon(near)(student, teacher) / near, FORWARD_KL(student, teacher), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(jensen_shannon(1 - near)(student, teacher) / near, REVERSE_KL(student, teacher), atol=1e-4, rtol=1e-4)


def test_jensen_shannon_is_symmetric_with_its_beta() -> None:
    student, teacher = logits(1).log_softmax(-1), logits(2).log_softmax(-1)
    torch.testing.assert_close(jensen_shannon(0.3)(student, teacher), jensen_shannon(0.7)(teacher, student))
    assert float(jensen_shannon()(student, teacher).max()) <= log(2)


def test_skewed_divergences_begin_at_plain_kl_and_end_at_nothing() -> None:
    student, teacher = logits(1).log_softmax(-1), logits(2).log_softmax(-1)
    for skewed, plain in ((skewed_forward, FORWARD_KL), (skewed_reverse, REVERSE_KL)):
        torch.testing.assert_close(skewed(0)(student, teacher), plain(student, teacher))
        assert skewed(1)(student, teacher).abs().max() < 1e-12
        assert (skewed(0.1)(student, teacher) < plain(student, teacher)).all()


def test_a_longer_head_is_cut_to_the_shorter() -> None:
    student, teacher = logits(1), logits(2)
    longer = torch.cat((teacher, torch.full((5, 2), 4.0, dtype=torch.float64)), dim=1)
    torch.testing.assert_close(full_divergence(FORWARD_KL, student, longer), full_divergence(FORWARD_KL, student, teacher))


def test_buckets_by_hand() -> None:
    # P = (1/2, 1/4 | 1/4), Q = (1/4, 1/4 | 1/2): 1/2 ln 2 - 1/4 ln 2
    stored = top_k(logs(1 / 2, 1 / 4, 1 / 8, 1 / 8), 2)
    assert stored.ids_NK.tolist() == [[0, 1]]
    assert stored.tail_N.tolist() == pytest.approx([log(1 / 4)])
    assert top_k_divergence(FORWARD_KL, logs(1 / 4, 1 / 4, 1 / 4, 1 / 4), stored).tolist() == pytest.approx([1 / 4 * log(2)])


@each
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_all_tokens_as_buckets_are_the_full_divergence_and_fewer_are_less(divergence: Divergence, temperature: float) -> None:
    student, teacher = logits(1).requires_grad_(), logits(2)
    full = full_divergence(divergence, student, teacher, temperature)
    same = top_k_divergence(divergence, student, top_k(teacher, 7, temperature))
    torch.testing.assert_close(same, full)
    torch.testing.assert_close(*(torch.autograd.grad(one.sum(), student)[0] for one in (same, full)))
    bounds = [top_k_divergence(divergence, student, top_k(teacher, k, temperature)) for k in (1, 3, 6, 7)]
    for less, more in pairwise(bounds):
        assert (less <= more + 1e-12).all()


def test_what_the_student_does_inside_the_tail_is_free() -> None:
    stored = top_k(logs(1 / 2, 1 / 4, 1 / 8, 1 / 8), 2)
    for rest in ((0.25, 0.25), (0.1, 0.4), (0.499, 0.001)):
        assert top_k_divergence(FORWARD_KL, logs(1 / 4, 1 / 4, *rest), stored).tolist() == pytest.approx([1 / 4 * log(2)])


def test_a_small_tail_keeps_its_digits() -> None:
    stored = top_k(torch.tensor([[0.0, -40.0]]), 1)
    assert stored.tail_N.tolist() == pytest.approx([-40.0])
    for divergence in ALL:
        student = torch.tensor([[0.0, -30.0]], requires_grad=True)
        top_k_divergence(divergence, student, stored).sum().backward()
        assert student.grad is not None
        assert torch.isfinite(student.grad).all()


def test_the_tail_of_known_log_probabilities() -> None:
    assert tail_of(logs(1 / 2, 1 / 4)).tolist() == pytest.approx([log(1 / 4)])
    assert tail_of(logs(1.0, 1e-30)).tolist() == pytest.approx([log(torch.finfo(torch.float64).eps)])


def test_rows_of_what_is_stored() -> None:
    stored = top_k(logits(2), 3, 2.0)[1:3]
    assert (len(stored.ids_NK), len(stored.logprobs_NK), len(stored.tail_N), stored.temperature) == (2, 2, 2, 2.0)


def test_stored_values_of_lower_precision_are_read() -> None:
    exact = top_k(logits(2), 3)
    stored = TopK(exact.ids_NK, exact.logprobs_NK.half(), exact.tail_N.half())
    torch.testing.assert_close(
        top_k_divergence(FORWARD_KL, logits(1), stored), top_k_divergence(FORWARD_KL, logits(1), exact), atol=0.01, rtol=0.01
    )


def test_shared_tokens_by_hand() -> None:
    # the student has a, b, ab; the teacher b, a: buckets a, b, others
    student, teacher = logs(1 / 2, 1 / 4, 1 / 4), logs(1 / 4, 3 / 4)
    found = shared_divergence(FORWARD_KL, student, teacher, torch.tensor([0, 1]), torch.tensor([1, 0]))
    assert found.tolist() == pytest.approx([3 / 4 * log(3 / 2)])


@each
def test_a_renumbered_vocabulary_changes_nothing(divergence: Divergence) -> None:
    student, teacher, order = logits(1).requires_grad_(), logits(2), torch.tensor([3, 0, 6, 2, 5, 1, 4])
    full = full_divergence(divergence, student, teacher, 2.0)
    torch.testing.assert_close(shared_divergence(divergence, student, teacher[:, order], order, torch.arange(7), 2.0), full)
    some = order[:4]
    assert (shared_divergence(divergence, student, teacher, some, some, 2.0) <= full).all()
    assert torch.autograd.gradcheck(lambda z: shared_divergence(divergence, z, teacher, some, some), (student,))


def test_advantages_by_hand() -> None:
    student = torch.tensor([[log(1 / 2), log(1 / 4), 0.0]], requires_grad=True)
    teacher = torch.tensor([[log(1 / 4), log(1 / 2), 7.0]])
    found = reverse_kl_advantages(student, teacher, torch.tensor([[True, True, False]]))
    assert found.tolist() == [pytest.approx([-log(2), log(2), 0.0])]
    assert not found.requires_grad


def test_advantages_are_the_negative_reverse_kl_on_average() -> None:
    student, teacher = logits(1).log_softmax(-1), logits(2).log_softmax(-1)
    found = reverse_kl_advantages(student, teacher, torch.ones(5, 7, dtype=torch.bool))
    torch.testing.assert_close((student.exp() * found).sum(-1), -REVERSE_KL(student, teacher))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(AssertionError, match="differ"):
        FORWARD_KL(logits(1), logits(2)[:, :3])
    with pytest.raises(AssertionError, match="gradient"):
        FORWARD_KL(logits(1), logits(2).requires_grad_())
    with pytest.raises(AssertionError, match="temperature is 0"):
        full_divergence(FORWARD_KL, logits(1), logits(2), 0)
    with pytest.raises(AssertionError, match="k is 8"):
        top_k(logits(1), 8)
    with pytest.raises(AssertionError, match="mixture"):
        skewed_forward(math.e)
