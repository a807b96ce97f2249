"""How papers evaluate, as values under the user's own, and what departs from them. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from dunwu.config.base import merge
from dunwu.config.presets import PresetValue, nested
from dunwu.config.suites import suites

ProtocolName = Literal["r1"]
_V1 = "v1 section 3"
_OTHER_SAMPLES = 8
_SUITE_OF_TASK = {"math": "math500"}
"""The suite of a task that has another name."""

PROTOCOLS: Mapping[ProtocolName, Mapping[str, PresetValue]] = MappingProxyType(
    {
        "r1": MappingProxyType(
            {
                "sampling.temperature": PresetValue(0.6, _V1),
                "sampling.top_p": PresetValue(0.95, _V1),
                "sampling.top_k": PresetValue(0, f"{_V1}: none is named"),
                "sampling.min_p": PresetValue(0.0, f"{_V1}: none is named"),
                "sampling.max_tokens": PresetValue(32768, _V1),
            }
        )
    }
)
"""By name: the values by dotted key of `EvalConfig`; `samples` depends on the suite (`protocol_values`)."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """A key whose value is not the protocol's."""

    key: str
    protocol: Any
    value: Any


def protocol_values(protocol: ProtocolName, suite: str | None, task: Mapping[str, Any] | str | None) -> dict[str, PresetValue]:
    """The protocol's values for an eval set; k is that of the suite, or of the suite with the task's name."""
    named = task if isinstance(task, str) else str((task or {}).get("dataset") or (task or {}).get("path") or (task or {}).get("kind"))
    known = suites().get(suite or _SUITE_OF_TASK.get(named, named))
    source = _V1 if known is not None and known.stated else f"{_V1}: 4 to 64, ours by the set's size"
    values = {**PROTOCOLS[protocol], "samples": PresetValue(_OTHER_SAMPLES if known is None else known.samples, source)}
    whole = {} if known is None or suite is None else {"problems": PresetValue(known.problems, "the whole set")}
    return values | whole


def with_protocol(given: Any) -> Any:
    """The keys of an eval set over those of the protocol that it names, if any."""
    if not isinstance(given, dict) or given.get("protocol") not in PROTOCOLS:
        return given
    name: ProtocolName = given["protocol"]
    return merge(nested(protocol_values(name, given.get("suite"), given.get("task"))), given)


def deviations(protocol: ProtocolName | None, config: Mapping[str, Any]) -> list[Deviation]:
    """Where the configuration of an eval set, as plain data, departs from its protocol."""
    if protocol is None:
        return []
    found = []
    for key, wanted in protocol_values(protocol, config.get("suite"), config.get("task")).items():
        value: Any = config
        for part in key.split("."):
            value = value[part]
        if value != wanted.value:
            found.append(Deviation(key, wanted.value, value))
    return found
