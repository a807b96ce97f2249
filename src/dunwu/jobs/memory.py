"""Estimate the memory of an R1-Zero run from the model's config.json and the run's configuration. Imports no torch.

What the trainer holds (sizes in bytes; D width, Q and K the widths of queries and of keys, I the MLP's, L layers, V vocabulary, H heads)::

    weights        4 a parameter: float32, also where matrices are multiplied in bfloat16
    gradients      4 a trained parameter, from an update until the next one starts
    optimiser      8 a trained parameter: AdamW's two moments
    reference      4 a trained parameter, if beta is above 0
    sampler        4 a parameter, with staleness 1
    teachers       4 a parameter of each local one
    rollout copy   of CUDA: 2 a parameter, 4 in float32
    activations    of each token of a micro-batch and each layer, in float32    24 D + 12 Q + 8 K + 16 I
                   with matrices multiplied in bfloat16                         26 D + 10 Q + 8 K +  8 I
                   and if attention keeps its weights (CUDA in float32)         + 4 H T + 8 Q, T the longest row
                   with gradient_checkpointing                                  4 D a layer, and one layer in full
    copies         2 a weight of a matrix, if they are multiplied in bfloat16
    logits         two chunks of 2^25 float32, the gradient of the output layer, and in bfloat16 its copies
    cache          of the engine: 2 K L numbers a position, of all slots, for the longest prompt and completion; a number has 4 bytes,
                   in bfloat16 2: on CUDA, and in the native decoder of a CPU that multiplies bfloat16

A micro-batch is at most `micro_batch_tokens`, or one longest row. The engine's cache and the trainer's activations never coexist, unless
rollouts are generated ahead, or the engine keeps a small cache on CUDA. Not counted: torch's own context (about 0.5 GiB on CUDA) and
fragmentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dunwu.algorithms.recipes import algorithm_named, with_config
from dunwu.config.data import LocalGenerator
from dunwu.config.references import parts
from dunwu.config.zero import ZeroConfig
from dunwu.isa import multiplies_bfloat16
from dunwu.jobs.outside import model_folder

GIB = 2**30
LOGITS_AT_ONCE = 2**25
"""As in `dunwu.models.logprobs`."""
KEPT_BYTES = 4 * GIB
"""As in `dunwu.rollout.torch_engine.cuda_graphs`."""
HEADROOM = 0.95
"""Share of a device's memory that a run may use."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Dimensions of a decoder: see the legend above. ``matrices`` counts the weights of linear maps, ``others`` norms and biases."""

    layers: int
    width: int
    queries: int
    keys: int
    inner: int
    heads: int
    vocabulary: int
    tied: bool
    biased: bool = False
    positions: int = 0

    @property
    def matrices(self) -> int:
        """Weights of all linear maps except the output layer."""
        return self.layers * (2 * self.width * self.queries + 2 * self.width * self.keys + 3 * self.width * self.inner)

    @property
    def parameters(self) -> int:
        """All weights."""
        biases = self.layers * (self.queries + 2 * self.keys) if self.biased else 0
        norms = (2 * self.layers + 1) * self.width
        return self.matrices + biases + norms + self.vocabulary * self.width * (1 if self.tied else 2)


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes by purpose: held all the time, only while training, only while generating."""

    held: Mapping[str, int]
    training: Mapping[str, int]
    generating: Mapping[str, int]
    together: bool
    """True if training and generation run at the same time."""

    @property
    def peak(self) -> int:
        """Peak bytes at any time."""
        parts = sum(self.training.values()), sum(self.generating.values())
        return sum(self.held.values()) + (sum(parts) if self.together else max(parts))


def model_files(model: str) -> Path | None:
    """The folder of a model: local, or the cache of a hub model fetched before; ``None`` if there is none."""
    cached = None if (folder := model_folder(model)) else _cached(model)
    return folder or (cached.parent if cached else None)


def read_dimensions(model: str) -> Dimensions | None:
    """Dimensions from the config.json on this machine; ``None`` if it is missing or not of a decoder."""
    folder = model_files(model)
    try:
        return None if folder is None else dimensions(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def dimensions(config: Mapping[str, Any]) -> Dimensions:
    """Dimensions from a configuration. Raises ``KeyError`` if it is not of a Llama-like decoder."""
    heads = int(config["num_attention_heads"])
    head = int(config.get("head_dim") or config["hidden_size"] // heads)
    return Dimensions(
        layers=int(config["num_hidden_layers"]),
        width=int(config["hidden_size"]),
        queries=heads * head,
        keys=int(config.get("num_key_value_heads") or heads) * head,
        inner=int(config["intermediate_size"]),
        heads=heads,
        vocabulary=int(config["vocab_size"]),
        tied=bool(config.get("tie_word_embeddings", False)),
        biased=config.get("model_type") == "qwen2" or bool(config.get("attention_bias")),
        positions=int(config.get("max_position_embeddings") or 0),
    )


def budget(size: Dimensions, config: ZeroConfig, longest_prompt: int, cuda: bool) -> Budget:
    """Memory of a run whose longest prompt has ``longest_prompt`` tokens; ``cuda`` decides how attention is computed."""
    grpo, algorithm = config.grpo, with_config(algorithm_named(config.grpo.algorithm), config.grpo)
    trained = size.parameters if config.lora is None else _adapters(size, config.lora.rank, config.lora.targets)
    held = {"weights": 4 * size.parameters + (4 * trained if config.lora else 0), "gradients": 4 * trained, "optimiser": 8 * trained}
    if algorithm.beta > 0:
        held["reference"] = 4 * trained
    if grpo.staleness:
        held["sampler"] = 4 * size.parameters
    teachers = map(read_dimensions, {part.model for _, part in parts(config) if isinstance(part, LocalGenerator)})
    if taught := sum(4 * teacher.parameters for teacher in teachers if teacher):
        held["teachers"] = taught
    rounded = cuda and config.engine.precision != "float32"
    if cuda:
        held["rollout copy"] = (2 if rounded else 4) * size.parameters
    longest = longest_prompt + config.completion_tokens
    tokens = max(grpo.micro_batch_tokens, longest)
    half = config.matmul_precision == "bfloat16" or (cuda and config.matmul_precision == "auto")
    training = {
        "activations": _activations(size, tokens, longest, half, cuda, config.gradient_checkpointing),
        "logits": _logits(size, half),
    }
    if half:
        training["copies in bfloat16"] = 2 * size.matrices
    slots = min(config.engine.max_batch, grpo.prompts_per_step * grpo.group_size)
    native = not cuda and config.engine.native and config.engine.precision != "float32" and multiplies_bfloat16()
    precision = 2 if rounded or native else 4
    generating = {
        "cache": 2 * size.keys * size.layers * longest * slots * precision,
        "drawing": slots * size.vocabulary * (24 if cuda else 16),
    }
    return Budget(held, training, generating, bool(grpo.staleness) or (cuda and generating["cache"] <= KEPT_BYTES))


def budget_lines(found: Budget) -> list[str]:
    """The budget as text: a line for each phase, then the peak."""
    parts = {"held": found.held, "while training": found.training, "while generating": found.generating}
    lines = [f"memory {name}: {_itemised(values)}" for name, values in parts.items()]
    return [*lines, f"memory at most: {in_words(found.peak)}"]


def in_words(size: float) -> str:
    """Bytes as GiB, or as MiB below one."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"


