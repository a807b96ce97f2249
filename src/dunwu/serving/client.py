"""Asks a server with OpenAI's API, ours or another, and reads the answer as it comes, the chain of thought apart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from dunwu.errors import DunwuError, UserError

CONNECT_SECONDS, SILENT_SECONDS = 10.0, 120.0
LONGEST = 500
"""Characters of a server's message that are shown."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is new of an answer. ``finish`` is set on the last piece."""

    reasoning: str = ""
    content: str = ""
    finish: str | None = None


class Client:
    """A server at ``address``, with or without ``/v1``."""

    def __init__(self, address: str, key: str = "", transport: httpx.BaseTransport | None = None) -> None:
        self._address = address.rstrip("/").removesuffix("/v1")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(CONNECT_SECONDS, read=SILENT_SECONDS)
        self._client = httpx.Client(headers=headers, timeout=timeout, trust_env=False, transport=transport)

    def models(self) -> list[str]:
        """Names of the models. Raises ``UserError`` if the server cannot be reached or refuses."""
        try:
            response = self._client.get(f"{self._address}/v1/models")
            self._check(response)
            return [str(model["id"]) for model in response.json()["data"]]
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self._address} is not a server of OpenAI's API: give the address that dunwu serve prints") from error

    def answer(self, messages: Sequence[Mapping[str, str]], **fields: Any) -> Iterator[Piece]:
        """The answer to a conversation in pieces; leaving early ends the request. Raises ``UserError`` or ``DunwuError``."""
        body = {"messages": list(messages), "stream": True, **fields}
        try:
            with self._client.stream("POST", f"{self._address}/v1/chat/completions", json=body) as response:
                self._check(response)
                yield from self._pieces(response)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _pieces(self, response: httpx.Response) -> Iterator[Piece]:
        for line in response.iter_lines():
            data = line.removeprefix("data:").strip()
            if data == line.strip() or not data:
                continue
            if data == "[DONE]":
                return
            yield from self._read(data)
        raise DunwuError(f"{self._address}: the connection ended before the answer did: ask again")

    def _read(self, data: str) -> Iterator[Piece]:
        try:
            chunk = json.loads(data)
            if "error" in chunk:
                raise DunwuError(f"{self._address}: {str(chunk['error']['message'])[:LONGEST]}")
            for choice in chunk["choices"]:
                delta = choice["delta"]
                reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
                yield Piece(reasoning, delta.get("content") or "", choice.get("finish_reason"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DunwuError(f"{self._address}: an event of the stream cannot be read: {data[:80]}") from error

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        response.read()
        try:
            message = str(response.json()["error"]["message"])[:LONGEST]
        except (ValueError, KeyError, TypeError):
            message = f"HTTP status {response.status_code}"
        kind = UserError if response.is_client_error else DunwuError
        raise kind(f"{self._address}: {message}")

    def _unreachable(self, error: Exception) -> UserError:
        return UserError(f"{self._address} cannot be reached ({str(error) or type(error).__name__}): start it with dunwu serve")
