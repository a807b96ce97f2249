"""The papers' values as presets: overrides of `ZeroConfig`, each with its source. Imports no torch.

Sources: **v1** = arXiv 2501.12948v1; **N** = Nature 645:633-638 (2025), main text and Methods; **S** = N's supplement;
**DM** = DeepSeekMath, arXiv 2402.03300; **D** = DAPO, arXiv 2503.14476. "not stated" in a source means that the value is our default.

A *step* in R1's papers is one optimiser update on 512 outputs; ours (`GrpoConfig.steps`, `reference_every`) is one rollout batch, here
16 such updates. Numbers of steps are converted, as their sources note.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from dunwu.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PresetValue:
    """A value for one configuration key, and its place in the paper."""

    value: str | int | float | list[Any] | dict[str, Any]
    source: str


@dataclass(frozen=True, slots=True)
class PresetNote:
    """A detail of the paper for which there is no configuration key."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A paper's ``values`` by dotted key of `ZeroConfig`, and ``notes`` on the rest."""

    name: str
    title: str
    values: Mapping[str, PresetValue]
    notes: tuple[PresetNote, ...] = ()


_R1_ZERO_NATURE: Mapping[str, PresetValue] = {
    "template": PresetValue("r1-zero", "v1 Table 1; N Table 1"),
    "reward": PresetValue(["accuracy", "format"], "N, Methods: accuracy and format with equal weight"),
    "grpo.algorithm": PresetValue("grpo-r1", "v1 Eqs. 1-3; ratio per token as in public code, per output as written: grpo-r1-output"),
    "grpo.learning_rate": PresetValue(3e-6, "N, Methods"),
    "grpo.beta": PresetValue(0.001, "N, Methods: KL coefficient"),
    "grpo.clip_low": PresetValue(0.2, "not stated for R1-Zero, our default (10 for R1's reasoning RL)"),
    "grpo.clip_high": PresetValue(0.2, "not stated for R1-Zero, our default (10 for R1's reasoning RL)"),
    "grpo.group_size": PresetValue(16, "N, Methods: outputs per question"),
    "grpo.prompts_per_step": PresetValue(512, "N, Methods: a rollout of 8,192 outputs / 16 per question"),
    "grpo.minibatches": PresetValue(16, "N, Methods: 8,192 outputs in 16 mini-batches of 512 (32 questions x 16)"),
    "grpo.inner_epochs": PresetValue(1, "N, Methods: a single inner epoch"),
    "grpo.steps": PresetValue(650, "N, Methods: 10,400 steps / 16 mini-batches"),
    "grpo.reference_every": PresetValue(25, "N, Methods: every 400 steps / 16 mini-batches"),
    "sampling.temperature": PresetValue(1.0, "N, Methods"),
    "sampling.max_tokens": PresetValue(32768, "N, Methods: up to step 8.2k"),
}


def _in_v1(nature: Mapping[str, PresetValue], stated: Mapping[str, PresetValue]) -> Mapping[str, PresetValue]:
    """The values of v1: ``stated``, and N's for the rest. v1 gives equations and rewards but no hyper-parameters."""
    unstated = {key: PresetValue(entry.value, f"not stated in v1; {entry.source}") for key, entry in nature.items()}
    return {**unstated, **stated}


_R1_ZERO_V1 = _in_v1(
    _R1_ZERO_NATURE,
    {
        "template": PresetValue("r1-zero", "v1 Table 1"),
        "grpo.algorithm": _R1_ZERO_NATURE["grpo.algorithm"],
        "grpo.clip_low": PresetValue(0.2, "not stated in v1, our default"),
        "grpo.clip_high": PresetValue(0.2, "not stated in v1, our default"),
        "sampling.max_tokens": PresetValue(32768, "not stated in v1; N, Methods, here for the whole run"),
    },
)

_SUMMARY = {"kind": "format", "form": "summary"}
_LAST = {"after": 0.7647}
"""1,300 of 1,700 steps: the preference rewards count in the last 400."""

