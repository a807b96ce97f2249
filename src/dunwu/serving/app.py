"""The HTTP application: paths, and the one shape of errors."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from dunwu.serving.bodies import ChatBody, CompletionBody
from dunwu.serving.errors import ApiError, bad_request
from dunwu.serving.gate import LEFT, Gate
from dunwu.serving.keys import Keys
from dunwu.serving.page.router import page_router
from dunwu.serving.service import Answer, Caller, Service

_ALTERNATIVE = re.compile(r"str|int|float|bool|list\[.*")
GONE = Response(status_code=LEFT)
"""For a client that has left, and will not read it."""


def application(service: Service, keys: Keys) -> FastAPI:
    """Serves the models, whose backends are started and ended elsewhere (`dunwu.serving.serve`)."""
    app = FastAPI(title="Dunwu", docs_url=None, redoc_url=None)
    _add_errors(app)
    _add_paths(app, service)
    app.include_router(page_router())
    app.add_middleware(Gate, keys=keys, settings=service.settings, metrics=service.metrics)
    if origins := list(service.settings.origins):
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    return app


def _add_paths(app: FastAPI, service: Service) -> None:
    for before in ("/v1", ""):
        shown = bool(before)

        @app.post(f"{before}/chat/completions", include_in_schema=shown)
        async def chat(body: ChatBody, request: Request) -> Response:
            return await _answered(service, body, request)

        @app.post(f"{before}/completions", include_in_schema=shown)
        async def completions(body: CompletionBody, request: Request) -> Response:
            return await _answered(service, body, request)

        @app.get(f"{before}/models", include_in_schema=shown)
        async def models() -> dict[str, Any]:
            return {"object": "list", "data": [_described(service, name) for name in service.served]}

        @app.get(f"{before}/models/{{name:path}}", include_in_schema=shown)
        async def model(name: str) -> dict[str, Any]:
            service.find(name)
            return _described(service, name)

    @app.get("/health")
    async def health() -> Response:
        up = {name: served.backend.facts is not None for name, served in service.served.items()}
        ready = all(up.values())
        return JSONResponse({"status": "ok" if ready else "engine not running", "models": up}, 200 if ready else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _described(service: Service, name: str) -> dict[str, Any]:
    served = service.served[name]
    facts = served.backend.facts
    known = {"id": name, "object": "model", "created": service.started, "owned_by": "dunwu", "root": served.model.name}
    return {**known, "max_model_len": None if facts is None else facts.positions, "thinking": served.model.thinks}


async def _answered(service: Service, body: ChatBody | CompletionBody, request: Request) -> Response:
    caller: Caller = request.state.caller
    if service.settings.log_contents:
        caller.notes["asked"] = body.model_dump(include={"messages", "prompt"}, exclude_none=True)
    answer = await service.begin(body, caller)
    if not body.stream:
        whole = await _unless_gone(request, answer.whole())
        if whole is None:
            return GONE
        return Response(json.dumps(whole, ensure_ascii=False), media_type="application/json")
    await answer.begin()
    return _Events(answer, service.settings.keep_alive)


class _Events(EventSourceResponse):
    """A stream that ends its answer in any case, also if the client left before the first event."""

    def __init__(self, answer: Answer, keep_alive: float) -> None:
        def comment() -> ServerSentEvent:
            return ServerSentEvent(comment="keep-alive", sep="\n")

        super().__init__(answer.stream(), ping=keep_alive, ping_message_factory=comment, sep="\n")
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._answer.close()


async def _unless_gone(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any] | None:
    """The result; ``None``, and the work is ended, if the client leaves before."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> Response:
        request.state.caller.notes["error"] = error.code
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _invalid(error).response()

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        known = {404: "There is nothing at this path.", 405: "This path does not take this method."}
        return ApiError(error.status_code, known.get(error.status_code, "The request cannot be read.")).response()

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return ApiError(500, "The server failed. The failure is in its log.", code="internal_error").response()


def _invalid(error: RequestValidationError) -> ApiError:
    """The first mistake, by its field; never what was sent, which may be long or no text."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return bad_request("The body is not valid JSON.", code="invalid_json")
    where = _place(first["loc"])
    return bad_request(f"{where or 'The body'}: {first['msg']}.", where or None, "invalid_value")


def _place(location: Sequence[str | int]) -> str:
    """A field as `messages[0].role`, without the names of pydantic's alternatives."""
    named = [each for each in location if each != "body" and not (isinstance(each, str) and _ALTERNATIVE.fullmatch(each))]
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each[:40]}" for each in named)
    return text.removeprefix(".").encode("ascii", "backslashreplace").decode()
