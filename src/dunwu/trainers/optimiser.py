"""The optimiser step of every trainer: AdamW, its learning rate, clipping, and updates that are skipped when not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from dunwu.distributed.ranks import on_all_ranks
from dunwu.errors import CheckpointError, TrainingError
from dunwu.models.protocols import LanguageModel
from dunwu.run.reporter import QUIET, Reporter

PREFIX = "optimizer."


class Optimiser:
    """AdamW on the trainable parameters of a model and those ``beside`` it, by name.

    Weight decay on matrices only, never on norms and biases. State by parameter name.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.0,
        max_grad_norm: float = 1.0,
        max_nonfinite_in_a_row: int = 5,
        beside: Mapping[str, nn.Parameter] = MappingProxyType({}),
    ) -> None:
        named = (*model.named_parameters(), *beside.items())
        self.parameters = {name: parameter for name, parameter in named if parameter.requires_grad}
        matrices, others = (
            [parameter for parameter in self.parameters.values() if (parameter.ndim >= 2) is wide] for wide in (True, False)
        )
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._adam = torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate, betas=betas, fused=True)
        self._max_grad_norm, self._max_nonfinite = max_grad_norm, max_nonfinite_in_a_row
        self.skipped_in_a_row = 0

    @property
    def learning_rate(self) -> float:
        """The learning rate of the current step."""
        return float(self._adam.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        for group in self._adam.param_groups:
            group["lr"] = value

    def update(self, finite: bool = True) -> tuple[float, bool]:
        """Clip the gradients and update the weights; returns the norm before clipping, and whether the weights were updated.

        Weights and moments do not change where the loss is not ``finite`` or the norm is not, on this rank or any other. Gradients are
        cleared in either case.
        """
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters.values(), self._max_grad_norm))
        moved = on_all_ranks(finite and math.isfinite(norm))
        if moved:
            self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        return norm, moved

    def count_skipped(self, step: int, skipped: int, batch: str, remedy: str, reporter: Reporter = QUIET) -> None:
        """Count a step in which updates were skipped, and warn of it with its ``batch``.

        Raises ``TrainingError`` with the ``remedy`` after too many in a row.
        """
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if skipped else 0
        if skipped:
            said = f"step {step}: loss or gradient not finite; {skipped} update(s) skipped, weights unchanged"
            reporter.warn(f"{said}, batch: {batch}" if batch else said)
        if self.skipped_in_a_row >= self._max_nonfinite:
            raise TrainingError(f"{self.skipped_in_a_row} steps in a row were not finite: {remedy}")

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors ``optimizer.<parameter>.<entry>``, and the other values."""
        moments = self._adam.state
        tensors = {
            f"{PREFIX}{name}.{entry}": value
            for name, parameter in self.parameters.items()
            if parameter in moments
            for entry, value in moments[parameter].items()
        }
        return tensors, {"learning_rate": self.learning_rate, "skipped_in_a_row": self.skipped_in_a_row}

    def load(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Load what ``state`` returned, among other tensors and values. Raises ``CheckpointError`` for other parameters."""
        self._adam.state.clear()
        for key, tensor in tensors.items():
            if not key.startswith(PREFIX):
                continue
            name, _, entry = key.removeprefix(PREFIX).rpartition(".")
            parameter = self.parameters.get(name)
            if parameter is None:
                raise CheckpointError(f"optimizer state {key} belongs to no trainable parameter of the model")
            if entry != "step" and tensor.shape != parameter.shape:
                raise CheckpointError(f"optimizer state {key} has shape {tuple(tensor.shape)}, its parameter {tuple(parameter.shape)}")
            # Cloned: AdamW updates its state in place, the caller's tensors must stay what was loaded.
            self._adam.state[parameter][entry] = tensor.clone().to(parameter.device)
        self.learning_rate = values["learning_rate"]
        self.skipped_in_a_row = values["skipped_in_a_row"]


def too_high(learning_rate: float) -> str:
    """The remedy for a run that diverges."""
    return f"begin a new run with a learning_rate below {learning_rate:g} and another run directory"


def warmup_cosine(step: int, steps: int, warmup: int, highest: float, falling: Callable[[float], float]) -> float:
    """Linear warm-up to ``highest`` over ``warmup`` steps, then ``falling(c)`` of a cosine ``c`` that goes from 1 to 0 at the last step."""
    if step <= warmup:
        return highest * step / warmup
    return falling(0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))))