_R1_STAGE2_NATURE: Mapping[str, PresetValue] = {
    "template": PresetValue("chat", "not stated; the template that the cold start was trained with"),
    "reward": PresetValue(
        ["accuracy", _SUMMARY, "language"],
        "N, Methods: accuracy and format with equal weight, language consistency (Eq. 7) added; form: reasoning, then a summary (v1 2.3.1)",
    ),
    "grpo.algorithm": _R1_ZERO_NATURE["grpo.algorithm"],
    "grpo.learning_rate": PresetValue(3e-6, "N, Methods"),
    "grpo.beta": PresetValue(0.001, "N, Methods: KL coefficient"),
    "grpo.clip_low": PresetValue(10.0, "N, Methods: clip ratio 10, which leaves no lower bound"),
    "grpo.clip_high": PresetValue(10.0, "N, Methods: clip ratio 10"),
    "grpo.group_size": PresetValue(16, "N, Methods: outputs per question"),
    "grpo.prompts_per_step": PresetValue(512, "N, Methods: a rollout of 8,192 outputs / 16 per question"),
    "grpo.minibatches": PresetValue(16, "N, Methods: 8,192 outputs in 16 mini-batches of 512 (32 questions x 16)"),
    "grpo.inner_epochs": PresetValue(1, "N, Methods: a single inner epoch"),
    "grpo.reference_every": PresetValue(25, "N, Methods: every 400 steps / 16 mini-batches"),
    "sampling.temperature": PresetValue(1.0, "N, Methods"),
    "sampling.max_tokens": PresetValue(32768, "N, Methods"),
}

_R1_STAGE4_NATURE: Mapping[str, PresetValue] = {
    **_R1_STAGE2_NATURE,
    "reward": PresetValue(
        [
            *("accuracy", _SUMMARY, "language"),
            {"kind": "helpfulness", "model": "models/helpfulness", **_LAST},
            {"kind": "safety", "model": "models/safety", **_LAST},
        ],
        "N, Methods, Eqs. 8-10: rules for reasoning, model + format for general prompts, language; models in the last 400 of 1,700 steps",
    ),
    "grpo.steps": PresetValue(106, "N, Methods: 1,700 steps / 16 mini-batches, rounded"),
    "grpo.reference_every": PresetValue(25, "not stated for this stage; as in the second"),
    "sampling.temperature": PresetValue(0.7, "N, Methods"),
    "sampling.max_tokens": PresetValue(32768, "not stated for this stage; as in the second"),
}

_R1_STAGE2_V1 = _in_v1(
    _R1_STAGE2_NATURE,
    {
        "template": _R1_STAGE2_NATURE["template"],
        "reward": PresetValue(["accuracy", "language"], "v1 section 2.3.2: accuracy and language consistency, summed"),
        "grpo.algorithm": _R1_ZERO_NATURE["grpo.algorithm"],
    },
)

_R1_STAGE4_V1 = _in_v1(
    _R1_STAGE4_NATURE,
    {
        "template": _R1_STAGE2_NATURE["template"],
        "reward": PresetValue(
            ["accuracy", {"kind": "helpfulness", "model": "models/helpfulness"}, {"kind": "safety", "model": "models/safety"}],
            "v1 section 2.3.4: rules for reasoning; for general data models, of the summary's helpfulness and of the whole's harmlessness",
        ),
        "grpo.algorithm": _R1_ZERO_NATURE["grpo.algorithm"],
    },
)

_CONVERGENCE = PresetNote("the number of steps: until it converges; set `grpo.steps`", "v1 section 2.3.2")
_MODELS = PresetNote(
    "the two reward models are yours to train, with `dunwu reward-model`; give their folders in `reward`", "v1 section 2.3.4"
)
_PROMPTS = PresetNote(
    "`tasks`: maths 26K, code 17K and 8K repairs, STEM 22K, logic 15K, general 66K and 12K for harmlessness; their shares are not stated",
    "S, data of reinforcement learning",
)

_DEEPSEEKMATH: Mapping[str, PresetValue] = {
    "template": PresetValue("chat", "DM section 4.2: starts from the instruction-tuned model"),
    "grpo.algorithm": PresetValue("grpo-deepseekmath", "DM Eq. 3, outcome supervision (section 4.1.2)"),
    "grpo.learning_rate": PresetValue(1e-6, "DM section 4.2"),
    "grpo.beta": PresetValue(0.04, "DM section 4.2: KL coefficient"),
    "grpo.clip_low": PresetValue(0.2, "not stated, our default"),
    "grpo.clip_high": PresetValue(0.2, "not stated, our default"),
    "grpo.group_size": PresetValue(64, "DM section 4.2: outputs per question"),
    "grpo.prompts_per_step": PresetValue(16, "DM section 4.2: batch of 1,024 / 64 outputs"),
    "grpo.minibatches": PresetValue(1, "DM section 4.2: a single update after each exploration"),
    "grpo.inner_epochs": PresetValue(1, "DM section 4.2: a single update after each exploration"),
    "grpo.reference_every": PresetValue(0, "not stated, our default: kept (DM Algorithm 1 renews it per round of training)"),
    "sampling.temperature": PresetValue(1.0, "not stated, our default"),
    "sampling.max_tokens": PresetValue(1024, "DM section 4.2: maximum length"),
}

