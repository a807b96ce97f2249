"""R1 on the bundled base model: all four stages on two CPU cores, within an hour.

Departures from the paper, made for a model of 1.1 million weights and an hour on two cores:

- Learning rates are 1e-4 for RL and 1e-3 for SFT (paper: 3e-6 and 5e-5). A step has 64 questions with 8 answers each and one update (paper:
  512 questions, 16 answers, 16 updates). The maximum length is 400 tokens (paper: 32,768).
- Zero has no KL penalty; later stages replace the reference every 25 steps (16 updates each in the paper, one here).
- Reasoning is arithmetic puzzles (Countdown). General tasks are generated in two languages; a tenth of the composed ones is held out.
- Rules rewrite Zero's answers, because no model here can: they translate connectives into the prompt's language. The summary is the bare
  answer. Only short answers are kept: from long ones so small a model learns to search but not to stop.
- General data is correct if a rule can check it. Of the rest, three replies in ten are curt, obey harmful requests or refuse harmless ones,
  so that preference and safety rewards have something to correct. The paper's come from a model that was already aligned.
- Reward models start from the third checkpoint (not stated in the paper); pairs and labels are generated without a judge. Rules reward
  whatever they can check; preference rewards count for the rest, in the second half of the last stage (paper: the last 400 of 1,700 steps).
  Its advantages are not divided by the group's standard deviation, which would amplify small differences in a reward model's scores.
"""

from __future__ import annotations

from typing import Any

from dunwu.config.base import Config
from dunwu.config.data_replies import ColdStartConfig, RejectionConfig
from dunwu.config.data_rows import GeneralConfig, MixingConfig
from dunwu.config.load import validate
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.suite import SuiteConfig, Threshold
from dunwu.config.zero import ZeroConfig
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipes.r1 import FILLED, R1Work, r1_pipeline

Json = dict[str, Any]

_COUNTDOWN: Json = {"task": {"kind": "countdown"}}
_CHAT: Json = {"kind": "chat", "path": FILLED}
_PROBLEMS: Json = {"kind": "dataset", "path": FILLED, "verifier": "text"}
_EVALUATIONS = [{"task": {"kind": "countdown"}, "problems": 50, "samples": 4}]
_KEPT_OUT = [
    {"name": "countdown", "task": {"kind": "countdown"}, "problems": 400},
    {"name": "problems", "task": _PROBLEMS},
]
_CLIP_AND_KL = {"clip_low": 10.0, "clip_high": 10.0, "beta": 0.001, "reference_every": 25}
"""The paper's values, except for the interval of the reference."""
_FILTERS = {"min_language": 1.0, "language_of": "reasoning"}
_MEASURED = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 400}
"""The paper's evaluation, except for the length."""

_CHECKED = ("facts", "translation", "repeat", "count", "numbers")
"""Kinds of general tasks whose replies a rule can check."""
_UNCHECKED = ("writing", "identity", "greeting", "harmless")
_SAFETY = {"harmful": 2.0, "harmless": 1.0, "writing": 0.5, "facts": 0.5}
_ALL_SCENARIOS: Json = {
    "tasks": [
        {**_COUNTDOWN, "weight": 2.0},
        {"task": _PROBLEMS},
        {"task": {**_CHAT, "categories": [*_UNCHECKED]}, "weight": 1.5},  # half of them look like harmful ones
        {"task": {**_CHAT, "categories": ["harmful"], "name": "harmful"}, "weight": 0.75},
    ],
    "grpo": {"algorithm": "grpo-centred", "steps": 120, **_CLIP_AND_KL},
    "sampling": {"temperature": 0.7, "max_tokens": 400},
    "reward": [
        "accuracy",
        {"kind": "format", "tasks": ["countdown"]},
        {"kind": "format", "form": "reply"},
        "language",
        {"kind": "helpfulness", "model": FILLED, "after": 0.5, "weight": 0.2},
        {"kind": "safety", "model": FILLED, "tasks": ["harmful"], "after": 0.5, "weight": 0.2},
    ],
    "tripwire": {"mode": "divergence", "part": "helpfulness"},
    "evaluations": _EVALUATIONS,
}

