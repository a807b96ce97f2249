"""Pre-training of the tiny base model: next-token prediction on the generated corpus.

Documents do not see each other, as each begins a sequence when the model is prompted. The corpus is an endless stream in which every
document is a function of its index, so the place in it is one number.
"""

from __future__ import annotations

import itertools
import math
import signal
import time
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from dunwu.config.pretrain import PretrainConfig
from dunwu.data.io.chat_examples import Example
from dunwu.data.tiny_world.corpus import DEFAULT_WEIGHTS, check_weights, document, documents
from dunwu.data.tiny_world.tokenizer import train_tokenizer
from dunwu.models.loading import load_model, load_tokenizer, pick_device, save_model
from dunwu.models.new import new_model
from dunwu.models.precision import attention
from dunwu.models.protocols import CausalLM
from dunwu.run.directory import RunDirectory
from dunwu.run.reporter import QUIET, Reporter
from dunwu.trainers.optimiser import Optimiser, too_high, warmup_cosine
from dunwu.trainers.scoring import in_order
from dunwu.trainers.sft_scoring import make_example_scorer
from dunwu.trainers.state import load_state, save_state
from dunwu.trainers.trackers import check_trackers, open_trackers
from dunwu.trainers.train_loop import Metrics, Schedule, run_steps

TOKENIZER_DOCUMENTS = 20_000
HELD_OUT_SEED = 1_000_003
CHUNK = 1_000


def pretrain(config: PretrainConfig, out: Path, resume: bool = False, reporter: Reporter = QUIET) -> Path:
    """Train a base model from scratch and return its folder (the final checkpoint)."""
    weights = dict(config.sources or DEFAULT_WEIGHTS)
    check_weights(weights)
    check_trackers(config.report_to)
    if config.threads:
        torch.set_num_threads(config.threads)
    with (
        RunDirectory.create(
            out, "pretrain", config.model_dump(mode="json"), config.seed, resume, may_change=config.resume_may_change, reporter=reporter
        ) as run,
        Corpus(config.seed, weights) as corpus,
        open_trackers(config.report_to, run) as track,
    ):
        trainer = Pretrainer(config, corpus, reporter=reporter)
        schedule = Schedule(
            trainer.steps, config.save_every, config.keep_checkpoints, "pretrain", ("loss", "held_out_loss", "tokens_per_second")
        )
        run.note({"steps": trainer.steps})
        final = run_steps(run, trainer, schedule, track=track)
        run.finish({"checkpoint": final})
        return final