_DAPO: Mapping[str, PresetValue] = {
    "reward": PresetValue([{"kind": "accuracy", "weight": 2.0}], "D section 2.4: 1 or -1, and the overlong one; ours 2 or 0, shifted by 1"),
    "overlong_tokens": PresetValue(4096, "D section 4.1: soft punish cache"),
    "grpo.algorithm": PresetValue("dapo", "D Eq. 8"),
    "grpo.learning_rate": PresetValue(1e-6, "D section 4.1"),
    "grpo.warmup_steps": PresetValue(20, "D section 4.1: linear over 20 rollout steps"),
    "grpo.beta": PresetValue(0.0, "D section 2.3: no KL"),
    "grpo.clip_low": PresetValue(0.2, "D section 4.1"),
    "grpo.clip_high": PresetValue(0.28, "D section 4.1"),
    "grpo.group_size": PresetValue(16, "D section 4.1: responses per prompt"),
    "grpo.prompts_per_step": PresetValue(512, "D section 4.1: prompt batch size"),
    "grpo.minibatches": PresetValue(16, "D section 4.1: 16 gradient updates per rollout step"),
    "grpo.inner_epochs": PresetValue(1, "D section 4.1: 16 updates of 512 of the 8,192 responses"),
    "grpo.max_sampling_rounds": PresetValue(10, "not stated, our default (D section 3.2: until the batch is full)"),
    "sampling.temperature": PresetValue(1.0, "not stated for training, our default (1.0 in D's evaluation)"),
    "sampling.max_tokens": PresetValue(20480, "D section 4.1: 16,384 expected and 4,096 soft punish cache"),
}

_PRESETS = (
    Preset("r1-zero-v1", "DeepSeek-R1-Zero, arXiv v1", MappingProxyType(_R1_ZERO_V1)),
    Preset(
        "r1-zero-nature",
        "DeepSeek-R1-Zero, Nature",
        MappingProxyType(_R1_ZERO_NATURE),
        (
            PresetNote(
                "from step 8,200 of 10,400 (ours: 512) the maximum length is 65,536 tokens; no field changes it during a run", "N, Methods"
            ),
        ),
    ),
    Preset("r1-stage2-v1", "DeepSeek-R1, reasoning RL, arXiv v1", MappingProxyType(_R1_STAGE2_V1), (_CONVERGENCE,)),
    Preset("r1-stage2-nature", "DeepSeek-R1, reasoning RL, Nature", MappingProxyType(_R1_STAGE2_NATURE), (_CONVERGENCE,)),
    Preset("r1-stage4-v1", "DeepSeek-R1, RL for all scenarios, arXiv v1", MappingProxyType(_R1_STAGE4_V1), (_MODELS,)),
    Preset("r1-stage4-nature", "DeepSeek-R1, RL for all scenarios, Nature", MappingProxyType(_R1_STAGE4_NATURE), (_MODELS, _PROMPTS)),
    Preset(
        "deepseekmath",
        "DeepSeekMath 7B RL",
        MappingProxyType(_DEEPSEEKMATH),
        (PresetNote("rewards come from a trained reward model; ours are rules", "DM section 4.2"),),
    ),
    Preset("dapo", "DAPO, Qwen2.5-32B", MappingProxyType(_DAPO)),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({value.name: value for value in _PRESETS})


def preset(name: str) -> dict[str, Any]:
    """The overrides of preset ``name`` as nested dictionaries, to apply below the user's. Unknown: `ConfigError` with the nearest name."""
    if name not in PRESETS:
        nearest = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.0)[0]
        raise ConfigError(f"unknown preset {name!r}; did you mean {nearest!r}? Known: {', '.join(PRESETS)}")
    return nested(PRESETS[name].values)


def nested(values: Mapping[str, PresetValue]) -> dict[str, Any]:
    """Values by dotted key as nested dictionaries."""
    made: dict[str, Any] = {}
    for key, entry in values.items():
        *sections, leaf = key.split(".")
        place = made
        for section in sections:
            place = place.setdefault(section, {})
        place[leaf] = copy.deepcopy(entry.value)
    return made
