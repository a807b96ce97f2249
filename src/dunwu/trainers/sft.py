"""Supervised fine-tuning: the mean log-probability of what the assistant says is raised.

With N the learned tokens of all conversations of an update, whatever the micro-batches::

    L = -1/N sum over learned tokens of log p(token | all before it in its conversation)

It is the loss of DeepSeek-R1's cold start and of its stage 3, whose values are `dunwu.config.sft.R1_SFT`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from dunwu.config.base import SEEDS
from dunwu.config.sft import SftConfig
from dunwu.data.io.chat_examples import Example, Examples
from dunwu.models.precision import checkpoint_activations
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.rollout.base import Engine
from dunwu.run.reporter import QUIET, SAMPLE_CHARACTERS, Reporter, clean
from dunwu.trainers.budget import Budget
from dunwu.trainers.optimiser import Optimiser, too_high, warmup_cosine
from dunwu.trainers.scoring import in_order
from dunwu.trainers.sft_scoring import ExampleScorer, Scores, make_example_scorer
from dunwu.trainers.state import load_state, load_weights, save_state, save_weights
from dunwu.trainers.train_loop import Metrics
from dunwu.types import Request, SamplingParams

SHOWN_PROMPT = 300  # characters
BESIDE = "beside."
"""Before the names of trained weights that are not the model's."""


@dataclass
class Totals:
    """Sums over the learned tokens that were scored."""

    tokens: int = 0
    loss: float = 0.0
    entropy: float = 0.0
    hits: int | None = 0
    terms: dict[str, float] = field(default_factory=dict)

    def add(self, scores: Scores) -> None:
        """Count a micro-batch."""
        self.tokens += len(scores.logprobs_N)
        self.loss += scores.loss.item()
        self.entropy += scores.entropies_N.sum().item()
        self.hits = None if self.hits is None or scores.hits_N is None else self.hits + int(scores.hits_N.sum())
        self.terms |= {name: self.terms.get(name, 0.0) + value for name, value in scores.terms.items()}

    def metrics(self, prefix: str = "") -> dict[str, float]:
        """Means per token under TRL's names; the accuracy only where it is known."""
        sums = {"loss": self.loss, **self.terms, "entropy": self.entropy}
        found = {f"{prefix}{name}": value / self.tokens for name, value in sums.items()}
        return found if self.hits is None else found | {f"{prefix}mean_token_accuracy": self.hits / self.tokens}


