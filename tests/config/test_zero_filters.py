"""Reinforcement learning draws from the whole distribution: the trainer's probabilities are of that one."""

from __future__ import annotations

import pytest

from dunwu.config.load import load_config
from dunwu.config.presets import PRESETS, preset
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError


@pytest.mark.parametrize("override", ["top_p=0.95", "top_k=20", "min_p=0.1"])
def test_a_policy_drawn_from_a_part_of_its_distribution_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=override.replace("=", " = ")) as caught:
        load_config(ZeroConfig, None, [f"sampling.{override}"])
    assert "\n" not in str(caught.value)
    name, _, value = override.partition("=")
    held_out = load_config(ZeroConfig, None, [f"evaluations=[{{sampling: {{{name}: {value}}}}}]"])
    assert getattr(held_out.evaluations[0].sampling, name) == float(value)


def test_temperature_is_exact_and_presets_use_nothing_else() -> None:
    assert load_config(ZeroConfig, None, ["sampling.temperature=0.7"]).sampling.temperature == 0.7
    for name in PRESETS:
        load_config(ZeroConfig, None, [], preset(name))
