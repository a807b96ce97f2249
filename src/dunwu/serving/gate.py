"""What every request passes before it is read: host, key, limits and size; and afterwards: the access log and the counters.

It does not stop a flood of connections from many addresses, nor does it encrypt: put a proxy with TLS before a server that the world can
reach.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dunwu.serving.errors import ApiError
from dunwu.serving.keys import Key, Keys
from dunwu.serving.metrics import Metrics
from dunwu.serving.page.router import RENDER
from dunwu.serving.service import Caller
from dunwu.serving.settings import ServerSettings

ACCESS = logging.getLogger("dunwu.access")
OPEN_PATHS = ("/health",)
"""Answered without a key."""
LEFT = 499
"""What is noted where the client left before an answer began."""
_API = re.compile(r"(/v1)?/(chat/completions|completions|models(/.*)?)|/metrics")


class Gate:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, keys: Keys, settings: ServerSettings, metrics: Metrics) -> None:
        self._app, self._keys, self._settings, self._metrics = app, keys, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        began, caller, status = time.monotonic(), Caller(_address(scope)), 0
        identity = f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {})["caller"] = caller

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", identity.encode())]}
            await send(message)

        try:
            body = await self._admit(scope, receive, caller)
            await self._app(scope, _replayed(body, receive), sending)
            status = status or LEFT
        except ApiError as error:
            caller.notes["error"] = error.code
            await error.response()(scope, receive, sending)
        finally:
            self._note(scope, caller, identity, status or 500, time.monotonic() - began)

    async def _admit(self, scope: Scope, receive: Receive, caller: Caller) -> bytes:
        """The body of a request that may go on. Raises `ApiError`."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self._check_host(headers.get("host", ""))
        if (_API.fullmatch(scope["path"]) or scope["path"] == RENDER) and scope["method"] != "OPTIONS":
            self._check_key(headers, caller, counted=scope["method"] == "POST" and scope["path"] != RENDER)
        if scope["method"] != "POST":
            return b""
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise ApiError(415, "The content type must be application/json.")  # what a web page may send without asking is another
        return await self._body(headers, receive)

    def _check_host(self, host: str) -> None:
        """A page of another name that resolves to this machine must not read answers."""
        name = re.sub(r":\d+$", "", host).strip("[]").lower()
        if self._settings.hosts and name not in self._settings.hosts:
            raise ApiError(403, f"The server is not known as {name[:80]!r}.", code="wrong_host")

    def _check_key(self, headers: dict[str, str], caller: Caller, counted: bool) -> None:
        if not self._keys.known:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        key = self._keys.find(given.strip()) if kind.lower() == "bearer" else None
        if key is None:
            raise ApiError(401, "The API key is missing or wrong: send it as Authorization: Bearer KEY.", code="invalid_api_key")
        caller.name, caller.used = key.name, key.used
        if counted:
            _check_limits(key)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        most, body = self._settings.max_body, bytearray()
        too_large = ApiError(413, f"The body is larger than {most} bytes.", code="request_too_large")
        if headers.get("content-length", "0").isdecimal() and int(headers.get("content-length", "0")) > most:
            raise too_large
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                while True:
                    message = await receive()
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise too_large
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise ApiError(408, "The request took too long to arrive.", code="request_timeout") from None

    def _note(self, scope: Scope, caller: Caller, identity: str, status: int, seconds: float) -> None:
        path = scope["path"] if _API.fullmatch(scope["path"]) or scope["path"] in OPEN_PATHS else "other"
        self._metrics.requests.labels("/v1/models" if "/models/" in path else path, str(status)).inc()
        if scope["path"].startswith("/page/") and status < 400:
            return  # the chat page renders an answer several times a second
        said: dict[str, Any] = {"id": identity, "client": caller.name, "method": scope["method"], "path": scope["path"][:200]}
        ACCESS.info(json.dumps({**said, "status": status, "seconds": round(seconds, 4), **caller.notes}, default=str))


def _check_limits(key: Key) -> None:
    refused = key.refused(time.monotonic())
    if refused is not None:
        limit, wait = refused
        raise ApiError(429, f"The key's limit of {limit} per minute is reached.", None, "rate_limit_exceeded", wait)


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("unknown",))[0])


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, and then what comes after it: the end of the connection."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
