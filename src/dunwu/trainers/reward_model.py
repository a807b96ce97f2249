"""Training of reward models: Bradley-Terry on pairs (helpfulness), cross-entropy on labelled answers (safety).

DeepSeek-R1 (arXiv 2501.12948, section 2.3.4; Nature 645:633-638, Methods). A step: examples of balanced lengths -> scores of their rows ->
loss -> update. `Example` says what is preferred, and by how much; this file knows rows, signs and margins.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dunwu.algorithms.preference import bradley_terry, pointwise
from dunwu.config.reward_model import RewardModelConfig
from dunwu.data.io.preferences import Pair
from dunwu.models.heads import HEAD, scores
from dunwu.models.precision import attention
from dunwu.models.protocols import RewardHeadModel, Tokenizer
from dunwu.run.reporter import QUIET, Reporter
from dunwu.trainers.optimiser import Optimiser, too_high, warmup_cosine
from dunwu.trainers.reward_model_examples import Batches, Example
from dunwu.trainers.scoring import by_token_budget, pad_right
from dunwu.trainers.state import load_state, load_weights, save_state, save_weights
from dunwu.trainers.train_loop import Metrics


@dataclass(slots=True)
class BatchTotals:
    """Sums over the examples of a step, and all scores."""

    loss: float = 0.0
    correct: int = 0
    agreement: float = 0.0
    scores: list[float] = field(default_factory=list)


class RewardModelTrainer:
    """The trainer: model, optimiser, and the examples. ``halted`` stays empty: only the last step ends a run."""

    halted = ""

    def __init__(
        self,
        config: RewardModelConfig,
        model: RewardHeadModel,
        tokenizer: Tokenizer,
        train: Sequence[Example],
        held_out: Sequence[Example],
        reporter: Reporter = QUIET,
    ) -> None:
        self.config, self.model, self.tokenizer, self.train, self.held_out = config, model, tokenizer, train, held_out
        self.batches, self.reporter = Batches(train, config), reporter
        model.score.weight.requires_grad_(True)  # adapters froze it with the rest
        self.optimiser = Optimiser(
            model, learning_rate=config.learning_rate, weight_decay=config.weight_decay, max_grad_norm=config.max_grad_norm
        )

    @property
    def steps(self) -> int:
        """Steps of all epochs."""
        return self.batches.steps

    def step(self, step: int) -> Metrics:
        began = time.monotonic()
        self.optimiser.learning_rate = learning_rate(self.config, step, self.steps)
        batch = [self.train[place] for place in self.batches(step)]
        totals = self._accumulate(batch)
        norm, moved = self.optimiser.update(math.isfinite(totals.loss))
        self.optimiser.count_skipped(step, int(not moved), "", too_high(self.config.learning_rate), self.reporter)
        tokens = sum(len(row) for example in batch for row in example.rows)
        seconds = time.monotonic() - began
        metrics: dict[str, float | int | str | None] = {
            "loss": totals.loss,
            "accuracy": totals.correct / len(batch),
            "margin": totals.agreement / len(batch),
            "mean_reward": math.fsum(totals.scores) / len(totals.scores),
            "min_reward": min(totals.scores),
            "max_reward": max(totals.scores),
            "chosen_longer": sum(example.side > 0 for example in batch) / len(batch),
            "grad_norm": norm,
            "skipped": int(not moved),
            "learning_rate": self.optimiser.learning_rate,
            "num_tokens": tokens,
            "tokens_per_second": tokens / seconds,
            "step_time": seconds,
        }
        if step % self.config.sample_every == 0 or step == self.steps:
            agreements = self.agreements(self.held_out)
            metrics["held_out_accuracy"] = sum(found > 0 for found in agreements) / len(agreements)
            self._show(step)
        return metrics

    @torch.no_grad()
    def agreements(self, examples: Sequence[Example]) -> list[float]:
        """Log-odds of what was preferred by the model's own probability: above 0 where the scores agree."""
        found = [0.0] * len(examples)
        for indices in self._micro_batches(examples):
            part = [examples[i] for i in indices]
            for i, value in zip(indices, agreement(self.scores(part), part).tolist(), strict=True):
                found[i] = value
        return found

    def _accumulate(self, batch: Sequence[Example]) -> BatchTotals:
        """Add the gradient of the batch's mean loss, micro-batch by micro-batch."""
        totals = BatchTotals()
        for indices in self._micro_batches(batch):
            part = [batch[i] for i in indices]
            scores_BR = self.scores(part)
            loss = losses(scores_BR, part, self.config.margin).sum() / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            found = agreement(scores_BR.detach(), part)
            totals.loss += loss.item()
            totals.correct += int((found > 0).sum())
            totals.agreement += float(found.sum())
            totals.scores += scores_BR.detach().flatten().tolist()
        return totals

    def scores(self, examples: Sequence[Example]) -> Tensor:
        """``[B, R]``: the scores of the examples' rows."""
        rows = [row for example in examples for row in example.rows]
        ids_BT, _ = pad_right(rows, self.model.config.pad_token_id, self.model.device)
        with attention(self.model):
            return scores(self.model, ids_BT, self.config.matmul_precision).view(len(examples), -1)

    def _micro_batches(self, examples: Sequence[Example]) -> list[list[int]]:
        """A pair's rows stay together: its loss needs both scores."""
        sizes = [len(example.rows) * max(map(len, example.rows)) for example in examples]
        return by_token_budget(sizes, self.config.micro_batch_tokens)

    @torch.no_grad()
    def _show(self, step: int) -> None:
        """A held-out row with its scores, another one each time."""
        example = self.held_out[step % len(self.held_out)]
        given = self.scores([example])[0].tolist()
        item = example.item
        if isinstance(item, Pair):
            named = [("chosen", item.chosen, given[0]), ("rejected", item.rejected, given[1])]
        else:
            named = [("safe" if item.safe else "unsafe", item.completion, given[0])]
        answers = "\n".join(f"[{name}, scored {score:+.2f}] {text}" for name, text, score in named)
        self.reporter.sample(f"step {step}, held out", f"{item.prompt[-1].content}\n{answers}")

    def save(self, folder: Path) -> None:
        tensors, values = self.optimiser.state()
        tensors |= save_weights(self.model, self.tokenizer, folder, self.config.save_precision)
        # With an adapter only merged weights are saved, and the head is not loaded from them. A copy, as the state may hold it among the
        # parameters too.
        head = self.model.score.weight.detach().clone()
        save_state(folder, {**tensors, HEAD: head}, values)

    def load(self, folder: Path) -> None:
        tensors, values = load_state(folder)
        load_weights(self.model, folder, tensors)
        with torch.no_grad():
            self.model.score.weight.copy_(tensors[HEAD])
        self.optimiser.load(tensors, values)


