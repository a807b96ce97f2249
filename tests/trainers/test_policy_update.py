"""The optimiser updates of a rollout batch: by hand, whatever the micro-batches, with no pass too many, and guarded."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from dunwu.algorithms.recipes import GRPO_R1
from dunwu.trainers.experience import Experience, make_experience
from dunwu.types import Group, Rollout

MakeGroups = Callable[..., list[Group]]
UpdateOf = Callable[..., Any]
NewPolicy = Callable[..., Any]
ALIVE = [[0.0, 1.0, 2.0, 3.0], [1.0, 0.0, 0.0, 2.0]]
HALF_DEAD = [[0.0, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
DEAD = [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]


@contextmanager
def counted_rows(model: Any) -> Iterator[list[int]]:
    """Rows of every forward pass through ``model``; a copy of the model, such as the reference, counts here too."""
    rows: list[int] = []
    handle = model.model.register_forward_hook(lambda module, args, kwargs, out: rows.append(len(kwargs["input_ids"])), with_kwargs=True)
    yield rows
    handle.remove()


def weights(model: Any) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_bit_equal(left: Any, right: Any) -> None:
    """Two nests of dictionaries, lists and tensors."""
    if isinstance(left, tuple):
        left, right = list(left), list(right)
    if isinstance(left, Tensor):
        assert torch.equal(left, right)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_bit_equal(left[key], right[key])
    elif isinstance(left, list):
        for one, other in zip(left, right, strict=True):
            assert_bit_equal(one, other)
    else:
        assert left == right


def logprob(model: Any, rollout: Rollout) -> float:
    ids = torch.tensor([rollout.prompt.token_ids + rollout.completion.tokens.ids])
    with torch.no_grad():
        return float(model(input_ids=ids).logits[0, len(rollout.prompt.token_ids) - 1].log_softmax(-1)[rollout.completion.tokens.ids[0]])


def test_one_step_by_hand(new_policy: NewPolicy, one_rollout: Callable[..., Rollout], update_of: UpdateOf) -> None:
    """Two completions of one token, a right (advantage 1), b wrong (-1): d loss / d logits = -1/2 (onehot(a) - p) + 1/2 (onehot(b) - p)."""
    model = new_policy()
    right, wrong = one_rollout([20, 21], [400], 1.0), one_rollout([20, 21], [500], 0.0)
    experience = make_experience([Group(right.prompt, (right, wrong))], GRPO_R1)
    update = update_of(model, "grpo.learning_rate=1e-3")
    before = [logprob(model, rollout) for rollout in (right, wrong)]
    with torch.no_grad():
        p = model(input_ids=torch.tensor([[20, 21]])).logits[0, -1].softmax(-1)
    seen: list[Tensor] = []
    model.lm_head.register_full_backward_hook(lambda module, grad_in, grad_out: seen.append(grad_out[0]))
    totals = update.learn(experience, 1)
    onehot = torch.eye(len(p))
    expected = torch.stack([-0.5 * (onehot[400] - p), 0.5 * (onehot[500] - p)])
    torch.testing.assert_close(torch.cat(seen), expected, atol=1e-6, rtol=1e-4)
    after = [logprob(model, rollout) for rollout in (right, wrong)]
    assert after[0] > before[0]
    assert after[1] < before[1]
    assert (totals.updates, totals.skipped, totals.tokens) == (1, 0, 2)
    assert totals.loss == pytest.approx(0.0, abs=1e-5)  # minus the mean advantage: the ratio is 1
    assert totals.mismatch == pytest.approx(abs(before[0] + 1) + abs(before[1] + 1), abs=1e-5)  # behaviour was said to be -1


@pytest.mark.parametrize(
    "more", [(), ("grpo.beta=0.1",), ("grpo.inner_epochs=2",), ("grpo.minibatches=3", "grpo.inner_epochs=2", "grpo.beta=0.05")], ids=str
)
def test_the_token_budget_changes_nothing(
    more: tuple[str, ...], new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf
) -> None:
    experience = make_experience(make_groups(ALIVE), GRPO_R1)
    found, passes, sums = [], [], []
    for budget in (10_000, 1):
        model = new_policy()
        update = update_of(model, *more, f"grpo.micro_batch_tokens={budget}")
        with torch.no_grad():
            if update.reference is not None:
                model.lm_head.weight.add_(0.01 * torch.randn(model.lm_head.weight.shape, generator=torch.Generator().manual_seed(0)))
        with counted_rows(model) as rows:
            totals = update.learn(experience, 1)
        found.append(update.gradients)
        passes.append(rows)
        sums.append(totals)
    assert max(passes[0]) > 1
    assert set(passes[1]) == {1}
    for name in found[0]:
        torch.testing.assert_close(found[1][name], found[0][name], atol=1e-6, rtol=1e-4, msg=name)
    for name in ("loss", "kl", "entropy", "grad_norm", "mismatch"):
        assert getattr(sums[1], name) == pytest.approx(getattr(sums[0], name), abs=1e-4, rel=1e-4)
    assert sums[0].updates == sums[1].updates == (6 if len(more) == 3 else 2 if more == ("grpo.inner_epochs=2",) else 1)


def test_a_single_update_makes_one_pass_and_no_other(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    model = new_policy()
    update = update_of(model)
    assert update.reference is None
    with counted_rows(model) as rows:
        update.learn(make_experience(make_groups(ALIVE), GRPO_R1), 1)
    assert rows == [8]


def test_the_reference_costs_one_pass_more(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    model = new_policy()
    with counted_rows(model) as rows:  # before the reference is copied, so that its passes count
        totals = update_of(model, "grpo.beta=0.1").learn(make_experience(make_groups(ALIVE), GRPO_R1), 1)
        assert rows == [8, 8]
    assert totals.scored == totals.trained > 0


def test_reused_rollouts_compute_old_once(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    model = new_policy()
    update = update_of(model, "grpo.inner_epochs=3")
    with counted_rows(model) as rows:
        totals = update.learn(make_experience(make_groups(ALIVE), GRPO_R1), 1)
    assert rows == [8] * 4  # old, then three epochs
    assert totals.trained == 3 * totals.scored > 0
    assert totals.updates == 3
    with counted_rows(model) as rows:
        update_of(model, "grpo.minibatches=2").learn(make_experience(make_groups(ALIVE), GRPO_R1), 1)
    assert rows == [4] * 4  # old of both mini-batches, then the two


def test_as_many_minibatches_as_asked_for(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    totals = update_of(new_policy(), "grpo.minibatches=5").learn(make_experience(make_groups(ALIVE), GRPO_R1), 1)
    assert totals.updates == 5  # 8 rollouts: 2, 2, 2, 1, 1


def test_the_clip_takes_effect_in_the_second_epoch(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    experience = make_experience(make_groups(ALIVE), GRPO_R1)

    def learned(*overrides: str) -> tuple[float, Any]:
        model = new_policy()
        totals = update_of(model, "grpo.learning_rate=0.03", *overrides).learn(experience, 1)
        return totals.clipped, model

    assert learned()[0] == 0
    clipped, model = learned("grpo.inner_epochs=2")
    assert clipped > 0
    free, other = learned("grpo.inner_epochs=2", "grpo.clip_low=1e6", "grpo.clip_high=1e6")
    assert free == 0
    assert not torch.equal(model.lm_head.weight, other.lm_head.weight)


def test_dead_groups_are_not_computed_but_count(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    groups = make_groups(HALF_DEAD)
    found = []
    for batch in (groups, groups[:1]):
        model = new_policy()
        with counted_rows(model) as rows:
            update = update_of(model)
            totals = update.learn(make_experience(batch, GRPO_R1), 1)
        # Two of the four live rollouts have exactly the mean reward: they teach nothing either.
        assert rows == [2]
        assert totals.updates == 1
        live = [groups[0].rollouts[place] for place in (0, 2)]
        assert (totals.trained, totals.scored) == (sum(len(each.completion.tokens) for each in live), 0)
        found.append(update.gradients)
    for name in found[0]:
        torch.testing.assert_close(2 * found[0][name], found[1][name], atol=1e-7, rtol=1e-5, msg=name)


def test_a_batch_of_dead_groups_moves_nothing(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    model = new_policy()
    update = update_of(model, "grpo.weight_decay=0.1")
    update.learn(make_experience(make_groups(ALIVE), GRPO_R1), 1)  # so that the optimiser has a momentum
    before = weights(model), copy.deepcopy(update.optimiser.state())
    with counted_rows(model) as rows:
        totals = update.learn(make_experience(make_groups(DEAD), GRPO_R1), 2)
    assert rows == []
    assert totals.metrics(GRPO_R1)["loss"] is None
    assert (totals.updates, totals.skipped) == (0, 0)
    assert_bit_equal(weights(model), before[0])
    assert_bit_equal(update.optimiser.state(), before[1])


OPTIONS = ("grpo.tis_clip=1.1", "grpo.entropy_bonus=0.1", "grpo.covariance_share=0.3")
REUSED = ("grpo.inner_epochs=2", "grpo.minibatches=2", "grpo.covariance_control=kl-cov")


@pytest.mark.parametrize("more", [("grpo.covariance_control=clip-cov",), REUSED], ids=str)
def test_the_token_budget_changes_nothing_with_options(
    more: tuple[str, ...], new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf
) -> None:
    found = []
    for budget in (10_000, 1):
        model = new_policy()
        update = update_of(model, *OPTIONS, *more, f"grpo.micro_batch_tokens={budget}")
        totals = update.learn(make_experience(make_groups(ALIVE), GRPO_R1), 1)
        found.append((update.gradients, totals))
    for name in found[0][0]:
        torch.testing.assert_close(found[1][0][name], found[0][0][name], atol=1e-6, rtol=1e-4, msg=name)
    assert found[0][1].weights == pytest.approx(found[1][1].weights, rel=1e-5)


def test_mismatch_weights_are_those_of_trainer_and_engine(
    new_policy: NewPolicy, one_rollout: Callable[..., Rollout], update_of: UpdateOf
) -> None:
    """The engine said -1 for both tokens: the weights are exp(policy + 1), cut at 1.5, in the metric and in the gradient."""
    pair = (one_rollout([20, 21], [400], 1.0), one_rollout([20, 21], [500], 0.0))
    experience = make_experience([Group(pair[0].prompt, pair)], GRPO_R1)
    found = []
    for more in ((), ("grpo.tis_clip=1.5",)):
        model = new_policy()
        expected = [min(math.exp(logprob(model, rollout) + 1), 1.5) for rollout in pair]
        update = update_of(model, *more)
        totals = update.learn(experience, 1)
        found.append((totals, update.gradients["model.embed_tokens.weight"]))
    assert found[1][0].weights == pytest.approx(sum(expected), rel=1e-4)
    assert found[0][0].weights == 2
    assert "sampling/importance_sampling_ratio/mean" not in found[0][0].metrics(GRPO_R1)
    told = found[1][0].metrics(replace(GRPO_R1, tis_clip=1.5))
    assert told["sampling/importance_sampling_ratio/mean"] == pytest.approx(sum(expected) / 2, rel=1e-4)
    assert found[1][1].norm() < 0.2 * found[0][1].norm()  # a random model finds both unlikely: weights far below 1


def test_the_entropy_bonus_raises_the_entropy(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    """Of dead groups too, which have no other gradient."""
    model = new_policy()
    with torch.no_grad():
        model.lm_head.weight.mul_(30)  # from a random start it could hardly rise
    update = update_of(model, "grpo.entropy_bonus=1", "grpo.learning_rate=1e-2")
    experience = make_experience(make_groups(DEAD), GRPO_R1)
    entropies = [totals.entropy / totals.tokens for totals in (update.learn(experience, step) for step in range(1, 5))]
    assert entropies == sorted(entropies)
    assert entropies[-1] > entropies[0] + 0.01


def test_kl_cov_pays_for_the_distance_to_the_first_epoch(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    experience = make_experience(make_groups(ALIVE), GRPO_R1)
    twice = ("grpo.inner_epochs=2", "grpo.learning_rate=0.05")
    held = update_of(new_policy(), *twice, "grpo.covariance_control=kl-cov", "grpo.covariance_share=1").learn(experience, 1)
    free = update_of(new_policy(), *twice).learn(experience, 1)
    assert held.loss > free.loss + 0.01


def poison_loss(model: Any, experience: Experience) -> Experience:
    return replace(experience, advantages_BT=experience.advantages_BT.index_fill(0, torch.tensor([5]), float("nan")))


def poison_logprobs(model: Any, experience: Experience) -> Experience:
    """One position of the second micro-batch; the first has accumulated its gradient by then."""
    passes: list[int] = []

    def hook(module: Any, args: Any, output: Any) -> Any:
        passes.append(1)
        if len(passes) == 2:
            output.last_hidden_state = output.last_hidden_state.index_fill(1, torch.tensor([3]), float("inf"))
        return output

    model.model.register_forward_hook(hook)
    return experience


def poison_gradient(value: float) -> Callable[[Any, Experience], Experience]:
    def poison(model: Any, experience: Experience) -> Experience:
        model.model.norm.weight.register_hook(lambda gradient: gradient.index_fill(0, torch.tensor([4]), value))
        return experience

    return poison


@pytest.mark.parametrize(
    "poison",
    [poison_loss, poison_logprobs, poison_gradient(float("nan")), poison_gradient(float("inf"))],
    ids=["loss", "logprobs", "nan", "inf"],
)
def test_what_is_not_finite_changes_no_bit(
    poison: Callable[[Any, Experience], Experience], new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf
) -> None:
    model = new_policy()
    update = update_of(model, "grpo.micro_batch_tokens=20", "grpo.beta=0.01")
    experience = make_experience(make_groups(ALIVE), GRPO_R1)
    update.learn(experience, 1)
    before = weights(model), copy.deepcopy(update.optimiser.state())
    totals = update.learn(poison(model, experience), 2)
    assert (totals.updates, totals.skipped) == (0, 1)
    assert_bit_equal(weights(model), before[0])
    assert_bit_equal(update.optimiser.state(), before[1])
    model.model._forward_hooks.clear()
    if poison is poison_loss or poison is poison_logprobs:
        assert update.learn(experience, 3).updates == 1
        assert not torch.equal(model.lm_head.weight, before[0]["lm_head.weight"])


def test_warm_up_is_linear(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    update = update_of(new_policy(), "grpo.warmup_steps=4", "grpo.learning_rate=1e-3")
    rates = []
    for step in (1, 2, 4, 9):
        update.learn(make_experience(make_groups(ALIVE), GRPO_R1), step)
        rates.append(update.optimiser.learning_rate)
    assert rates == pytest.approx([2.5e-4, 5e-4, 1e-3, 1e-3])


def test_the_reference_is_a_frozen_copy(new_policy: NewPolicy, make_groups: MakeGroups, update_of: UpdateOf) -> None:
    model = new_policy()
    update = update_of(model, "grpo.beta=0.1", "grpo.learning_rate=1e-2")
    start = weights(model)
    update.learn(make_experience(make_groups(ALIVE), GRPO_R1), 1)
    assert_bit_equal(weights(update.reference), start)
    assert not torch.equal(model.lm_head.weight, start["lm_head.weight"])
    assert update.learn(make_experience(make_groups(ALIVE), GRPO_R1), 2).kl > 0
    update.renew_reference()
    assert_bit_equal(weights(update.reference), weights(model))
    assert update.learn(make_experience(make_groups(ALIVE), GRPO_R1), 3).kl == pytest.approx(0.0, abs=1e-6)
