"""A sandbox on another machine: JSON over HTTP."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from dunwu.errors import UserError
from dunwu.sandbox.ending import lost
from dunwu.sandbox.outcome import Limits, Outcome, Program
from dunwu.sandbox.values import decode_value, encode_value

MAX_BODY = 64 << 20
MAX_INPUTS = 1000


class RunRequest(BaseModel):
    """The body of ``POST /run``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: Program
    inputs: list[str] = Field(max_length=MAX_INPUTS)
    limits: Limits
    stop_at_failure: bool = False


_outcomes = TypeAdapter(list[Outcome])


def encode_request(program: Program, inputs: Sequence[str], limits: Limits, stop_at_failure: bool) -> bytes:
    """Raises `UnicodeEncodeError` for text with lone surrogates."""
    fields = {"program": dataclasses.asdict(program), "inputs": list(inputs), "limits": dataclasses.asdict(limits)}
    return json.dumps({**fields, "stop_at_failure": stop_at_failure}, ensure_ascii=False).encode()


def encode_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """A result is JSON text inside the JSON, because it may contain what the outer JSON may not: NaN, lone surrogates."""
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


TOKEN_VARIABLE = "DUNWU_SANDBOX_TOKEN"
CONNECT_SECONDS = 10.0
QUEUE_SECONDS = 300.0
"""Time to wait for a free worker, in addition to the time limits of the cases."""
ATTEMPTS = 2
REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED)


class RemoteSandbox:
    """`dunwu.sandbox.outcome.Sandbox` at a worker started by `dunwu sandbox`. Thread-safe."""

    def __init__(self, address: str, token: str = "") -> None:
        """The default token, if the worker needs one, is the environment variable DUNWU_SANDBOX_TOKEN."""
        token = token or os.environ.get(TOKEN_VARIABLE, "")
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._address = address.rstrip("/")
        self._client = httpx.Client(headers=headers, timeout=CONNECT_SECONDS, trust_env=False)

    def run(self, program: Program, inputs: Sequence[str], limits: Limits, stop_at_failure: bool = False) -> list[Outcome]:
        """See `Sandbox.run`. An unreachable worker gives ``sandbox_error``. Raises `UserError` if the worker refuses the request."""
        outcomes: list[Outcome] = []
        for start in range(0, len(inputs), MAX_INPUTS):
            outcomes += self._run(program, inputs[start : start + MAX_INPUTS], limits, stop_at_failure)
            if stop_at_failure and outcomes[-1].status != "ok":
                break
        return outcomes

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> RemoteSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, program: Program, inputs: Sequence[str], limits: Limits, stop_at_failure: bool) -> list[Outcome]:
        failure = Outcome("compile_error", "", 0.0, 0.0, 0, "the source or an input is not Unicode text")
        try:
            body = encode_request(program, inputs, limits, stop_at_failure)
            reason = ""
            for _ in range(ATTEMPTS):
                try:
                    return self._post(body, QUEUE_SECONDS + 2 * limits.wall_seconds * len(inputs))
                except (httpx.HTTPError, ValueError) as error:
                    reason = f"{self._address}: {type(error).__name__}: {error}"
            failure = lost(reason)
        except UnicodeEncodeError:
            pass
        return [failure] * (1 if stop_at_failure else len(inputs))

    def _post(self, body: bytes, seconds: float) -> list[Outcome]:
        timeout = httpx.Timeout(CONNECT_SECONDS, read=seconds)
        answer = self._client.post(f"{self._address}/run", content=body, timeout=timeout)
        if answer.status_code in REFUSED:
            raise UserError(
                f"the sandbox at {self._address} answers {answer.status_code}: check the address and the token in {TOKEN_VARIABLE}"
            )
        answer.raise_for_status()
        return decode_outcomes(answer.content)