def agreement(scores_BR: Tensor, examples: Sequence[Example]) -> Tensor:
    """Log-odds of what was preferred: ``r_chosen - r_rejected`` of a pair, ``r`` of a safe and ``-r`` of an unsafe answer. ``[B]``."""
    signs_B = torch.tensor([example.sign for example in examples], dtype=scores_BR.dtype, device=scores_BR.device)
    return signs_B * (scores_BR[:, 0] - scores_BR[:, 1] if scores_BR.shape[1] == 2 else scores_BR[:, 0])


def losses(scores_BR: Tensor, examples: Sequence[Example], margin: float) -> Tensor:
    """The loss of each example, ``[B]``: pairs have two rows (R = 2), labelled answers one."""
    if scores_BR.shape[1] == 2:
        margins_B = scores_BR.new_tensor([margin * example.margin for example in examples])
        return bradley_terry(scores_BR[:, 0], scores_BR[:, 1], margins_B)
    labels_B = scores_BR.new_tensor([float(example.sign > 0) for example in examples])
    return pointwise(scores_BR[:, 0], labels_B)


def learning_rate(config: RewardModelConfig, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to a tenth at the last step."""
    return warmup_cosine(step, steps, config.warmup_steps, config.learning_rate, lambda cosine: config.learning_rate * (0.1 + 0.9 * cosine))
