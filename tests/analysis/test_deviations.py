"""Departures from the paper's values."""

from __future__ import annotations

from typing import Any

from dunwu.analysis.deviations import against_paper
from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig


def config_of(preset: str, *overrides: str) -> dict[str, Any]:
    needed = [f"preset={preset}", "model=m", "tasks=[{task: {kind: countdown}}]", "evaluations=[]"]
    found: dict[str, Any] = load_config(ZeroConfig, None, [*needed, *overrides]).model_dump(mode="json")
    return found


def test_the_presets_do_not_depart_from_themselves() -> None:
    found = against_paper("zero", config_of("r1-zero-nature"))
    assert found is not None
    assert found.deviations == ()
    assert found.stated == 13


def test_each_departure_has_both_values_and_its_source() -> None:
    found = against_paper("zero", config_of("r1-zero-nature", "grpo.group_size=8", "grpo.clip_low=0.1", "reward=[accuracy]"))
    assert found is not None
    assert [(each.key, each.ours, each.paper) for each in found.deviations] == [
        ("reward", "accuracy", "accuracy, format"), ("grpo.group_size", "8", "16"),
    ]  # fmt: skip
    assert "Methods" in found.deviations[1].source  # the paper does not state the clip range of R1-Zero


def test_a_stage_is_compared_with_its_own_preset() -> None:
    config = config_of("r1-stage2-nature")
    stage, other = against_paper("zero", config, "dev2"), against_paper("zero", config, "zero")
    assert stage is not None
    assert other is not None
    assert [each.key for each in stage.deviations] == []
    assert "reward" in [each.key for each in other.deviations]


def test_fine_tuning_is_compared_and_other_kinds_and_no_configuration_are_not() -> None:
    found = against_paper("sft", {"epochs": 3, "batch_size": 128})
    assert found is not None
    assert "epochs" in [each.key for each in found.deviations]
    assert "batch_size" not in [each.key for each in found.deviations]
    assert against_paper("pretrain", {"epochs": 3}) is None
    assert against_paper("zero", {}) is None


def test_odd_configurations_are_departures() -> None:
    found = against_paper("zero", {"grpo": 7, "reward": "x" * 1000})
    assert found is not None
    assert len(found.deviations) == found.stated
    assert max(len(each.ours) for each in found.deviations) <= 160
