"""The paper's claims at the tiny scale as a graph of stages, with several seeds; `dunwu.evaluation.claims` says what is compared.

For each seed ``s``; stages that several claims need are there once::

    base, zero-s                      --> measured-base, measured-zero-s          lift, majority, thinking, reflection
    language-s                        --> measured-language-s                     language
    clip-narrow-s, clip-wide-s, ...   --> measured-clip-narrow-s, ...             ablations
    zero-s --> (stages of `dunwu r1`) --> suite-zero-s, suite-r1-s                stages
    zero-0 --> teacher-data --> text-s, rl-s --> measured-text-s, measured-rl-s   distillation
    all that is measured              --> reproduction
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from dunwu.config.overrides import Override, apply_overrides, parse_overrides
from dunwu.config.reproduce import Claim, ReproduceConfig
from dunwu.evaluation.claims import models_of
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import make_pipeline, pipeline_data, with_overrides
from dunwu.pipeline.recipes.compare import compare_pipeline, read_compare
from dunwu.pipeline.recipes.given_runs import with_runs
from dunwu.pipeline.recipes.r1_tiny import tiny_r1

Json = dict[str, Any]
TABLE = "reproduction"

ARMS: Mapping[str, Sequence[str]] = {
    "zero": (),
    "language": ("reward=[accuracy, format, language]",),
    "clip-narrow": ("grpo.minibatches=4", "grpo.clip_low=0.2", "grpo.clip_high=0.2"),
    "clip-wide": ("grpo.minibatches=4", "grpo.clip_low=10.0", "grpo.clip_high=10.0"),
    "group-small": ("grpo.prompts_per_step=128", "grpo.group_size=4"),
    "group-large": ("grpo.prompts_per_step=32", "grpo.group_size=16"),
}
"""Runs of R1-Zero, and what is different in each. With one update a step the ratio is always 1 and nothing is clipped: the clip range is
tried with four. A step has 512 answers in all of them."""
SHARED = ("general_data", "prompts", "problems", "pairs", "labelled")
"""Data stages of R1 that are there once: all seeds must be measured on the same problems."""
CHECKPOINTS = ("zero", "r1")
"""Those of R1 that are measured."""
_SAMPLING = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 400}
"""The paper's evaluation, except for the length."""
EVALUATED = {"task": {"kind": "countdown"}, "problems": 200, "samples": 8, "sampling": _SAMPLING}

QUICK_R1 = (
    "zero.grpo.steps=60",
    "dev2.grpo.steps=50",
    "r1.grpo.steps=60",
    "cold_start.sources.zero.prompts=1500",
    "rejection_sampling.prompts=5000",
)
QUICK_COMPARED = ("rows.prompts=4000",)
"""About half of what takes long."""


def reproduce_pipeline(config: ReproduceConfig, quick: bool = False, overrides: Sequence[Override] = ()) -> Pipeline:
    """The graph. An override of a stage without its seed, such as ``zero.grpo.steps``, is for all seeds. Raises `ConfigError`."""
    claims = tuple(claim for claim in get_args(Claim) if config.claims is None or claim in config.claims)
    seeds = range(config.seed, config.seed + config.seeds)
    sides = models_of(claims)
    models, names = {side.model for side in sides}, [name for side in sides for name in side.names(seeds)]
    recipes = {seed: pipeline_data(with_overrides(tiny_r1(BUNDLED_NAME, seed), QUICK_R1 if quick else ()))["stages"] for seed in seeds}
    stages = dict(_arms(recipes, models))
    if "suite-r1" in models:
        stages |= {name: stage for seed in seeds for name, stage in _of_r1(recipes[seed], seed)}
    if "text" in models:
        stages |= _compared(config, quick)
    stages |= {measuring(name): _measured(name) for name in names if measuring(name) not in stages}
    inputs = {f"measured.{name}": measuring(name) for name in names}
    table = {"work": "reproduction", "claims": [*claims], "seeds": [*seeds], **({"inputs": inputs} if inputs else {})}
    made = make_pipeline({"name": "reproduce", "stages": {**stages, TABLE: table}}, [*_of_all_seeds(overrides, stages)])
    return with_runs(made, config.runs)


def _arms(recipes: Mapping[int, Json], models: set[str]) -> Iterator[tuple[str, Json]]:
    """The runs of R1-Zero that are measured or that others begin with; distillation alone needs one teacher."""
    for seed, recipe in recipes.items():
        for arm, changes in ARMS.items():
            begun = arm == "zero" and ("suite-r1" in models or ("text" in models and seed == min(recipes)))
            if arm in models or begun:
                yield f"{arm}-{seed}", apply_overrides({**recipe["zero"], "evaluations": []}, parse_overrides(changes), {})


def _of_r1(recipe: Json, seed: int) -> Iterator[tuple[str, Json]]:
    """The other stages of R1 for a seed, and the suites of two checkpoints without what needs a reward model."""
    for name, stage in recipe.items():
        if name == "zero" or (name.startswith("measured-") and name.removeprefix("measured-") not in CHECKPOINTS) or name == "table":
            continue
        inputs = {key: _named(source, seed) for key, source in stage.get("inputs", {}).items()}
        if name.startswith("measured-"):
            inputs = {key: source for key, source in inputs.items() if not key.startswith(("helpfulness.", "safety."))}
            stage = {key: value for key, value in stage.items() if key not in ("helpfulness", "safety")}
            name = name.replace("measured-", "suite-")
        yield _named(name, seed), {**stage, **({"inputs": inputs} if inputs else {})}


def _named(stage: str, seed: int) -> str:
    return stage if stage in SHARED else f"{stage}-{seed}"


def _compared(config: ReproduceConfig, quick: bool) -> dict[str, Json]:
    """Text and RL on one new student at equal compute; the first seed's Zero is the teacher."""
    given = [f"seed={config.seed}", f"seeds={config.seeds}", "ways=[rl, text]", *(QUICK_COMPARED if quick else ())]
    compared, _ = read_compare(None, ["teacher.kind=local", f"teacher.model={BUNDLED_NAME}", *given], fetch=False)
    compared = compared.model_copy(update={"evaluations": (type(compared.evaluations[0]).model_validate(EVALUATED),)})
    stages: dict[str, Json] = pipeline_data(compare_pipeline(compared))["stages"]
    rows = stages["teacher-data"]
    rows["generator"].pop("model")
    rows["inputs"] = {**rows.get("inputs", {}), "generator.model": f"zero-{config.seed}"}
    return {name: stage for name, stage in stages.items() if name not in ("measured-teacher", "measured-base", "comparison")}


def measuring(model: str) -> str:
    """The stage that measures a model."""
    return model if model.startswith("suite-") else f"measured-{model}"


def _measured(model: str) -> Json:
    made = {"model": BUNDLED_NAME} if model == "base" else {"inputs": {"model": model}}
    return {"work": "evaluate", "evaluations": [EVALUATED], **made}


def _of_all_seeds(overrides: Sequence[Override], stages: Mapping[str, Json]) -> Iterator[Override]:
    """Overrides of stages as they are, and of a name without its seed for each stage that has it with one."""
    for override in overrides:
        name, _, key = override.key.partition(".")
        every = [stage for stage in stages if stage.rpartition("-")[0] == name and stage.rpartition("-")[2].isdecimal()]
        if name in stages or not every:
            yield override
        else:
            yield from (Override(f"{stage}.{key}", override.value) for stage in every)
