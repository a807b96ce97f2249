"""From an experience to new weights: the optimiser updates of one rollout batch, guarded against NaN and Inf."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dunwu.algorithms.loss import GrpoBatch, GrpoLoss, grpo_loss
from dunwu.algorithms.recipes import Algorithm
from dunwu.algorithms.reductions import Denominators
from dunwu.config.zero import ZeroConfig
from dunwu.models.logprobs import token_logprobs
from dunwu.models.precision import matmul_precision, use_causal_attention
from dunwu.trainers.experience import Experience, TokenRows, token_rows
from dunwu.trainers.micro_batches import by_token_budget


@dataclass
class UpdateTotals:
    """Sums over the micro-batches of a step's updates, for its metrics."""

    updates: int = 0
    skipped: int = 0
    loss: float = 0.0
    grad_norm: float = 0.0
    kl: float = 0.0
    clipped: float = 0.0
    entropy: float = 0.0
    mismatch: float = 0.0
    tokens: int = 0

    def add(self, loss: GrpoLoss, entropies_BT: Tensor, mismatch_BT: Tensor) -> None:
        """Count a micro-batch; entropies and mismatch (|policy - behaviour|) are 0 outside completions."""
        self.loss += loss.loss.item()
        self.kl += loss.kl_sum.item()
        self.clipped += loss.clipped.item()
        self.entropy += entropies_BT.sum().item()
        self.mismatch += mismatch_BT.sum().item()
        self.tokens += int(loss.tokens)

    def metrics(self, with_kl: bool) -> dict[str, float | int | None]:
        """Means over the tokens that were learned from; ``None`` where there were none."""
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
        }
        return metrics | ({"kl": self.kl / each} if with_kl and seen else {})


