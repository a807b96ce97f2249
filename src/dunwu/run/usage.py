"""What a piece of work computed: tokens, and the FLOPs that follow from them and the number of weights. Imports no torch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARTEFACT = "artefact.json"
"""The manifest of a finished stage of a pipeline, in its folder."""
_HEADER_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of weights, and of tokens that were trained on, generated, or scored without a gradient; of a frozen teacher beside the model
    its weights, and the tokens that it read or generated."""

    parameters: int = 0
    trained_tokens: int = 0
    generated_tokens: int = 0
    scored_tokens: int = 0
    teacher_parameters: int = 0
    teacher_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Trained and generated tokens."""
        return self.trained_tokens + self.generated_tokens

    @property
    def flops(self) -> int:
        """6ND for training, 2ND for generation and scores (Kaplan et al., arXiv 2001.08361, section 2.1), without attention and prompts."""
        return self.parameters * (6 * self.trained_tokens + 2 * (self.generated_tokens + self.scored_tokens))

    @property
    def teacher_flops(self) -> int:
        """2ND for each token that the teacher read or generated."""
        return 2 * self.teacher_parameters * self.teacher_tokens


def training_usage(kind: str, config: Mapping[str, Any], parameters: int, rows: Iterable[Mapping[str, Any]]) -> Usage:
    """The usage of the steps in ``rows`` of ``metrics.jsonl``, without evaluations and the teacher.

    ``kind`` and ``config`` are those of the run. RL also samples groups that it drops, and trains only on completions that can move the
    weights; a run of an older version did not count them, and is taken to have trained on all that it kept.
    """
    rows = list(rows)
    tokens = row_sum(rows, "num_tokens")
    if kind != "zero":
        return Usage(parameters, tokens, row_sum(rows, "sampled_tokens"))
    passes = int(config["grpo"]["inner_epochs"])
    trained = sum(int(row["trained_tokens"] if "trained_tokens" in row else passes * (row.get("num_tokens") or 0)) for row in rows)
    return Usage(parameters, trained, tokens + row_sum(rows, "sampling/dropped_tokens"), row_sum(rows, "scored_tokens"))


def stage_cost(made: Path) -> dict[str, Any] | None:
    """The cost in the manifest of the stage that made a file or folder, at most three folders above it; ``None`` without one."""
    manifest = next((place / ARTEFACT for place in (made, *made.parents[:3]) if (place / ARTEFACT).is_file()), None)
    try:
        return None if manifest is None else dict(json.loads(manifest.read_bytes())["cost"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def row_sum(rows: Iterable[Mapping[str, Any]], name: str) -> int:
    """Sum of a metric over steps; steps without it count 0."""
    return int(sum(row.get(name) or 0 for row in rows))


def count_parameters(model: Path) -> int:
    """Weights in the safetensors files of a model folder, from their headers; tied weights count once. 0 if there are none."""
    return sum(math.prod(entry["shape"]) for file in sorted(model.glob("*.safetensors")) for entry in _tensors(file))


def _tensors(file: Path) -> list[dict[str, Any]]:
    """A safetensors file begins with the length of its header, which is JSON."""
    with file.open("rb") as opened:
        (length,) = _HEADER_LENGTH.unpack(opened.read(_HEADER_LENGTH.size))
        header: dict[str, dict[str, Any]] = json.loads(opened.read(length))
    return [entry for name, entry in header.items() if name != "__metadata__"]
