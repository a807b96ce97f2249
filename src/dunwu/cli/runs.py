"""The run directory of a checkpoint, and how its model is prompted and sampled."""

from __future__ import annotations

from pathlib import Path

from dunwu.config.blocks import SamplingConfig
from dunwu.config.load import read_mapping


def run_above(folder: Path) -> Path | None:
    """`folder` itself, or one of the two folders above it (`RUN/checkpoints/step-000100`), that holds a run's `config.yaml`."""
    folder = folder.resolve()
    return next((place for place in (folder, *folder.parents[:2]) if (place / "config.yaml").is_file()), None)


def trained_template(model: str) -> str | None:
    """The template of the run of a local model; ``None`` without a run, or for a run without a template."""
    run = run_above(Path(model)) if Path(model).is_dir() else None
    template = None if run is None else read_mapping(run / "config.yaml").get("template")
    return None if template is None else str(template)


def sampling_overrides(sampling: SamplingConfig, section: str = "sampling") -> list[str]:
    """``key=value`` for what is not drawn as by default, the length left out."""
    default = SamplingConfig()
    names = [name for name in type(sampling).model_fields if name != "max_tokens"]
    return [f"{section}.{name}={getattr(sampling, name)}" for name in names if getattr(sampling, name) != getattr(default, name)]
