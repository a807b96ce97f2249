"""From an experience to new weights: the optimiser updates of one rollout batch, guarded against NaN and Inf, on one rank or several.

Every rank holds the whole experience and takes a share of the rollouts of each mini-batch. Denominators are those of the whole mini-batch
and gradients are *summed* over ranks, so the number of ranks changes no loss. All ranks make the same number of passes: a rank with fewer
micro-batches repeats one with weight 0, as its forward and backward may hold collective calls that others wait in.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dunwu.algorithms.entropy import EntropyBonus
from dunwu.algorithms.loss import Algorithm, GrpoBatch, GrpoLoss, grpo_loss
from dunwu.algorithms.terms import Denominators
from dunwu.config.base import SEEDS
from dunwu.config.zero import ZeroConfig
from dunwu.distributed.ranks import rank_and_count, same_on_all_ranks, sum_gradients, sum_over_ranks
from dunwu.models.precision import checkpoint_activations
from dunwu.models.protocols import CausalLM
from dunwu.trainers.experience import Experience, chosen_tokens
from dunwu.trainers.optimiser import Optimiser
from dunwu.trainers.scoring import Scorer, behaviour_logprobs, make_scorer, sampled_mask
from dunwu.types import Rollout


@dataclass
class UpdateTotals:
    """Sums over the micro-batches of a step's updates, for its metrics; ``entropy_bonus`` is its weight in them.

    ``tokens`` are those that the policy drew; ``trained`` all tokens of completions in passes with a gradient, ``scored`` in those without.
    ``entropies``, if wanted: those of each token (T) by rollout, of this rank's rollouts that can move the weights, in their first pass.
    """

    entropy_bonus: float = 0.0
    updates: int = 0
    skipped: int = 0
    loss: float = 0.0
    grad_norm: float = 0.0
    kl: float = 0.0
    clipped: float = 0.0
    entropy: float = 0.0
    mismatch: float = 0.0
    weights: float = 0.0
    tokens: int = 0
    trained: int = 0
    scored: int = 0
    entropies: dict[int, Tensor] | None = None

    def add(self, loss: GrpoLoss, entropies_BT: Tensor, mismatch_BT: Tensor) -> None:
        """Count a micro-batch; entropies and mismatch (|policy - behaviour|) are 0 on tokens that the policy did not draw."""
        self.loss += loss.loss.item()
        self.kl += loss.kl_sum.item()
        self.clipped += loss.clipped.item()
        self.entropy += entropies_BT.sum().item()
        self.mismatch += mismatch_BT.sum().item()
        self.weights += loss.weight_sum.item()
        self.tokens += int(loss.tokens)

    def keep(self, indices: Sequence[int], rollouts: Sequence[Rollout], entropies_BT: Tensor) -> None:
        """Keep the entropies of rollouts that have none yet."""
        if self.entropies is not None:
            for index, rollout, entropies_T in zip(indices, rollouts, entropies_BT.detach().float().cpu(), strict=True):
                self.entropies.setdefault(index, entropies_T[: len(rollout.completion.tokens)])

    def sum_over_ranks(self) -> None:
        """Make them the sums of all ranks; updates and the gradient's norm are the same on each."""
        for name in ("loss", "kl", "clipped", "entropy", "mismatch", "weights", "tokens", "trained", "scored"):
            setattr(self, name, sum_over_ranks(getattr(self, name)))

    def metrics(self, algorithm: Algorithm) -> dict[str, float | int | None]:
        """Means over the learned tokens; ``None`` without any. Options add their own."""
        each = max(1, self.tokens)
        updates = max(1, self.updates + self.skipped)
        seen = self.tokens > 0
        metrics: dict[str, float | int | None] = {
            "loss": self.loss / updates if seen else None,
            "grad_norm": self.grad_norm / updates if seen else None,
            "entropy": self.entropy / each if seen else None,
            "clip_ratio/region_mean": self.clipped / each if seen else None,
            "mismatch": self.mismatch / each if seen else None,
            "updates": self.updates,
            "skipped": self.skipped,
            "trained_tokens": self.trained,
            "scored_tokens": self.scored,
        }
        if algorithm.beta > 0 and seen:
            metrics["kl"] = self.kl / each
        if algorithm.tis_clip > 0 and seen:
            metrics["sampling/importance_sampling_ratio/mean"] = self.weights / each
        if algorithm.entropy is not None:
            metrics["entropy_bonus"] = self.entropy_bonus
        return metrics


@dataclass(frozen=True)
class Kept:
    """Old log-probabilities and chosen tokens by rollout, constant over the updates on one rollout batch."""

    old: dict[int, Tensor] | None
    chosen: dict[int, Tensor] | None


class Pass(NamedTuple):
    """A forward and backward pass over the rollouts of a micro-batch; an ``idle`` one has weight 0, and counts in no metric."""

    indices: list[int]
    idle: bool = False


