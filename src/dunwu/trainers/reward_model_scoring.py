"""Scores of a trained reward model: from problems, and what it may see of their answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch

from dunwu.config.reward_model import Criterion
from dunwu.data.io.preferences import user_turn
from dunwu.errors import ModelError
from dunwu.models.heads import label_of, load_scorer, scorer_label, scores
from dunwu.models.native import check_ids
from dunwu.models.protocols import RewardHeadModel, Tokenizer
from dunwu.rewards.scope import Visible, Whole
from dunwu.trainers.reward_model_examples import SCOPES, Judged, Reader
from dunwu.trainers.scoring import by_token_budget, pad_right
from dunwu.types import Problem

MICRO_BATCH_TOKENS = 16_384


@dataclass(frozen=True)
class RewardModel:
    """``score`` gives log-odds: of a helpfulness model only differences mean something, a safety model's is the log-odds of being safe.

    ``scope`` is the type that it must be given; another one is refused, so a helpfulness model cannot be shown a chain of thought.
    """

    model: RewardHeadModel
    tokenizer: Tokenizer
    criterion: Criterion

    @classmethod
    def load(cls, folder: str, device: torch.device | str = "cpu", criterion: Criterion | None = None) -> RewardModel:
        """From a checkpoint of `dunwu reward-model`, or any sequence classifier with one label, of which ``criterion`` says what it judges.

        Raises ``ModelError`` for a model without a head, and where the folder does not say its criterion, or says another.
        """
        model, tokenizer = load_scorer(folder, device)
        return cls(model.requires_grad_(False), tokenizer, _criterion(folder, label_of(model), criterion))

    @property
    def scope(self) -> type[Visible] | type[Whole]:
        """What of a completion the model is shown."""
        return SCOPES[self.criterion]

    @torch.no_grad()
    def score(self, problems: Sequence[Problem], scopes: Sequence[Judged]) -> list[float | None]:
        """A score an answer; ``None`` where there is none: longer than the model's positions, or not finite. Never a silent 0.

        Equal rows are scored once: rounding may differ from row to row of a batch.
        """
        assert len(problems) == len(scopes), "an answer for each problem"
        if wrong := next((seen for seen in scopes if type(seen) is not self.scope), None):
            raise TypeError(f"a {self.criterion} model is shown {self.scope.__name__}, not {type(wrong).__name__}")
        reader = Reader(self.tokenizer, self.model.config.pad_token_id)
        rows = [tuple(reader(user_turn(problem.text), seen)) for problem, seen in zip(problems, scopes, strict=True)]
        check_ids(rows, self.model.config.vocab_size)
        found: dict[tuple[int, ...], float] = {}
        fitting = [row for row in dict.fromkeys(rows) if len(row) <= self.model.config.max_position_embeddings]
        for batch in by_token_budget([len(row) for row in fitting], MICRO_BATCH_TOKENS):
            chosen = [fitting[place] for place in batch]
            ids_BT, _ = pad_right(chosen, self.model.config.pad_token_id, self.model.device)
            found |= zip(chosen, scores(self.model, ids_BT).tolist(), strict=True)
        return [value if (value := found.get(row)) is not None and math.isfinite(value) else None for row in rows]


def check_reward_model(folder: str, criterion: Criterion) -> None:
    """Raise ``ModelError`` as `RewardModel.load` for what can be seen without loading weights; a hub model's tokenizer is fetched."""
    if (label := scorer_label(folder)) is not None:
        _criterion(folder, label, criterion)


def _criterion(folder: str, label: str, criterion: Criterion | None) -> Criterion:
    """What a model with this label judges; a label that names no criterion stands for the requested one."""
    found = next((each for each in get_args(Criterion) if each == label), criterion)
    if found is None or found != (criterion or found):
        wanted = " or ".join([criterion] if criterion else get_args(Criterion))
        raise ModelError(f"model {folder!r} judges {label!r}, not {wanted}; give another")
    return found
