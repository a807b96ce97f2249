"""The stage that makes a model with random weights."""

from __future__ import annotations

from pathlib import Path

from dunwu.config.pretrain import NewModelConfig
from dunwu.models.loading import load_tokenizer, save_model
from dunwu.models.new import new_model
from dunwu.run.reporter import QUIET, Reporter


def run_new_model(config: NewModelConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Write the model into the empty folder ``out``."""
    tokenizer = load_tokenizer(config.tokenizer)
    model = new_model(config.shape, tokenizer, config.seed)
    save_model(model, tokenizer, out)
    reporter.say(f"{config.shape.family}: {sum(parameter.numel() for parameter in model.parameters()):,} random weights")
    return out
