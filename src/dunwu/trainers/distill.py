"""Distillation beside the teacher: fine-tuning whose loss also compares the student with it, on rows or on the student's completions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from dunwu.config.base import SEEDS
from dunwu.config.distill_methods import AttentionMethod, DistillationConfig, HiddenMethod, LogitsMethod, OnPolicyMethod
from dunwu.data.io.chat_examples import Example, Examples
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.models.state_reader import make_state_reader
from dunwu.models.tokenizer_alignment import vocabulary
from dunwu.rollout.base import Engine
from dunwu.run.reporter import QUIET, Reporter
from dunwu.trainers.budget import Budget
from dunwu.trainers.distill_scoring import AttentionDistance, HiddenDistance, LayerScorer, LogitScorer, Read
from dunwu.trainers.scoring import by_token_budget
from dunwu.trainers.sft import SftTrainer
from dunwu.trainers.sft_scoring import ExampleScorer
from dunwu.types import Completion, Request, SamplingParams


class DistillTrainer(SftTrainer):
    """`SftTrainer` with a teacher, which is frozen; ``None`` if the examples have what is stored of it."""

    def __init__(
        self,
        config: DistillationConfig,
        model: CausalLM,
        tokenizer: Tokenizer,
        engine: Engine,
        examples: Examples,
        validation: Examples = (),
        reporter: Reporter = QUIET,
        *,
        teacher: CausalLM | None,
        budget: Budget | None = None,
    ) -> None:
        self.method, self._beside_teacher = config.method, teacher is not None
        self._tokens = min(vocabulary(tokenizer), model.config.vocab_size)
        scorer, beside = make_scorer(config, model, teacher, self._tokens)
        super().__init__(config, model, tokenizer, engine, examples, validation, reporter, scorer, beside, budget)

    def counted(self, step: int, tokens: int, learned: int) -> dict[str, int]:
        """The tokens that the teacher read and that the student sampled."""
        counted = {"teacher_tokens": tokens if self._beside_teacher else 0}
        if isinstance(self.method, OnPolicyMethod):
            counted["sampled_tokens"] = learned if self.samples_at(step) else 0
        return counted

    def batch(self, step: int) -> list[Example]:
        """The conversations of an update: of the rows, or their first prompts with the student's completions."""
        rows = super().batch(step)
        return self._completed(rows, self.method, step) if isinstance(self.method, OnPolicyMethod) and self.samples_at(step) else rows

    def samples_at(self, step: int) -> bool:
        """Whether the student samples the completions of a step: a draw that depends on the seed and the step alone."""
        generator = torch.Generator().manual_seed(self._seed(step, self.config.batch_size))
        return isinstance(self.method, OnPolicyMethod) and float(torch.rand((), generator=generator)) < self.method.student_share

    def _completed(self, rows: list[Example], method: OnPolicyMethod, step: int) -> list[Example]:
        self.engine.load_weights(step)
        requests = [self._request(row, method, self._seed(step, place)) for place, row in enumerate(rows)]
        return [self._sampled(*pair) for pair in zip(rows, self.engine.generate(requests), strict=True)]

    def _request(self, row: Example, method: OnPolicyMethod, seed: int) -> Request:
        room = (self.config.max_length or self.model.config.max_position_embeddings) - row.start
        params = method.sampling.model_dump() | {"max_tokens": min(room, method.sampling.max_tokens)}
        return Request(tuple(row.ids[: row.start].tolist()), SamplingParams(**params, stop_token_ids=self.engine.stop_token_ids), seed)

    def _sampled(self, row: Example, completion: Completion) -> Example:
        """The row's prompt with the completion, all of which is learned.

        A padding row of the embedding is no token, and the teacher may have fewer of them: a student that samples one ends there.
        """
        tokens = completion.tokens.ids
        cut = next((place for place, token in enumerate(tokens) if token >= self._tokens), None)
        said = tokens if cut is None else (*tokens[:cut], self.engine.stop_token_ids[0])
        ids = np.concatenate([row.ids[: row.start], np.array(said, np.int32)])
        return Example(ids, np.arange(len(ids)) >= row.start, row.where, row.position)

    def _seed(self, step: int, place: int) -> int:
        return (self.config.seed * 1_000_003 + step * (self.config.batch_size + 1) + place) % SEEDS

    def _micro_batches(self, examples: Examples) -> Iterator[list[Example]]:
        """Rows of like length together: they are padded."""
        for part in by_token_budget([len(example.ids) for example in examples], self.config.micro_batch_tokens):
            yield [examples[i] for i in part]


def make_scorer(
    config: DistillationConfig, student: CausalLM, teacher: CausalLM | None, tokens: int
) -> tuple[ExampleScorer, nn.Module | None]:
    """The loss, over the first ``tokens`` of the vocabularies, and the module with the weights that it trains beside the student's.

    Raises ``ConfigError`` for layers or heads that the models do not have.
    """
    method = config.method
    if teacher is not None:
        teacher.requires_grad_(False)
    ours, theirs = _read(config, student), None if teacher is None else _read(config, teacher)
    if isinstance(method, LogitsMethod | OnPolicyMethod):
        weight = method.weight if isinstance(method, LogitsMethod) else 1.0
        return LogitScorer(ours, theirs, method, weight, tokens), None
    assert theirs is not None, "the teacher's layers are not stored"
    distance = _distance(method, student, theirs.model, config.seed)
    return LayerScorer(ours, theirs, distance, method.weight), distance


def _read(config: DistillationConfig, model: CausalLM) -> Read:
    # The native scorer keeps its activations; with gradient checkpointing torch is used.
    return Read(model, make_state_reader(model, config.matmul_precision, native=not config.gradient_checkpointing))


def _distance(
    method: HiddenMethod | AttentionMethod, student: CausalLM, teacher: CausalLM, seed: int
) -> HiddenDistance | AttentionDistance:
    if isinstance(method, HiddenMethod):
        return HiddenDistance(method, student, teacher, seed)
    return AttentionDistance(method, student, teacher)
