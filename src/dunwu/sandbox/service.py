"""The server for `RemoteSandbox`: this machine's sandbox over HTTP."""

from __future__ import annotations

import hmac

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from dunwu.errors import UserError
from dunwu.sandbox.outcome import Sandbox
from dunwu.sandbox.remote import MAX_BODY, RunRequest, encode_outcomes


def application(sandbox: Sandbox, token: str = "") -> FastAPI:
    """Serves ``POST /run`` and ``GET /health``. Without a ``token``, anyone who can reach it may run programs in the sandbox."""
    app = FastAPI(title="Dunwu sandbox", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/run")
    async def run(request: Request) -> Response:
        _check(request, token)
        try:
            job = RunRequest.model_validate_json(await _body(request))
        except (ValidationError, UserError) as error:
            raise HTTPException(422, " ".join(str(error).split())[:500]) from error
        outcomes = await run_in_threadpool(sandbox.run, job.program, job.inputs, job.limits, job.stop_at_failure)
        return Response(encode_outcomes(outcomes), media_type="application/json")

    return app


def _check(request: Request, token: str) -> None:
    """The content type keeps web pages out: a browser asks first before it sends JSON to another origin."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "the content type must be application/json")
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token and not hmac.compare_digest(given.encode(), token.encode()):
        raise HTTPException(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})


async def _body(request: Request) -> bytes:
    """Read the body, holding at most `MAX_BODY` and one chunk."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"the body is larger than {MAX_BODY >> 20} MiB")
    return bytes(body)
