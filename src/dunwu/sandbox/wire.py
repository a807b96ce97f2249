"""What a remote worker and its clients say to each other: JSON over HTTP."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from dunwu.sandbox.outcome import Limits, Outcome, Program
from dunwu.sandbox.values import decode_value, encode_value

MAX_BODY = 64 << 20
MAX_INPUTS = 1000


class RunRequest(BaseModel):
    """``POST /run``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: Program
    inputs: list[str] = Field(max_length=MAX_INPUTS)
    limits: Limits
    stop_at_failure: bool = False


_outcomes = TypeAdapter(list[Outcome])


def encode_request(program: Program, inputs: Sequence[str], limits: Limits, stop_at_failure: bool) -> bytes:
    """Raises `UnicodeEncodeError` for text that is none (lone surrogates)."""
    fields = {"program": dataclasses.asdict(program), "inputs": list(inputs), "limits": dataclasses.asdict(limits)}
    return json.dumps({**fields, "stop_at_failure": stop_at_failure}, ensure_ascii=False).encode()


def encode_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """A result is JSON text inside the JSON, because it may hold what the outer one may not: NaN, lone surrogates."""
    plain = [{**dataclasses.asdict(dataclasses.replace(o, result=None)), "result": json.dumps(encode_value(o.result))} for o in outcomes]
    return json.dumps(plain).encode()


def decode_outcomes(text: bytes) -> list[Outcome]:
    """Raises `ValueError` for anything but what `encode_outcomes` writes."""
    return [dataclasses.replace(outcome, result=_result(outcome.result)) for outcome in _outcomes.validate_json(text)]


def _result(text: Any) -> Any:
    try:
        return decode_value(json.loads(text))
    except (RecursionError, TypeError) as error:
        raise ValueError(f"not a result: {error}") from error
