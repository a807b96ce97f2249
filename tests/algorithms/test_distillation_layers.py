"""Distillation of hidden states and attention: cases by hand, gradients, invariants, padding."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor

from dunwu.algorithms.distillation_layers import (
    HiddenTransfer,
    cosine_distance,
    last_k_map,
    relation,
    relation_divergence,
    squared_distance,
    uniform_map,
    visible_tokens,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def mask(*rows: str) -> Tensor:
    return torch.tensor([[token == "1" for token in row] for row in rows])


def test_uniform_maps_by_hand() -> None:
    assert uniform_map(3, 6) == ((1, 2), (2, 4), (3, 6))
    assert uniform_map(2, 5) == ((1, 3), (2, 5))
    assert uniform_map(3, 3) == ((1, 1), (2, 2), (3, 3))
    assert uniform_map(3, 2) == ((1, 1), (2, 2), (3, 2))


def test_last_k_maps_by_hand() -> None:
    assert last_k_map(4, 9, 2) == ((3, 8), (4, 9))
    assert last_k_map(4, 9, 1) == ((4, 9),)
    with pytest.raises(AssertionError, match="k is 5"):
        last_k_map(4, 9, 5)


def test_distances_by_hand() -> None:
    student, teacher = (torch.tensor(rows, dtype=torch.float64) for rows in ([[[1, 2], [3, 0]]], [[[1, 4], [0, 5]]]))
    assert squared_distance(student, teacher).tolist() == [[2.0, 17.0]]
    assert cosine_distance(student, teacher).tolist() == [[pytest.approx(1 - 9 / (5 * 17) ** 0.5), pytest.approx(1.0)]]
    assert cosine_distance(student, 3 * student).tolist() == [pytest.approx([0.0, 0.0], abs=1e-6)]


@pytest.mark.parametrize("distance", [squared_distance, cosine_distance])
def test_the_gradient_of_each_distance(distance: object) -> None:
    assert torch.autograd.gradcheck(distance, (draw(2, 3, 4).requires_grad_(), draw(2, 3, 4, seed=1)))


def test_equal_models_have_no_distance_and_no_projection() -> None:
    states = [draw(2, 3, 4, seed=layer) for layer in range(4)]
    transfer = HiddenTransfer(uniform_map(3, 3), 4, 4, squared_distance)
    assert not transfer(states, states).any()
    assert list(transfer.parameters()) == []


def test_a_narrow_shallow_student_learns_from_the_layers_of_its_map() -> None:
    student, teacher = [draw(2, 3, 4, seed=layer) for layer in range(3)], [draw(2, 3, 6, seed=layer) for layer in range(5)]
    transfer = HiddenTransfer(uniform_map(2, 4), 4, 6, squared_distance).double()
    first, second = (project.weight for project in transfer.project)
    expected = ((student[1] @ first.T - teacher[2]) ** 2 + (student[2] @ second.T - teacher[4]) ** 2).mean(-1) / 2
    torch.testing.assert_close(transfer(student, teacher), expected)
    transfer(student, teacher).sum().backward()
    assert first.grad is not None
    assert first.grad.any()


def test_learned_maps_begin_at_the_mean_layer_and_move() -> None:
    student, teacher = [draw(1, 2, 3, seed=layer) for layer in range(2)], [draw(1, 2, 3, seed=10 + layer) for layer in range(4)]
    transfer = HiddenTransfer(((1, 3),), 3, 3, squared_distance, learned=3).double()
    torch.testing.assert_close(transfer(student, teacher), squared_distance(student[1], (teacher[1] + teacher[2] + teacher[3]) / 3))
    with torch.no_grad():
        transfer.scores_MN.copy_(torch.tensor([[-1e9, 0.0, -1e9]]))
    torch.testing.assert_close(transfer(student, teacher), squared_distance(student[1], teacher[2]))
    with torch.no_grad():
        transfer.scores_MN.zero_()
    transfer(student, teacher).sum().backward()
    assert transfer.scores_MN.grad.any()


def test_what_a_token_sees_by_hand() -> None:
    right, left = visible_tokens(mask("110", "011")).int().tolist()
    assert right == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert left == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_a_relation_and_its_divergence_by_hand() -> None:
    # one head of width 1: the second token's scores are 2 * 0 and 2 * ln(3) / 2
    query, key = torch.tensor([1.0, 2.0]).view(1, 1, 2, 1), torch.tensor([0.0, log(3) / 2]).view(1, 1, 2, 1)
    teacher = relation(query, key, 1, visible_tokens(mask("11")))
    torch.testing.assert_close(teacher.exp(), torch.tensor([[[[1.0, 0.0], [1 / 4, 3 / 4]]]]))
    student = relation(query, torch.zeros_like(key), 1, visible_tokens(mask("11")))
    torch.testing.assert_close(relation_divergence(student, teacher), torch.tensor([[0.0, 1 / 4 * log(1 / 2) + 3 / 4 * log(3 / 2)]]))


def test_a_relation_has_the_scale_of_its_own_heads() -> None:
    # two heads of width 2 as one of width 4: the product of all four, over 2; as four of width 1: each product by itself
    left, right, seen = draw(1, 2, 3, 2), draw(1, 2, 3, 2, seed=1), visible_tokens(mask("111"))
    whole = torch.cat(tuple(left[0]), -1) @ torch.cat(tuple(right[0]), -1).T / 2
    torch.testing.assert_close(relation(left, right, 1, seen)[0, 0].exp(), whole.masked_fill(~seen[0], -torch.inf).softmax(-1))
    single = left[0, 1, :, :1] @ right[0, 1, :, :1].T
    torch.testing.assert_close(relation(left, right, 4, seen)[0, 2].exp(), single.masked_fill(~seen[0], -torch.inf).softmax(-1))


def test_grouped_heads_are_repeated() -> None:
    query, key, seen = draw(1, 4, 3, 2), draw(1, 2, 3, 2, seed=1), visible_tokens(mask("111"))
    torch.testing.assert_close(relation(query, key, 4, seen), relation(query, key[:, [0, 0, 1, 1]], 4, seen))


def test_models_of_any_shape_are_compared_and_equal_ones_agree() -> None:
    seen = visible_tokens(mask("1111", "1100"))
    student, teacher = draw(2, 2, 4, 4), draw(2, 3, 4, 8, seed=1)
    found = relation_divergence(relation(student, student, 4, seen), relation(teacher, teacher, 4, seen))
    assert found.shape == (2, 4)
    assert (found[:, 1:] > 0).all()
    assert not found[:, 0].any(), "the first token sees itself only"
    assert relation_divergence(relation(teacher, teacher, 4, seen), relation(teacher, teacher, 4, seen)).abs().max() < 1e-12
    with pytest.raises(AssertionError, match="5 relation heads"):
        relation(student, student, 5, seen)


def test_the_order_of_heads_does_not_matter_if_it_is_the_same() -> None:
    seen, order = visible_tokens(mask("111")), [2, 0, 1]
    student, teacher = draw(1, 3, 3, 2), draw(1, 3, 3, 5, seed=1)
    plain, moved = (
        relation_divergence(relation(ours, ours, 3, seen), relation(theirs, theirs, 3, seen))
        for ours, theirs in ((student, teacher), (student[:, order], teacher[:, order]))
    )
    torch.testing.assert_close(plain, moved)
    other = relation_divergence(relation(student[:, order], student[:, order], 3, seen), relation(teacher, teacher, 3, seen))
    assert not torch.allclose(plain, other)


@pytest.mark.parametrize(("row", "kept"), [("1100", slice(0, 2)), ("0011", slice(2, 4))])
def test_padding_has_no_influence_on_either_side(row: str, kept: slice) -> None:
    seen = visible_tokens(mask(row))
    student, teacher = draw(1, 2, 4, 2).requires_grad_(), draw(1, 2, 4, 2, seed=1)
    found = relation_divergence(relation(student, student, 2, seen), relation(teacher, teacher, 2, seen))[:, kept]
    alone = visible_tokens(mask("11"))
    short = relation(student[:, :, kept], student[:, :, kept], 2, alone), relation(teacher[:, :, kept], teacher[:, :, kept], 2, alone)
    torch.testing.assert_close(found, relation_divergence(*short))
    found.sum().backward()
    padding = [t for t in range(4) if not kept.start <= t < kept.stop]
    assert student.grad is not None
    assert student.grad[:, :, kept].any()
    assert not student.grad[:, :, padding].any()


def test_the_gradient_of_a_relation() -> None:
    seen = visible_tokens(mask("111", "110"))
    query, key, teacher = draw(2, 4, 3, 2).requires_grad_(), draw(2, 2, 3, 2, seed=1).requires_grad_(), draw(2, 2, 3, 3, seed=2)
    target = relation(teacher, teacher, 2, seen)
    assert torch.autograd.gradcheck(lambda q, k: relation_divergence(relation(q, k, 2, seen), target), (query, key))
