"""R1 with the paper's values, from any base model and custom data (`dunwu.pipeline.recipes.r1_data`).

`R1_V1` and `R1_NATURE` contain every value with its source, by the field of `R1Work` and the dotted key in it. The pipeline is built from
them; all other keys have the configuration's defaults. In addition:

- Reasoning data is rows of problems and answers that rules verify. For programs, add a code task to `tasks`; for answers in free text, set
  `rejection_sampling.judge` (S, listing 4).
- Chains of thought in general data are those of its rows; with `general_data.teacher` a model writes them.
- Reward models start from the third checkpoint (not stated).
- No threshold is set: the table is compared with the paper's.

Sources as in `dunwu.config.presets`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from dunwu.config.base import Config
from dunwu.config.data_replies import ColdStartConfig, RejectionConfig
from dunwu.config.data_rows import GeneralConfig, MixingConfig
from dunwu.config.load import validate
from dunwu.config.overrides import Override, apply_overrides
from dunwu.config.pipeline import FileConfig
from dunwu.config.presets import PRESETS, PresetValue
from dunwu.config.reward_model import R1_HELPFULNESS, RewardModelConfig
from dunwu.config.sft import R1_SFT, SftConfig
from dunwu.config.suite import SuiteConfig
from dunwu.config.zero import ZeroConfig
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipes.r1 import FILLED, R1Work, r1_pipeline
from dunwu.pipeline.recipes.r1_data import data_paths

Json = dict[str, Any]
Values = Mapping[str, PresetValue]
AnyConfig = TypeVar("AnyConfig", bound=Config)

_OF_REWARD_MODELS = ("batch_size", "learning_rate", "epochs", "max_tokens")
_RL, _SFT, _REWARDS = ("zero", "dev2", "r1"), ("dev1", "dev3"), ("helpfulness", "safety")
MEASURED = (
    *(f"suite.{name}" for name in ("reasoning.reasoning", "general.problems", "helpfulness", "safety")),
    *(f"{stage}.evaluations.0" for stage in _RL),
)
"""All eval sets."""
_IN_BOTH: Values = {
    "cold_start.rows": PresetValue(5_000, "v1 section 2.3.1: thousands of rows; the number is ours"),
    "cold_start.sources.zero.generator.template": PresetValue("r1-zero", "v1 Table 1: as Zero was trained"),
    "dev3.epochs": R1_SFT["epochs"],
    "sft_data.sources.reasoning.share": PresetValue(600_000.0, "v1 section 2.3.3: about 600k rows of reasoning"),
    "sft_data.sources.general.share": PresetValue(200_000.0, "v1 section 2.3.3: about 200k other rows"),
    "general_data.rows": PresetValue(200_000, "v1 section 2.3.3: about 200k, here at most"),
    **{f"{each}.sampling.temperature": PresetValue(0.6, "v1 section 3") for each in MEASURED},
    **{f"{each}.sampling.top_p": PresetValue(0.95, "v1 section 3") for each in MEASURED},
    **{f"{each}.sampling.max_tokens": PresetValue(32_768, "v1 section 3") for each in MEASURED},
    "suite.reasoning.reasoning.samples": PresetValue(16, "v1 section 3: k from 4 to 64 by the size of the set; N: 16 for MATH"),
    "suite.reasoning.reasoning.problems": PresetValue(500, "v1 section 3: as MATH-500 has"),
}
_IN_NATURE: Values = {
    "cold_start.sources.zero.sampling.temperature": PresetValue(1.0, "S, cold-start data"),
    **{f"dev3.{key}": R1_SFT[key] for key in ("batch_size", "learning_rate", "final_learning_rate", "max_length")},
    **{f"helpfulness.{key}": PresetValue(getattr(R1_HELPFULNESS, key), "N, Methods") for key in _OF_REWARD_MODELS},
    "helpfulness.balance_lengths": PresetValue(R1_HELPFULNESS.balance_lengths, "N, Methods: chosen and rejected balanced in length"),
    "r1.tasks.0.weight": PresetValue(88.0, "S, data of RL: maths 26K, code 17K and 8K, STEM 22K, logic 15K; drawn in proportion is ours"),
    "r1.tasks.1.weight": PresetValue(78.0, "S, data of RL: general 66K, harmlessness 12K; drawn in proportion is ours"),
}
_OURS: Values = {
    "cold_start.sources.zero.prompts": PresetValue(10_000, "not stated, our default"),
    "cold_start.sources.zero.samples": PresetValue(4, "not stated, our default"),
    "cold_start.sources.zero.sampling.max_tokens": PresetValue(32_768, "not stated, as Zero was trained"),
    **{
        f"cold_start.sources.zero.rewriter.sampling.{key}": PresetValue(value, "not stated, our default")
        for key, value in {"temperature": 0.6, "top_p": 0.95, "max_tokens": 32_768}.items()
    },
    **{f"dev1.{key}": PresetValue(each.value, "not stated for the cold start, as for dev3") for key, each in R1_SFT.items()},
    **{f"{stage}.template": PresetValue("chatml", "not stated, our default; DeepSeek's own is deepseek") for stage in _SFT},
    **{f"{stage}.overlong": PresetValue("drop", "not stated, our default") for stage in _SFT},
    "dev2.grpo.steps": PresetValue(150, "not stated: until it converges (v1 section 2.3.2); our default"),
    "dev3.warmup_steps": R1_SFT["warmup_steps"],
    "rejection_sampling.generator.template": PresetValue("chat", "not stated; as dev2 was trained"),
    "rejection_sampling.prompts": PresetValue(88_000, "not stated; as many as RL has for reasoning (S)"),
    "rejection_sampling.samples": PresetValue(16, "not stated: several (v1 section 2.3.3); our default"),
    "rejection_sampling.keep": PresetValue(7, "not stated: all that are right (v1 section 2.3.3); 7 of 88,000 each make about 600k"),
    "rejection_sampling.sampling.temperature": PresetValue(1.0, "not stated, our default"),
    "rejection_sampling.sampling.max_tokens": PresetValue(32_768, "not stated, as dev2 was trained"),
    **{f"safety.{key}": PresetValue(getattr(R1_HELPFULNESS, key), "not stated, as for helpfulness") for key in _OF_REWARD_MODELS},
    "suite.template": PresetValue("chat", "not stated; as dev1 and dev3 were trained (base and Zero are asked as Zero was trained)"),
    **{f"{stage}.evaluations.0.problems": PresetValue(100, "not stated, our default") for stage in _RL},
    "suite.general.problems.problems": PresetValue(500, "not stated, our default"),
    "suite.general.problems.samples": PresetValue(4, "not stated, our default"),
}
_NO_EFFECT: Values = {
    f"{stage}.{key}": PresetValue(value, "ours; has no effect on what is learned")
    for stages, key, value in (
        (_RL, "grpo.micro_batch_tokens", 32_768),
        ((*_SFT, *_REWARDS), "micro_batch_tokens", 32_768),
        ((*_RL, *_SFT), "gradient_checkpointing", True),
        (_RL, "max_prompt_tokens", 4_096),
        (_RL, "reward_workers", 4),
    )
    for stage in stages
}


def _table(source: Literal["v1", "nature"]) -> Values:
    in_nature = {
        key: PresetValue(each.value, f"not stated in v1; {each.source}") if source == "v1" else each for key, each in _IN_NATURE.items()
    }
    presets = {"zero": f"r1-zero-{source}", "dev2": f"r1-stage2-{source}", "r1": f"r1-stage4-{source}"}
    learned = {f"{stage}.{key}": each for stage, name in presets.items() for key, each in PRESETS[name].values.items()}
    return MappingProxyType({**learned, **_IN_BOTH, **in_nature, **_OURS, **_NO_EFFECT})


R1_V1, R1_NATURE = _table("v1"), _table("nature")
"""Values by `FIELD.KEY`: a field of `R1Work` and a dotted key of its configuration."""


def paper_r1(values: Literal["v1", "nature"], model: str, data: Path, seed: int = 0) -> Pipeline:
    """All of R1 from the base ``model``, with the values of this version of the paper.

    A model named ``rewriter`` at an endpoint on this machine rewrites the cold start; for another, set
    ``cold_start.sources.zero.rewriter.generator``. Raises `DataError` if ``data`` lacks a file, see `data_paths`.
    """
    rewriter = {"kind": "endpoint", "url": "http://localhost:8000/v1", "model": "rewriter"}
    return r1_pipeline(f"r1-{values}", r1_work({"v1": R1_V1, "nature": R1_NATURE}[values], model, data, seed, rewriter))


def r1_work(table: Values, model: str, data: Path, seed: int, rewriter: Json) -> R1Work:
    """The configurations of all stages, with the values of ``table`` and the files in ``data``."""
    paths = data_paths(data)
    reasoning = {"task": {"kind": "dataset", "path": paths["reasoning"]}}
    problems = {"task": {"kind": "dataset", "path": paths["problems"], "verifier": "text"}}
    prompts = {"task": {"kind": "chat", "path": FILLED}}
    local = {"generator": {"kind": "local", "model": FILLED}}
    annotated = {"annotated": {"kind": "annotated", "data": paths["annotated"]}} if "annotated" in paths else {}
    kept_out = {"decontaminate": [{"name": "reasoning", **reasoning}, {"name": "problems", **problems}]}
    evaluations = {"evaluations": [dict(reasoning)]}  # a copy, since keys are set in it

    def made(kind: type[AnyConfig], field: str, **written: Any) -> AnyConfig:
        own = {key: value for key, value in {"model": model, "seed": seed}.items() if key in kind.model_fields}
        overrides = [
            Override(key.removeprefix(f"{field}."), copy.deepcopy(each.value)) for key, each in table.items() if key.startswith(f"{field}.")
        ]
        return validate(kind, apply_overrides({**own, **written}, overrides, {}))

    return R1Work(
        zero=made(ZeroConfig, "zero", tasks=[reasoning], **evaluations),
        cold_start=made(
            ColdStartConfig,
            "cold_start",
            sources={
                "zero": {"kind": "zero", **local, "tasks": [reasoning], "rewriter": {"kind": "model", "generator": rewriter}},
                **annotated,
            },
            **kept_out,
        ),
        dev1=made(SftConfig, "dev1", data=FILLED),
        dev2=made(ZeroConfig, "dev2", tasks=[reasoning], **evaluations),
        rejection_sampling=made(RejectionConfig, "rejection_sampling", **local, tasks=[reasoning], **kept_out),
        general_data=made(GeneralConfig, "general_data", sources={"general": {"kind": "files", "data": paths["general"]}}, **kept_out),
        sft_data=made(MixingConfig, "sft_data", sources={name: {"data": FILLED} for name in ("reasoning", "general")}),
        dev3=made(SftConfig, "dev3", data=FILLED),
        prompts=FileConfig(path=paths["prompts"]),
        problems=FileConfig(path=paths["problems"]),
        pairs=FileConfig(path=paths["pairs"]),
        labelled=FileConfig(path=paths["labelled"]),
        helpfulness=made(RewardModelConfig, "helpfulness", criterion="helpfulness"),
        safety=made(RewardModelConfig, "safety", criterion="safety"),
        r1=made(ZeroConfig, "r1", tasks=[reasoning, prompts], **evaluations),
        suite=made(
            SuiteConfig,
            "suite",
            reasoning={"reasoning": reasoning},
            general={"problems": problems},
            helpfulness={**prompts, "model": FILLED},
            safety={**prompts, "model": FILLED},
        ),
    )
