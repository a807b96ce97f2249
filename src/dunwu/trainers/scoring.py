"""How a batch is cut into micro-batches, and their log-probabilities: by torch on padded rows, or by the native scorer on packed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dunwu.models.logprobs import token_logprobs
from dunwu.models.native import native_or_torch
from dunwu.models.native_logprobs import NativeScorer
from dunwu.models.precision import Precision, attention, matmul_precision, torch_precision
from dunwu.models.protocols import CausalLM
from dunwu.types import Rollout


class Scorer(Protocol):
    """Scores completions under one model, at one temperature."""

    name: str

    def micro_batches(self, rollouts: Sequence[Rollout], budget: int) -> list[list[int]]:
        """Indices of the rollouts in micro-batches of about ``budget`` tokens, as this scorer works best."""
        ...

    def __call__(self, rollouts: Sequence[Rollout], entropy_gradient: bool = False) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies (B, T), T the longest completion; 0 behind a completion's end."""
        ...


class TorchScorer:
    """The reference: the model's own forward pass on rows padded on the right, on any device."""

    def __init__(self, model: CausalLM, temperature: float, precision: Precision, pad: int, why: str = "") -> None:
        self._model, self._temperature, self._precision, self._pad = model, temperature, precision, pad
        self.name = f"torch, {precision}{why}"

    def micro_batches(self, rollouts: Sequence[Rollout], budget: int) -> list[list[int]]:
        """Rows of like length together."""
        return by_token_budget(_lengths(rollouts), budget)

    def __call__(self, rollouts: Sequence[Rollout], entropy_gradient: bool = False) -> tuple[Tensor, Tensor]:
        """See ``Scorer``."""
        device = self._model.device
        rows = [rollout.prompt.token_ids + rollout.completion.tokens.ids for rollout in rollouts]
        ids_BT, attention_BT = pad_right(rows, self._pad, device)
        starts = torch.tensor([[len(rollout.prompt.token_ids)] for rollout in rollouts], device=device)
        scored_BT = attention_BT.bool() & (torch.arange(ids_BT.shape[1], device=device) >= starts)
        with attention(self._model), matmul_precision(self._precision, device):
            scores = token_logprobs(
                self._model, ids_BT, attention_BT, scored_BT, temperature=self._temperature, entropy_gradient=entropy_gradient
            )
        logprobs, entropies = (_rows(values_BT[scored_BT], rollouts) for values_BT in scores)
        return logprobs, entropies


class NativeRowScorer:
    """`kernels/score.c`: no padding, a group's prompt once."""

    def __init__(self, model: CausalLM, temperature: float, precision: Precision | Literal["auto"] = "auto") -> None:
        """Raises ``NativeUnavailable`` with the reason."""
        self._native, self._temperature = NativeScorer(model, precision), temperature
        self.name = f"native, {self._native.precision}"

    def micro_batches(self, rollouts: Sequence[Rollout], budget: int) -> list[list[int]]:
        """Neighbours together: they share prompts."""
        return in_order(_lengths(rollouts), budget)

    def __call__(self, rollouts: Sequence[Rollout], entropy_gradient: bool = False) -> tuple[Tensor, Tensor]:
        """See ``Scorer``."""
        prompts = [rollout.prompt.token_ids for rollout in rollouts]
        completions = [rollout.completion.tokens.ids for rollout in rollouts]
        logprobs, entropies = self._native.logprobs(prompts, completions, self._temperature, entropy_gradient=entropy_gradient)
        return _rows(logprobs, rollouts), _rows(entropies, rollouts)


def make_scorer(model: CausalLM, temperature: float, precision: Precision | Literal["auto"], pad: int, native: bool = True) -> Scorer:
    """``auto`` and ``bfloat16``: native where its products have that precision, else torch, ``auto`` as by `torch_precision`; ``float32``:
    torch."""
    return native_or_torch(
        native and precision != "float32",
        lambda: NativeRowScorer(model, temperature, precision),
        lambda why: TorchScorer(model, temperature, torch_precision(precision, model.device), pad, why),
    )


def by_token_budget(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of the sequences, sorted by length and cut so that rows times longest row stays within ``budget`` (at least one row each)."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[index] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def in_order(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of the sequences in their order, cut so that each part's lengths sum to at most ``budget`` (at least one sequence each)."""
    batches: list[list[int]] = []
    room = 0
    for index, length in enumerate(lengths):
        if not batches or length > room:
            batches.append([])
            room = budget
        batches[-1].append(index)
        room -= length
    return batches


def pad_right(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """``(ids_BT, mask_BT)``: the rows padded on the right, and 1 where a token is."""
    shape = (len(rows), max(map(len, rows)))
    ids_BT = torch.full(shape, pad, dtype=torch.long)
    mask_BT = torch.zeros(shape, dtype=torch.long)
    for row, tokens in enumerate(rows):
        ids_BT[row, : len(tokens)] = torch.tensor(tokens)
        mask_BT[row, : len(tokens)] = 1
    return ids_BT.to(device), mask_BT.to(device)


def sampled_mask(rollouts: Sequence[Rollout], device: torch.device) -> Tensor:
    """True on the tokens that the policy drew, (B, T)."""
    return pad_sequence([torch.tensor(r.completion.tokens.sampled, dtype=torch.bool) for r in rollouts], batch_first=True).to(device)


def behaviour_logprobs(rollouts: Sequence[Rollout], device: torch.device) -> Tensor:
    """The engine's log-probabilities, (B, T); 0 on what it did not draw."""
    return pad_sequence([torch.tensor(rollout.completion.tokens.behaviour_logprobs) for rollout in rollouts], batch_first=True).to(device)


def _lengths(rollouts: Sequence[Rollout]) -> list[int]:
    return [len(rollout.prompt.token_ids) + len(rollout.completion.tokens) for rollout in rollouts]


def _rows(values: Tensor, rollouts: Sequence[Rollout]) -> Tensor:
    """Completions' values laid end to end, as rows."""
    return pad_sequence(list(torch.split(values, [len(rollout.completion.tokens) for rollout in rollouts])), batch_first=True)