def fits(found: Budget, room: int) -> bool:
    """True if the peak fits into the usable share of ``room`` bytes."""
    return found.peak <= HEADROOM * room


def remedies(size: Dimensions, config: ZeroConfig, longest_prompt: int, cuda: bool, room: int) -> Iterator[str]:
    """Single changes with which the run fits, each with the memory it then needs."""
    changes: list[tuple[str, ZeroConfig]] = []
    if not config.gradient_checkpointing:
        changes.append(("gradient_checkpointing: true", config.model_copy(update={"gradient_checkpointing": True})))
    for tokens in (config.grpo.micro_batch_tokens // part for part in (2, 4, 8, 16)):
        if tokens >= longest_prompt + config.completion_tokens:
            grpo = config.grpo.model_copy(update={"micro_batch_tokens": tokens})
            changes.append((f"grpo.micro_batch_tokens: {tokens}", config.model_copy(update={"grpo": grpo})))
    for batch in (config.engine.max_batch // part for part in (2, 4)):
        engine = config.engine.model_copy(update={"max_batch": batch})
        changes.append((f"engine.max_batch: {batch}", config.model_copy(update={"engine": engine})))
    for name, changed in changes:
        needed = budget(size, changed, longest_prompt, cuda)
        if fits(needed, room):
            yield f"{name} ({in_words(needed.peak)})"


def _activations(size: Dimensions, tokens: int, longest: int, half: bool, cuda: bool, checkpointing: bool) -> int:
    d, q, k, i = size.width, size.queries, size.keys, size.inner
    layer = 26 * d + 10 * q + 8 * k + 8 * i if half else 24 * d + 12 * q + 8 * k + 16 * i
    keeps = cuda and not half  # the only float32 kernel for grouped heads there keeps the attention weights and repeats keys and values
    if keeps:
        layer += 4 * size.heads * longest + 8 * q
    transient = 4 * (d + 2 * i) + (8 * size.heads * longest if keeps else 0)
    kept = size.layers * 4 * d + layer if checkpointing else size.layers * layer
    return tokens * (kept + transient + 12 * d)


def _logits(size: Dimensions, half: bool) -> int:
    output = size.vocabulary * size.width
    return 2 * 4 * LOGITS_AT_ONCE + (2 * 2 * LOGITS_AT_ONCE if half else 0) + 4 * output + (2 * output if half else 0)


def _adapters(size: Dimensions, rank: int, targets: tuple[str, ...]) -> int:
    d, q, k, i = size.width, size.queries, size.keys, size.inner
    ends = {"q_proj": d + q, "k_proj": d + k, "v_proj": d + k, "o_proj": q + d, "gate_proj": d + i, "up_proj": d + i, "down_proj": i + d}
    return size.layers * rank * sum(ends[target] for target in targets)


def _itemised(values: Mapping[str, int]) -> str:
    parts = ", ".join(f"{name} {in_words(value)}" for name, value in values.items())
    return f"{in_words(sum(values.values()))} ({parts})"


def _cached(model: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model, "config.json")
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None