@dataclass
class PolicyUpdate:
    """The policy, its optimiser, and (where beta is above 0) the frozen reference."""

    model: Any
    algorithm: Algorithm
    config: ZeroConfig
    pad: int
    optimizer: torch.optim.AdamW = field(init=False)
    reference: Any | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        use_causal_attention(self.model)
        self.model.train()
        grpo = self.config.grpo
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=grpo.learning_rate, betas=grpo.adam_betas, weight_decay=grpo.weight_decay, fused=True
        )
        if self.algorithm.beta > 0:
            self.reference = copy.deepcopy(self.model).requires_grad_(False)

    def renew_reference(self) -> None:
        """Reference := policy."""
        if self.reference is not None:
            self.reference.load_state_dict(self.model.state_dict())

    def learn(self, experience: Experience, step: int) -> UpdateTotals:
        """All updates on one rollout batch: ``inner_epochs`` passes of ``minibatches`` (DeepSeekMath, arXiv 2402.03300, Algorithm 1).

        Where there is but one update, the policy still is the one that sampled: the ratio is 1 and no old log-probabilities are computed.
        """
        grpo = self.config.grpo
        totals = UpdateTotals()
        for group in self.optimizer.param_groups:
            group["lr"] = grpo.learning_rate * min(1.0, step / max(1, grpo.warmup_steps))
        order = torch.randperm(len(experience.rollouts), generator=torch.Generator().manual_seed(self.config.seed * 1_000_003 + step))
        # Not `chunk`, which may give fewer parts than asked for.
        parts = [part.tolist() for part in order.tensor_split(grpo.minibatches)]
        minibatches = parts if len(parts) > 1 else [list(range(len(order)))]
        reused = grpo.minibatches * grpo.inner_epochs > 1
        old = self._logprobs_by_rollout(experience, minibatches) if reused else None
        for _ in range(grpo.inner_epochs):
            for minibatch in minibatches:
                self._update(experience, minibatch, old, totals)
        return totals

    def _update(self, experience: Experience, minibatch: Sequence[int], old: dict[int, Tensor] | None, totals: UpdateTotals) -> None:
        """One optimiser step; its denominators are those of the whole mini-batch, rollouts without a signal included."""
        denominators = Denominators(len(minibatch), max(1, sum(len(experience.rollouts[i].completion.token_ids) for i in minibatch)))
        live = self._live(experience, minibatch)
        if not live:
            return
        self.optimizer.zero_grad(set_to_none=True)
        finite = True
        for indices in self._micro_batches(experience, live):
            finite = self._accumulate(experience, indices, old, denominators, totals) and finite
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grpo.max_grad_norm))
        if not finite or not math.isfinite(norm):
            totals.skipped += 1
            self.optimizer.zero_grad(set_to_none=True)
            return
        self.optimizer.step()
        totals.updates += 1
        totals.grad_norm += norm

    def _live(self, experience: Experience, minibatch: Sequence[int]) -> list[int]:
        """Rollouts that can move the weights: all when there is a KL, else those with an advantage."""
        if self.reference is not None:
            return list(minibatch)
        return [i for i in minibatch if experience.advantages_B[i] != 0]

    def _micro_batches(self, experience: Experience, indices: Sequence[int]) -> list[list[int]]:
        lengths = [len(r.prompt.token_ids) + len(r.completion.token_ids) for r in (experience.rollouts[i] for i in indices)]
        return [[indices[i] for i in batch] for batch in by_token_budget(lengths, self.config.grpo.micro_batch_tokens)]

    def _accumulate(
        self, experience: Experience, indices: list[int], old: dict[int, Tensor] | None, denominators: Denominators, totals: UpdateTotals
    ) -> bool:
        """Add a micro-batch's gradient; returns whether its loss and log-probabilities are finite."""
        rows = token_rows([experience.rollouts[i] for i in indices], self.pad, self.model.device)
        policy_BT, entropies_BT = self._logprobs(self.model, rows)
        reference_BT = None
        if self.reference is not None:
            with torch.no_grad():
                reference_BT = self._logprobs(self.reference, rows)[0]
        batch = GrpoBatch(
            policy_logprobs_BT=policy_BT,
            old_logprobs_BT=None if old is None else _pad_like(policy_BT, [old[i] for i in indices]),
            reference_logprobs_BT=reference_BT,
            advantages=experience.advantages_B[indices].to(policy_BT.device),
            mask_BT=rows.completion_BT,
        )
        loss = grpo_loss(self.algorithm, batch, denominators)
        if not (torch.isfinite(loss.loss) and torch.isfinite(policy_BT).all()):
            return False
        loss.loss.backward()  # type: ignore[no-untyped-call]
        totals.add(loss, entropies_BT, (policy_BT.detach() - rows.behaviour_logprobs_BT).abs())
        return True

    def _logprobs(self, model: Any, rows: TokenRows) -> tuple[Tensor, Tensor]:
        with matmul_precision(self.config.matmul_precision, model.device):
            return token_logprobs(model, rows.ids_BT, rows.attention_BT, rows.completion_BT, temperature=self.config.sampling.temperature)

    @torch.no_grad()
    def _logprobs_by_rollout(self, experience: Experience, minibatches: Sequence[Sequence[int]]) -> dict[int, Tensor]:
        """Old log-probabilities, the trainer's own, as padded rows by rollout."""
        found: dict[int, Tensor] = {}
        for minibatch in minibatches:
            for indices in self._micro_batches(experience, self._live(experience, minibatch)):
                rows = token_rows([experience.rollouts[i] for i in indices], self.pad, self.model.device)
                found |= dict(zip(indices, self._logprobs(self.model, rows)[0], strict=True))
        return found


def _pad_like(policy_BT: Tensor, rows: Sequence[Tensor]) -> Tensor:
    """Rows cut or padded with zeros to the width of ``policy_BT``; what is cut is padding."""
    padded = torch.zeros_like(policy_BT)
    for target, row in zip(padded, rows, strict=True):
        width = min(len(target), len(row))
        target[:width] = row[:width]
    return padded
