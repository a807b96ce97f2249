"""The protocol of DeepSeek-R1's evaluation."""

import pytest

from dunwu.config.load import validate
from dunwu.config.protocols import deviations
from dunwu.config.zero import EvalConfig
from dunwu.errors import ConfigError


def found(keys: dict[str, object]) -> tuple[EvalConfig, dict[str, tuple[object, object]]]:
    config = validate(EvalConfig, {"protocol": "r1", **keys})
    return config, {each.key: (each.protocol, each.value) for each in deviations(config.protocol, config.model_dump(mode="json"))}


@pytest.mark.parametrize(
    ("keys", "samples"), [({"suite": "game24"}, 16), ({"task": "math"}, 16), ({"task": "gsm8k"}, 8), ({"task": "arithmetic"}, 8)]
)
def test_the_papers_values(keys: dict[str, object], samples: int) -> None:
    config, departures = found(keys)
    assert (config.sampling.temperature, config.sampling.top_p, config.sampling.max_tokens) == (0.6, 0.95, 32768)
    assert config.samples == samples
    assert departures == {}


def test_departures_are_counted() -> None:
    _, departures = found({"suite": "aime2024", "samples": 4, "problems": 10, "sampling": {"max_tokens": 100, "top_k": 5}})
    assert departures == {
        "samples": (64, 4),
        "problems": (30, 10),
        "sampling.max_tokens": (32768, 100),
        "sampling.top_k": (0, 5),
    }


def test_never_greedy() -> None:
    with pytest.raises(ConfigError, match="temperature"):
        found({"suite": "game24", "sampling": {"temperature": 0.0}})


def test_without_a_protocol_nothing_departs() -> None:
    config = EvalConfig()
    assert deviations(config.protocol, config.model_dump(mode="json")) == []
