"""The base class of all configuration models, and their common types."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

SEEDS = 2**63
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
"""The range that the random generators of all libraries accept."""
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Bound = Annotated[float, Field(gt=0, allow_inf_nan=True)]
"""An upper bound; infinity means no bound."""
Betas = tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
"""AdamW's decay rates."""


class Config(BaseModel):
    """Frozen and strict: an unknown key, text where a number is expected, NaN, infinity and an impossible combination are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, validate_default=True)

    def as_set(self) -> dict[str, Any]:
        """As plain data, without keys that follow others: they follow again when it is read."""
        fields = type(self).model_fields.items()
        follow = {name for name, field in fields if field.default_factory_takes_validated_data} - self.model_fields_set
        return self.model_dump(mode="json", exclude=follow)


def as_tuples(value: Any) -> Any:
    """Data with tuples for lists, at any depth: pydantic checks what a validator returns as Python, where a tuple may not be a list."""
    if isinstance(value, dict):
        return {key: as_tuples(inner) for key, inner in value.items()}
    return tuple(as_tuples(inner) for inner in value) if isinstance(value, list | tuple) else value


def merge(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """`upper` over `lower`: mappings are merged key by key, unless their `kind` differs; all else is replaced."""
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        mergeable = isinstance(below, dict) and isinstance(value, dict) and below.get("kind") == value.get("kind", below.get("kind"))
        result[key] = merge(below, value) if mergeable and isinstance(below, dict) else value
    return result