@dataclass
class PolicyUpdate:
    """The policy, its optimiser, the current entropy bonus, and (with beta above 0) the frozen reference."""

    model: CausalLM
    algorithm: Algorithm
    config: ZeroConfig
    pad: int
    optimiser: Optimiser = field(init=False)
    reference: CausalLM | None = field(init=False, default=None)
    _reference_scorer: Scorer = field(init=False)
    entropy: EntropyBonus | None = field(init=False)
    scorer: Scorer = field(init=False)

    def __post_init__(self) -> None:
        self.model.train()
        if self.config.gradient_checkpointing:
            checkpoint_activations(self.model)
        self.entropy = self.algorithm.entropy
        grpo = self.config.grpo
        self.optimiser = Optimiser(
            self.model,
            learning_rate=grpo.learning_rate,
            betas=grpo.adam_betas,
            weight_decay=grpo.weight_decay,
            max_grad_norm=grpo.max_grad_norm,
            max_nonfinite_in_a_row=grpo.max_nonfinite_in_a_row,
        )
        self.scorer = self._scorer_of(self.model)
        if self.algorithm.beta > 0:
            self.reference = _frozen_copy(self.model)
            self._reference_scorer = self._scorer_of(self.reference)

    def _scorer_of(self, model: CausalLM) -> Scorer:
        # The native scorer keeps its activations; with gradient checkpointing torch is used.
        native = not self.config.gradient_checkpointing
        return make_scorer(model, self.config.sampling.temperature, self.config.matmul_precision, self.pad, native)

    def reference_parameters(self) -> dict[str, Tensor]:
        """Trained parameters of the reference by name; none without a reference. Frozen ones are shared with the policy."""
        if self.reference is None:
            return {}
        own = dict(self.reference.named_parameters())
        return {name: own[name] for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def renew_reference(self) -> None:
        """Reference := policy."""
        if self.reference is not None:
            self.reference.load_state_dict(self.model.state_dict())

    def learn(self, experience: Experience, step: int) -> UpdateTotals:
        """All updates on one rollout batch: ``inner_epochs`` passes of ``minibatches`` (DeepSeekMath, arXiv 2402.03300, Algorithm 1).

        ``experience`` must be the same on every rank. With a single update the policy is still the one that sampled: the ratio is 1 and no
        old log-probabilities are computed.
        """
        ids = tuple(rollout.completion.tokens.ids for rollout in experience.rollouts)
        rewards = tuple(experience.rewards_PG.flatten().tolist()), tuple(experience.valid_PG.flatten().tolist())
        assert same_on_all_ranks(hash((ids, rewards))), "ranks have other rollouts or rewards"
        grpo = self.config.grpo
        totals = UpdateTotals(self._entropy_weight(), entropies={} if step % self.config.dump_rollouts_every == 0 else None)
        self.optimiser.learning_rate = grpo.learning_rate * min(1.0, step / max(1, grpo.warmup_steps))
        generator = torch.Generator().manual_seed((self.config.seed * 1_000_003 + step) % SEEDS)
        order = torch.randperm(len(experience.rollouts), generator=generator)
        # Not `chunk`, which may return fewer parts.
        parts = [part.tolist() for part in order.tensor_split(grpo.minibatches)]
        minibatches = parts if len(parts) > 1 else [list(range(len(order)))]
        reused = grpo.minibatches * grpo.inner_epochs > 1
        control = self.algorithm.covariance
        kept = Kept(
            old=self._logprobs_by_rollout(experience, minibatches, totals) if reused else None,
            chosen=None if control is None else chosen_tokens(experience, minibatches, control, generator),
        )
        for _ in range(grpo.inner_epochs):
            for minibatch in minibatches:
                self._update(experience, minibatch, kept, totals)
        totals.sum_over_ranks()
        if self.entropy is not None and totals.tokens:
            self.entropy = self.entropy.after(totals.entropy / totals.tokens)
        return totals

    def _entropy_weight(self) -> float:
        return 0.0 if self.entropy is None else self.entropy.weight

    def _update(self, experience: Experience, minibatch: Sequence[int], kept: Kept, totals: UpdateTotals) -> None:
        """One optimiser step; its denominators are those of the whole mini-batch, rollouts without a signal included."""
        tokens = sum(experience.rollouts[i].completion.tokens.sampled_count for i in minibatch)
        denominators = Denominators(len(minibatch), max(1, tokens), self.config.sampling.max_tokens)
        passes = self._passes(experience, minibatch)
        finite = [self._accumulate(experience, each, kept, denominators, totals) for each in passes]
        sum_gradients(self.optimiser.parameters.values())
        norm, moved = self.optimiser.update(all(finite))
        totals.updates, totals.skipped = totals.updates + (moved and bool(passes)), totals.skipped + (not moved)
        totals.grad_norm += norm if moved else 0.0

    def _live(self, experience: Experience, minibatch: Sequence[int]) -> list[int]:
        """Rollouts that can move the weights: those with an advantage, or all where a KL or an entropy moves them too."""
        if not self.algorithm.advantage_is_all:
            return list(minibatch)
        return [i for i in minibatch if experience.advantages_BT[i].any()]

    def _passes(self, experience: Experience, minibatch: Sequence[int]) -> list[Pass]:
        """This rank's micro-batches, and idle passes up to the number that the busiest rank makes; none where no rollout is live at all."""
        live, (rank, ranks) = sorted(self._live(experience, minibatch)), rank_and_count()
        shares = [live[each * len(live) // ranks : (each + 1) * len(live) // ranks] for each in range(ranks)]
        parts = [self._micro_batches(experience, share) for share in shares]
        shortest = sorted(live, key=lambda i: len(experience.rollouts[i].completion.tokens))[:1]
        idle = max(map(len, parts)) - len(parts[rank])
        return [Pass(part) for part in parts[rank]] + [Pass(shortest, idle=True)] * idle

    def _micro_batches(self, experience: Experience, indices: Sequence[int]) -> list[list[int]]:
        parts = self.scorer.micro_batches([experience.rollouts[i] for i in indices], self.config.grpo.micro_batch_tokens)
        return [[indices[i] for i in part] for part in parts]

    def _accumulate(self, experience: Experience, each: Pass, kept: Kept, denominators: Denominators, totals: UpdateTotals) -> bool:
        """Add a micro-batch's gradient; returns whether its loss and log-probabilities are finite."""
        indices, device = each.indices, self.model.device
        rollouts = [experience.rollouts[i] for i in indices]
        reference_BT = self._reference_logprobs(rollouts)
        read = 0 if each.idle else sum(len(rollout.completion.tokens) for rollout in rollouts)
        totals.trained += read
        totals.scored += 0 if reference_BT is None else read
        policy_BT, entropies_BT = self.scorer(rollouts, entropy_gradient=self._entropy_weight() > 0)
        mask_BT, behaviour_BT = sampled_mask(rollouts, device), behaviour_logprobs(rollouts, device)
        batch = GrpoBatch(
            policy_logprobs_BT=policy_BT,
            old_logprobs_BT=None if kept.old is None else pad_sequence([kept.old[i] for i in indices], batch_first=True),
            reference_logprobs_BT=reference_BT,
            advantages_BT=experience.advantages_BT[indices, : mask_BT.shape[1]].to(device),
            mask_BT=mask_BT,
            behaviour_logprobs_BT=behaviour_BT,
            entropies_BT=entropies_BT,
            chosen_BT=None if kept.chosen is None else pad_sequence([kept.chosen[i] for i in indices], batch_first=True).to(device),
        )
        loss = grpo_loss(replace(self.algorithm, entropy=self.entropy), batch, denominators)
        # Also where it is not finite: other ranks' backward passes may wait for this one.
        (loss.loss * 0 if each.idle else loss.loss).backward()  # type: ignore[no-untyped-call]
        finite = bool(torch.isfinite(loss.loss) and torch.isfinite(policy_BT).all())
        if finite and not each.idle:
            totals.add(loss, entropies_BT * mask_BT, (policy_BT.detach() - behaviour_BT).abs() * mask_BT)
            totals.keep(indices, rollouts, entropies_BT)
        return finite

    @torch.no_grad()
    def _reference_logprobs(self, rollouts: Sequence[Rollout]) -> Tensor | None:
        return None if self.reference is None else self._reference_scorer(rollouts)[0]

    @torch.no_grad()
    def _logprobs_by_rollout(self, experience: Experience, minibatches: Sequence[Sequence[int]], totals: UpdateTotals) -> dict[int, Tensor]:
        """Old log-probabilities, the trainer's own, by rollout, of those in this rank's passes."""
        found: dict[int, Tensor] = {}
        for minibatch in minibatches:
            for each in self._passes(experience, minibatch):
                rollouts = [experience.rollouts[i] for i in each.indices]
                totals.scored += 0 if each.idle else sum(len(rollout.completion.tokens) for rollout in rollouts)
                rows = zip(self.scorer(rollouts)[0], rollouts, strict=True)
                found |= dict(zip(each.indices, (row[: len(rollout.completion.tokens)] for row, rollout in rows), strict=True))
        return found


def _frozen_copy(model: CausalLM) -> CausalLM:
    """A copy of the policy that is not trained. Frozen parameters, such as the base of a LoRA policy, are shared."""
    shared = {id(parameter): parameter for parameter in model.parameters() if not parameter.requires_grad}
    return copy.deepcopy(model, shared).requires_grad_(False)
