"""Builds the configured engine."""

from __future__ import annotations

from dunwu.config.blocks import EngineConfig
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.rollout.torch_engine.engine import TorchEngine


def build_engine(config: EngineConfig, model: CausalLM, tokenizer: Tokenizer) -> TorchEngine:
    """The built-in engine for ``model``. Raises ``ModelError`` for an architecture that it does not compute."""
    return TorchEngine(model, tokenizer, max_batch=config.max_batch, precision=config.precision, native=config.native)
