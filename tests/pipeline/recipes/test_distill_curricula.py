"""The recipes of distillation with a curriculum, several skills and merged experts: their stages, and each from start to finish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.recipes import bundled_recipes
from dunwu.models.bundled import bundled_path
from dunwu.pipeline.execute import run_pipeline
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import read_pipeline

ROWS = {
    "progressive": ["teacher", "assistant", "student-base", "direct", "progressive", "direct-logits", "progressive-logits"],
    "easy-to-hard": ["student-base", "random", "easy-to-hard", "easy-first"],
    "skills": ["student-base", "countdown-only", "equal", "reasoning"],
    "merge": [
        *("base", "expert-countdown", "expert-translation", "expert-count", "expert-numbers"),
        *("average", "arithmetic", "together"),
    ],
}
"""The rows of each recipe's table."""
_TRAINED = ("sample_every=1000", "threads=1")
SMALL = {
    "pretrain": ("tokens=20_000", *_TRAINED),
    "sft": ("epochs=1", *_TRAINED),
    "distillation": ("epochs=1", *_TRAINED),
    "rejection_sampling": ("tasks=[{task: {kind: arithmetic, max_terms: 2}}]", "prompts=30", "sampling.max_tokens=40", "reward_workers=1"),
    "general": ("rows=100",),
    "mix": ("total=1000",),
    "suite": ("reasoning.countdown.problems=4", "reasoning.countdown.samples=1", "reasoning.countdown.sampling.max_tokens=8"),
}
"""Keys by kind of stage with which a recipe takes seconds; the tiny base solves sums of two numbers."""


def recipe(name: str, *overrides: str) -> Pipeline:
    """With the tiny base as the teacher."""
    return read_pipeline(bundled_recipes()[f"tiny/distill-{name}"], [f"teacher.path={bundled_path()}", *overrides])


def works(name: str) -> dict[str, Any]:
    return {stage.name: stage.work for stage in recipe(name).stages}


def test_students_differ_only_in_what_is_compared() -> None:
    progressive, order, skills, merge = (recipe(name) for name in ROWS)
    assert progressive["direct"].inputs == {"model": "student-base", "data": "teacher-data"}
    assert progressive["progressive"].inputs == {"model": "student-base", "data": "assistant-data"}
    assert progressive["assistant-data"].inputs == {"generator.model": "assistant"}
    assert progressive["direct-logits"].inputs["teacher"] == "teacher"
    assert progressive["progressive-logits"].inputs["teacher"] == "assistant"
    assert order["random"].inputs == order["easy-to-hard"].inputs
    assert skills["equal-data"].inputs == skills["reasoning-data"].inputs == merge["all-data"].inputs
    assert set(merge["average"].inputs.values()) == {row for row in ROWS["merge"] if row.startswith("expert")}


def test_what_the_stages_are_trained_with() -> None:
    order, skills, merge = works("easy-to-hard"), works("skills"), works("merge")
    assert (order["teacher-data"].order, order["random"].order, order["easy-to-hard"].order) == ("easy-to-hard", "random", "given")
    assert order["easy-once"].epochs + order["easy-first"].epochs == order["random"].epochs
    shares = {name: {source.share for source in skills[name].sources.values()} for name in ("equal-data", "reasoning-data")}
    assert shares == {"equal-data": {1.0}, "reasoning-data": {1.0, 9.0}}
    assert skills["equal-data"].unit == "tokens"
    assert (merge["average"].method, merge["arithmetic"].method, merge["arithmetic"].scale) == ("average", "task-arithmetic", 0.4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_recipe_from_start_to_finish(name: str, tmp_path: Path) -> None:
    several = name in ("skills", "merge")
    small = {**SMALL, "suite": (*SMALL["suite"], *(("general.skills.problems=6", "general.skills.samples=1") if several else ()))}
    keys = [f"{stage.name}.{key}" for stage in recipe(name).stages for key in small.get(stage.kind, ())]
    keys += ["assistant-data.inputs.generator.model=teacher"] if name == "progressive" else []  # the assistant has learned nothing
    made = run_pipeline(recipe(name, *keys), tmp_path / "run")
    table = json.loads((made["table"].payload / "stages.json").read_text(encoding="utf-8"))
    assert table["rows"] == ROWS[name]
    assert set(table["metrics"]["reasoning.pass_at_1"]) == set(ROWS[name])
    if several:
        assert {"general.skills.accuracy", "general.skills[translation].accuracy"} <= table["metrics"].keys()