def learning_rate(config: PretrainConfig, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to the minimum at the last step."""
    highest, lowest = config.learning_rate, config.min_learning_rate
    return warmup_cosine(step, steps, config.warmup_steps, highest, lambda cosine: lowest + (highest - lowest) * cosine)


def _generate(job: tuple[int, int, dict[str, float]]) -> list[str]:
    seed, start, weights = job
    return [document(index, seed, weights)[1] for index in range(start, start + CHUNK)]


def _example(ids: list[int]) -> Example:
    """A document, of which everything after its first token is learned."""
    return Example(np.array(ids, np.int32), np.arange(len(ids)) > 0, "document")


class DocumentStream(Protocol):
    """Where documents come from: ``take(index)`` is a pure function of the index."""

    def take(self, index: int) -> str:
        """The document at a place of the stream."""
        ...


class Corpus:
    """The stream of documents, written ahead by one worker process; ``take(index)`` is the document at any place of it."""

    def __init__(self, seed: int, weights: Mapping[str, float]) -> None:
        self._seed, self._weights = seed, dict(weights)
        # Ctrl-C reaches the whole group: it would kill the worker, and the chunk it was at would be waited for without end.
        self._pool = get_context("spawn").Pool(1, signal.signal, (signal.SIGINT, signal.SIG_IGN))
        self._ahead: dict[int, Any] = {}
        self._chunk: tuple[int, list[str]] = (-1, [])

    def __enter__(self) -> Corpus:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.terminate()
        self._pool.join()

    def take(self, index: int) -> str:
        number = index // CHUNK
        if self._chunk[0] != number:
            for wanted in (number, number + 1, number + 2):
                if wanted not in self._ahead:
                    self._ahead[wanted] = self._pool.apply_async(_generate, ((self._seed, wanted * CHUNK, self._weights),))
            self._chunk = (number, self._ahead.pop(number).get())
        return self._chunk[1][index % CHUNK]


class Pretrainer:
    """The trainer: model, optimiser, and the place in the corpus."""

    def __init__(
        self,
        config: PretrainConfig,
        corpus: DocumentStream,
        tokenizer_documents: int = TOKENIZER_DOCUMENTS,
        reporter: Reporter = QUIET,
    ) -> None:
        self.config, self.corpus, self.reporter = config, corpus, reporter
        self.device = pick_device(config.device)
        self.steps = max(1, config.tokens // config.batch_tokens)
        weights = dict(config.sources or DEFAULT_WEIGHTS)
        self.tokenizer: Any = (
            train_tokenizer(text for _, text in itertools.islice(documents(config.seed, 0, weights), tokenizer_documents))
            if config.tokenizer is None
            else load_tokenizer(config.tokenizer)
        )
        self.held_out = [self._encode(text) for _, text in itertools.islice(documents(HELD_OUT_SEED, 0, weights), 400)]
        self._attach(new_model(config.shape, self.tokenizer, config.seed))
        self.place = 0
        self.halted = ""

    def _attach(self, model: CausalLM) -> None:
        self.model = model.to(self.device)
        self.scorer = make_example_scorer(self.model, self.config.matmul_precision)
        self.optimiser = Optimiser(
            self.model,
            learning_rate=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            max_grad_norm=self.config.max_grad_norm,
        )

    def step(self, step: int) -> Metrics:
        began = time.monotonic()
        self.optimiser.learning_rate = learning_rate(self.config, step, self.steps)
        rows = self._next_rows()
        tokens = sum(len(row) - 1 for row in rows)
        loss = self._loss(rows, tokens, train=True)
        norm, moved = self.optimiser.update(math.isfinite(loss))
        batch = f"documents {self.place - len(rows)} to {self.place - 1} of seed {self.config.seed}"
        self.optimiser.count_skipped(step, int(not moved), batch, too_high(self.config.learning_rate), self.reporter)
        metrics: dict[str, float | int | str | None] = {
            "loss": loss,
            "grad_norm": norm,
            "skipped": int(not moved),
            "learning_rate": self.optimiser.learning_rate,
            "num_tokens": tokens,
            "tokens_per_second": tokens / (time.monotonic() - began),
        }
        if step % self.config.sample_every == 0 or step == self.steps:
            metrics["held_out_loss"] = self.held_out_loss()
            self.reporter.sample(f"step {step}, greedy", self._sample())
        return metrics

    def _next_rows(self) -> list[list[int]]:
        rows: list[list[int]] = []
        tokens = 0
        while tokens < self.config.batch_tokens:
            row = self._encode(self.corpus.take(self.place))
            self.place += 1
            rows.append(row)
            tokens += len(row) - 1
        return rows

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text)["input_ids"]
        return [*ids, self.tokenizer.eos_token_id][: self.config.sequence_length]

    def _loss(self, rows: list[list[int]], tokens: int, *, train: bool) -> float:
        """Mean loss per token over all rows; gradients accumulate when training."""
        total = 0.0
        for part in in_order([len(row) for row in rows], self.config.micro_batch_tokens):
            with torch.set_grad_enabled(train):
                loss = self.scorer([_example(rows[i]) for i in part]).loss / tokens
            if train:
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total

    def held_out_loss(self) -> float:
        """Mean loss per token on 400 documents of another seed."""
        return self._loss(self.held_out, sum(len(row) - 1 for row in self.held_out), train=False)

    @torch.no_grad()
    def _sample(self) -> str:
        ids = self.tokenizer("User: Use 3,7,8 to make 29.\nAssistant:<think>", return_tensors="pt")["input_ids"].to(self.device)
        with attention(self.model):
            for _ in range(80):
                ids = torch.cat([ids, self.model(input_ids=ids, use_cache=False).logits[:, -1:].argmax(-1)], dim=1)
                if ids[0, -1] == self.tokenizer.eos_token_id:
                    break
        return str(self.tokenizer.decode(ids[0]))

    def save(self, folder: Path) -> None:
        save_model(self.model, self.tokenizer, folder)
        tensors, values = self.optimiser.state()
        save_state(folder, tensors, {**values, "place": self.place})

    def load(self, folder: Path) -> None:
        model, self.tokenizer = load_model(str(folder))
        self._attach(model)
        tensors, values = load_state(folder)
        self.optimiser.load(tensors, values)
        self.place = values["place"]
