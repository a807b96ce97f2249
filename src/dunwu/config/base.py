"""The base of every configuration model, and types that all of them use."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SEEDS = 2**63
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
"""What the generators of all libraries take."""


class Config(BaseModel):
    """Frozen and strict: an unknown key, a string where a number is meant or an impossible combination is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
