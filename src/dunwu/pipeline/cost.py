"""The cost of a stage: tokens, and the FLOPs computed from them and the number of weights. Imports no torch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dunwu.evaluation.store import read_evaluation
from dunwu.run.directory import read_metrics

_HEADER_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of weights, of trained tokens and of generated tokens."""

    parameters: int = 0
    trained_tokens: int = 0
    generated_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Trained and generated tokens."""
        return self.trained_tokens + self.generated_tokens

    @property
    def flops(self) -> int:
        """6ND for training and 2ND for generation (Kaplan et al., arXiv 2001.08361, section 2.1), without attention and prompts."""
        return self.parameters * (6 * self.trained_tokens + 2 * self.generated_tokens)


def count_parameters(model: Path) -> int:
    """Weights in the safetensors files of a model folder, from their headers; tied weights count once. 0 if there are none."""
    return sum(math.prod(entry["shape"]) for file in sorted(model.glob("*.safetensors")) for entry in _tensors(file))


def metric_sum(run: Path, name: str) -> int:
    """Sum of a metric over all steps of a run directory; steps without it count 0."""
    return int(sum(row.get(name) or 0 for row in read_metrics(run)))


def evaluation_tokens(files: Iterable[Path]) -> int:
    """Tokens of all completions in files of `write_evaluation`."""
    return sum(row.tokens for file in files for row in read_evaluation(file).rows)


def _tensors(file: Path) -> list[dict[str, Any]]:
    """A safetensors file begins with the length of its header, which is JSON."""
    with file.open("rb") as opened:
        (length,) = _HEADER_LENGTH.unpack(opened.read(_HEADER_LENGTH.size))
        header: dict[str, dict[str, Any]] = json.loads(opened.read(length))
    return [entry for name, entry in header.items() if name != "__metadata__"]