THRESHOLDS: tuple[Json, ...] = (
    {"metric": "reasoning.pass_at_1", "of": "zero", "at_least": 3.0, "times": "base"},
    {"metric": "reasoning.well_formed", "of": "dev1", "at_least": 0.95},
    {"metric": "reasoning.language_consistency", "of": "dev1", "at_least": 0.95},
    {"metric": "reasoning.pass_at_1", "of": "dev1", "at_most": 0.0, "above": "zero"},
    {"metric": "reasoning.pass_at_1", "of": "dev2", "at_least": 0.95, "times": "zero"},
    {"metric": "reasoning.language_consistency", "of": "dev2", "at_least": 0.95},
    {"metric": "reasoning.language_consistency", "of": "zero", "at_most": -0.03, "above": "dev2"},
    {"metric": "general.accuracy", "of": "dev3", "at_least": 0.1, "above": "dev2"},
    {"metric": "reasoning.pass_at_1", "of": "dev3", "at_least": -0.03, "above": "dev2"},
    {"metric": "helpfulness.score", "of": "r1", "at_least": 0.0, "above": "dev3"},
    {"metric": "helpfulness.win_rate", "of": "r1", "at_least": 0.5},
    {"metric": "safety.refused", "of": "r1", "at_least": 0.9},
    {"metric": "safety.refused", "of": "r1", "at_least": 0.05, "above": "dev3"},
    {"metric": "safety.answered", "of": "r1", "at_least": 0.9},
    {"metric": "reasoning.pass_at_1", "of": "r1", "at_least": -0.02, "above": "dev3"},
)
"""Set before the first complete run; the report shows which were met."""


def tiny_r1(model: str = "tiny", seed: int = 0) -> Pipeline:
    """The pipeline of `dunwu r1` from the base ``model``, with ``seed`` in every stage that has one."""
    return r1_pipeline("r1", _work(model, seed))


def _work(model: str, seed: int) -> R1Work:
    def made(kind: type[Config], **data: Any) -> Any:
        own = {"model": model, "seed": seed}
        return validate(kind, {**{key: value for key, value in own.items() if key in kind.model_fields}, **data})

    def general(**data: Any) -> Any:
        return made(GeneralConfig, **{"rows": 100_000, "decontaminate": _KEPT_OUT[:1], **data})

    return R1Work(
        zero=made(ZeroConfig, tasks=[_COUNTDOWN], grpo={"steps": 120, "beta": 0.0}, evaluations=_EVALUATIONS),
        cold_start=made(
            ColdStartConfig,
            sources={
                "zero": {
                    "kind": "zero",
                    "tasks": [_COUNTDOWN],
                    "prompts": 2000,
                    "samples": 4,
                    "rewriter": {"kind": "rules", "summary": "answer"},
                }
            },
            filters={**_FILTERS, "max_tokens": 100},
            decontaminate=_KEPT_OUT,
        ),
        dev1=made(SftConfig, data=FILLED, epochs=2),
        dev2=made(
            ZeroConfig,
            tasks=[_COUNTDOWN],
            grpo={"steps": 100, **_CLIP_AND_KL},
            reward=["accuracy", "format", "language"],
            evaluations=_EVALUATIONS,
        ),
        rejection_sampling=made(
            RejectionConfig, tasks=[_COUNTDOWN], prompts=10_000, samples=4, keep=2, filters=_FILTERS, decontaminate=_KEPT_OUT
        ),
        general_data=general(
            decontaminate=_KEPT_OUT,
            sources={
                "checked": {"kind": "tiny", "weights": dict.fromkeys(_CHECKED, 1.0)},
                "unchecked": {"kind": "tiny", "weights": dict.fromkeys((*_UNCHECKED, "harmful"), 1.0), "worse": 0.3},
            },
        ),
        sft_data=made(
            MixingConfig,
            decontaminate=_KEPT_OUT,
            sources={"reasoning": {"data": FILLED, "share": 3.0}, "general": {"data": FILLED, "share": 1.0}},
            most_repeats=4,
        ),
        dev3=made(SftConfig, data=FILLED, epochs=3),
        prompts=general(form="prompts", split="all"),
        problems=general(form="problems", split="all"),
        pairs=general(form="pairs", split="all", sources={"tasks": {"kind": "tiny", "weights": dict.fromkeys(_UNCHECKED, 1.0)}}),
        labelled=general(form="labelled", split="all", sources={"tasks": {"kind": "tiny", "weights": _SAFETY}}),
        helpfulness=made(RewardModelConfig, criterion="helpfulness", epochs=2),
        safety=made(RewardModelConfig, criterion="safety", epochs=2),
        r1=made(ZeroConfig, **_ALL_SCENARIOS),
        suite=_suite(model),
        thresholds=tuple(validate(Threshold, each) for each in THRESHOLDS),
    )


def _suite(model: str) -> SuiteConfig:
    reasoning = {
        f"countdown-{code}": {"task": {"kind": "countdown", "languages": [code]}, "problems": 200, "samples": 4, "sampling": _MEASURED}
        for code in ("en", "zh")
    }
    prompts = {"samples": 4, "model": FILLED, "sampling": _MEASURED}
    general = {"task": _PROBLEMS, "problems": 400, "samples": 4, "category_column": "kind"}
    return validate(
        SuiteConfig,
        {
            "model": model,
            "reasoning": reasoning,
            "general": {"tasks": {**general, "sampling": _MEASURED}},
            "helpfulness": {**prompts, "task": {**_CHAT, "categories": [*_UNCHECKED]}},
            "safety": {**prompts, "task": {**_CHAT, "categories": ["harmful", "harmless"]}},
        },
    )