class SftTrainer:
    """Model, optimiser and data. The place in the data is a function of the step.

    ``beside``: weights that are trained and saved with the model's, but are not part of it. ``scorer``: with a loss other than the
    cross-entropy.
    """

    def __init__(
        self,
        config: SftConfig,
        model: CausalLM,
        tokenizer: Tokenizer,
        engine: Engine,
        examples: Examples,
        validation: Examples = (),
        reporter: Reporter = QUIET,
        scorer: ExampleScorer | None = None,
        beside: nn.Module | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.config, self.model, self.tokenizer, self.engine = config, model, tokenizer, engine
        self.examples, self.validation, self.reporter = examples, validation, reporter
        self.beside = {} if beside is None else {f"{BESIDE}{name}": weights for name, weights in beside.named_parameters()}
        self.updates_per_epoch = -(-len(examples) // config.batch_size)
        self.steps = config.epochs * self.updates_per_epoch
        self.halted = ""
        self.budget = budget
        model.train()
        if config.gradient_checkpointing:
            checkpoint_activations(model)
        # The native scorer keeps its activations; with gradient checkpointing torch is used.
        self.scorer = scorer or make_example_scorer(model, config.matmul_precision, native=not config.gradient_checkpointing)
        self.optimiser = Optimiser(
            model,
            learning_rate=config.learning_rate,
            betas=config.adam_betas,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            max_nonfinite_in_a_row=config.max_nonfinite_in_a_row,
            beside=self.beside,
        )

    def step(self, step: int) -> Metrics:
        """One update."""
        began = time.monotonic()
        steps = self.steps if self.budget is None else self.budget.steps(step - 1, self.steps)
        self.optimiser.learning_rate = learning_rate(self.config, step, steps)
        batch = self.batch(step)
        totals = self._accumulate(batch)
        norm, moved = self.optimiser.update(math.isfinite(totals.loss))
        rows = ", ".join(example.where for example in batch)
        self.optimiser.count_skipped(step, int(not moved), rows, too_high(self.config.learning_rate), self.reporter)
        seconds, tokens = time.monotonic() - began, sum(len(example.ids) for example in batch)
        metrics: dict[str, float | int | str | None] = {
            **totals.metrics(),
            "grad_norm": norm,
            "skipped": int(not moved),
            "learning_rate": self.optimiser.learning_rate,
            "epoch": step / self.updates_per_epoch,
            "num_tokens": tokens,
            "learned_tokens": totals.tokens,
            "tokens_per_second": tokens / seconds,
            "step_time": seconds,
            **self.counted(step, tokens, totals.tokens),
        }
        ends = self.budget is not None and self.budget.ends_with(metrics)
        if self.validation and (ends or self._due(step, self.config.evaluate_every)):
            metrics |= self.evaluate()
        if self._due(step, self.config.sample_every):
            metrics |= self._show(step)
        return metrics

    def counted(self, step: int, tokens: int, learned: int) -> dict[str, int]:
        """Further tokens of an update that has read ``tokens`` and learned from ``learned`` of them, by the names of their metrics."""
        return {}

    def batch(self, step: int) -> list[Example]:
        """The conversations of an update; a random order is another one in each epoch, and depends on the seed alone."""
        epoch, place = divmod(step - 1, self.updates_per_epoch)
        generator, rows = torch.Generator().manual_seed((self.config.seed * 1_000_003 + epoch) % SEEDS), len(self.examples)
        order = torch.arange(rows) if self.config.order == "given" else torch.randperm(rows, generator=generator)
        chosen = order[place * self.config.batch_size : (place + 1) * self.config.batch_size]
        return [self.examples[i] for i in chosen.tolist()]

    def _accumulate(self, batch: Sequence[Example]) -> Totals:
        """The gradient of the loss over all micro-batches."""
        tokens, totals = sum(example.targets for example in batch), Totals()
        for part in self._micro_batches(batch):
            scores = self.scorer(part)
            (scores.loss / tokens).backward()  # type: ignore[no-untyped-call]
            totals.add(scores)
        return totals

    def _micro_batches(self, examples: Examples) -> Iterator[list[Example]]:
        """One at a time: ``examples`` may be a file."""
        for part in in_order([len(example.ids) for example in examples], self.config.micro_batch_tokens):
            yield [examples[i] for i in part]

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Means per learned token of the validation conversations: ``eval_loss`` and the others."""
        totals = Totals()
        for part in self._micro_batches(self.validation):
            totals.add(self.scorer(part))
        return totals.metrics("eval_")

    def _due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.steps

    def _show(self, step: int) -> dict[str, str]:
        """What the model says to a prompt of the data, of the held-out ones where there are any: reported, and kept with the metrics."""
        source = self.validation or self.examples
        example = source[step // self.config.sample_every % len(source)]
        read = tuple(example.ids[: example.start].tolist())
        room = self.model.config.max_position_embeddings - example.start
        params = self.config.sampling.model_dump() | {"max_tokens": min(room, self.config.sampling.max_tokens)}
        sampling = SamplingParams(**params, stop_token_ids=self.engine.stop_token_ids)
        self.engine.load_weights(step)
        [completion] = self.engine.generate([Request(read, sampling, self.config.seed + step)])
        asked = " ".join(str(self.tokenizer.decode(read)).split())[-SHOWN_PROMPT:]
        self.reporter.sample(f"step {step}: {asked}", completion.text)
        return {"sample_prompt": clean(asked), "sample": clean(completion.text[:SAMPLE_CHARACTERS])}

    def save(self, folder: Path) -> None:
        """The model as a Hugging Face folder, with the training template as its chat template; beside it the optimiser."""
        tensors, values = self.optimiser.state()
        tensors |= self.beside
        tensors |= save_weights(self.model, self.tokenizer, folder, self.config.save_precision)
        save_state(folder, tensors, values)

    def load(self, folder: Path) -> None:
        """Resume from a checkpoint: weights are copied into the live model, which the engine shares."""
        tensors, values = load_state(folder)
        load_weights(self.model, folder, tensors)
        for name, weights in self.beside.items():
            weights.data.copy_(tensors[name])
        self.optimiser.load(tensors, values)


def learning_rate(config: SftConfig, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to ``final_learning_rate`` times the highest at the last step."""
    lowest = config.final_learning_rate
    return warmup_cosine(
        step, steps, config.warmup_steps, config.learning_rate, lambda cosine: config.learning_rate * (lowest + (1 - lowest) * cosine)
    )
