"""Where a run's configuration departs from the values that DeepSeek-R1's paper states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from dunwu.analysis.pipeline_run import PipelineRun
from dunwu.config.presets import PRESETS, PresetValue
from dunwu.config.sft import R1_SFT

_RL = {"dev2": "r1-stage2-nature", "r1": "r1-stage4-nature"}
"""Stages of R1 after R1-Zero, whose values are those of any other run of reinforcement learning."""
_UNSTATED = "not stated"
_LONGEST = 160


@dataclass(frozen=True)
class Deviation:
    """A key whose value is not the paper's, and where the paper states it."""

    key: str
    ours: str
    paper: str
    source: str


@dataclass(frozen=True)
class AgainstPaper:
    """What is compared, the deviations, and the number of values that the paper states."""

    name: str
    deviations: tuple[Deviation, ...]
    stated: int


def against_paper(kind: str, config: Mapping[str, Any], stage: str = "") -> AgainstPaper | None:
    """Compare the configuration of a run, or of a ``stage``, with the paper's; ``None`` for kinds of which it states nothing."""
    preset = PRESETS[_RL.get(stage, "r1-zero-nature")]
    values = {"zero": preset.values, "sft": R1_SFT}.get(kind)
    if values is None or not config:
        return None
    stated = {key: each for key, each in values.items() if not each.source.startswith(_UNSTATED)}
    title = preset.title if kind == "zero" else "DeepSeek-R1, fine-tuning on 800,000 samples"
    return AgainstPaper(title, tuple(_deviations(config, stated)), len(stated))


def stages_against_paper(pipeline: PipelineRun) -> list[tuple[str, AgainstPaper]]:
    """`against_paper` of every stage whose configuration is on disk."""
    found = []
    for stage in pipeline.stages:
        compared = None if stage.folder is None else against_paper(stage.kind, _config(stage.folder / "run" / "config.yaml"), stage.name)
        if compared is not None:
            found.append((stage.name, compared))
    return found


def _config(path: Any) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _deviations(config: Mapping[str, Any], stated: Mapping[str, PresetValue]) -> Iterator[Deviation]:
    for key, each in stated.items():
        ours = _value(config, key)
        if not _same(ours, each.value):
            yield Deviation(key, _text(ours), _text(each.value), each.source)


def _value(config: Any, key: str) -> Any:
    for name in key.split("."):
        config = config.get(name) if isinstance(config, Mapping) else None
    return config


def _same(ours: Any, paper: Any) -> bool:
    """Equal, a list by its items; of a part of the reward the paper names the kind, or some of its keys."""
    if isinstance(paper, list):
        return isinstance(ours, list) and len(ours) == len(paper) and all(map(_same, ours, paper))
    if isinstance(ours, Mapping):
        wanted = paper if isinstance(paper, Mapping) else {"kind": paper}
        return all(ours.get(name) == value for name, value in wanted.items())
    return bool(ours == paper)


def _text(value: Any) -> str:
    if isinstance(value, list):
        text = ", ".join(map(_text, value))
    elif isinstance(value, Mapping):
        text = str(value.get("kind") or value.get("name") or dict(value))
    else:
        text = "–" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
