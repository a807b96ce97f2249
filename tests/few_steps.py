"""Overrides that make jobs small: the same commands, in seconds."""

from __future__ import annotations

_SUITES = [f"measured-{row}" for row in ("base", "zero", "dev1", "dev2", "dev3", "r1")]


def r1_few_steps() -> list[str]:
    """Overrides for `dunwu r1`: half a minute for the whole graph.

    The base answers too few puzzles for a cold start: sums of two numbers are asked instead.
    """
    sums = "{task: {kind: arithmetic, max_terms: 2}}"
    trainers = [
        override
        for stage, steps in (("zero", 3), ("dev2", 2), ("r1", 4))
        for override in (
            f"{stage}.grpo.steps={steps}",
            f"{stage}.grpo.prompts_per_step=8",
            f"{stage}.grpo.group_size=4",
            f"{stage}.sampling.max_tokens=40",
            f"{stage}.evaluations=[]",
            f"{stage}.save_every=1",
        )
    ]
    suites = [
        override
        for suite in _SUITES
        for override in (
            f"{suite}.general.tasks.problems=8",
            f"{suite}.general.tasks.samples=1",
            f"{suite}.helpfulness.problems=8",
            f"{suite}.safety.problems=4",
            f"{suite}.reasoning={{sums-en: {{task: {{kind: arithmetic, languages: [en]}}, problems: 8, samples: 1}}}}",
        )
    ]
    return [
        *trainers,
        *suites,
        f"zero.tasks=[{sums}]",
        f"dev2.tasks=[{sums}]",
        f"cold_start.sources.zero.tasks=[{sums}]",
        "cold_start.sources.zero.prompts=40",
        f"rejection_sampling.tasks=[{sums}]",
        "rejection_sampling.prompts=40",
        "dev1.epochs=1",
        "dev3.epochs=1",
        "general_data.rows=60",
        "prompts.rows=600",
        "pairs.rows=200",
        "labelled.rows=200",
        "helpfulness.epochs=1",
        "safety.epochs=1",
        *(f"{stage}.{key}=1" for stage in ("dev1", "dev3", "helpfulness", "safety") for key in ("save_every",)),
    ]


def zero_few_steps() -> list[str]:
    """Overrides for `dunwu zero` on the tiny model: two steps, and evaluations of four completions."""
    small = "{task: {kind: countdown, wording: short}, problems: 4, samples: 1, sampling: {max_tokens: 40}}"
    grpo = ["grpo.steps=2", "grpo.prompts_per_step=4", "grpo.group_size=4"]
    return [*grpo, "sampling.max_tokens=40", f"evaluations=[{small}]", "save_every=1"]


def stages_few_steps() -> list[str]:
    """Overrides for `dunwu run recipes/tiny/stages.yaml`; sums of two numbers are asked, as in `r1_few_steps`."""
    sums = "{task: {kind: arithmetic, max_terms: 2}}"
    trainers = [
        f"{stage}.{override}"
        for stage in ("zero", "dev2")
        for override in (
            "grpo.steps=2",
            "grpo.prompts_per_step=8",
            "grpo.group_size=4",
            "sampling.max_tokens=40",
            "evaluations=[]",
            f"tasks=[{sums}]",
        )
    ]
    suites = [
        f"measured-{row}.reasoning={{sums-en: {{task: {{kind: arithmetic, languages: [en]}}, problems: 8, samples: 1}}}}"
        for row in ("base", "zero", "dev1", "dev2")
    ]
    return [*trainers, *suites, f"cold.sources.zero.tasks=[{sums}]", "cold.sources.zero.prompts=40", "dev1.epochs=1"]


def reproduce_few_steps() -> list[str]:
    """Overrides for `dunwu reproduce` with claims of R1-Zero and the language reward: two steps a run, evaluations of 16 completions."""
    small = "[{task: {kind: arithmetic, max_terms: 2}, problems: 8, samples: 2, sampling: {max_tokens: 40}}]"
    runs = [
        f"{arm}.{override}"
        for arm in ("zero", "language")
        for override in ("grpo.steps=2", "grpo.prompts_per_step=4", "grpo.group_size=4", "sampling.max_tokens=40", "save_every=1")
    ]
    return [*runs, *(f"measured-{model}.evaluations={small}" for model in ("base", "zero", "language"))]


def claims_few_steps() -> list[str]:
    """Overrides for all claims of `dunwu reproduce`: R1 as in `r1_few_steps`, the ablations, and text against RL on a small student."""
    suites = ("measured-base", "measured-zero", "measured-dev", "measured-r1")
    of_r1 = [each for each in r1_few_steps() if not each.startswith((*suites, "zero.evaluations", "dev2.evaluations", "r1.evaluations"))]
    sums = "{task: {kind: arithmetic, max_terms: 2}, problems: 8, samples: 1, sampling: {max_tokens: 40}}"
    arms = ("language", "clip-narrow", "clip-wide", "group-small", "group-large")
    runs = [
        f"{arm}.{override}"
        for arm in arms
        for override in ("grpo.steps=1", "grpo.prompts_per_step=4", "grpo.group_size=4", "sampling.max_tokens=40", "save_every=1")
    ]
    return [
        *of_r1,
        *runs,
        *(f"{stage}.evaluations=[]" for stage in ("dev2", "r1")),
        *(f"measured-{model}.evaluations=[{sums}]" for model in ("base", "zero", *arms)),
        *(f"measured-{model}.reasoning={{sums: {sums}}}" for model in ("text", "rl")),
        *(f"suite-{row}.reasoning={{sums: {sums}}}" for row in ("zero", "r1")),
        *(f"suite-{row}.general.tasks.{key}" for row in ("zero", "r1") for key in ("problems=8", "samples=1")),
        *(f"teacher-data.{key}" for key in ("prompts=40", "sampling.max_tokens=40", "tasks=[{task: {kind: arithmetic, max_terms: 2}}]")),
        "student-base.tokens=20000",
        "student-base.shape.hidden=32",
        *(f"text.{key}" for key in ("epochs=1", "batch_size=4")),
        *(f"rl.{key}" for key in ("grpo.prompts_per_step=2", "grpo.group_size=2", "sampling.max_tokens=20")),
    ]
