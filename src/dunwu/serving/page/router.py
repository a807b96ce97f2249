"""The paths of the chat page: the page, its files, and the rendering of answers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from dunwu.serving.page.bounds import LONGEST, TooLong
from dunwu.serving.page.markdown import rendered

RENDER = "/page/render"
"""Needs a key if the server does."""
LARGEST = 8 * LONGEST
"""Bytes of a text to render, as JSON."""
WAITING = 32
"""Texts that may wait to be rendered."""
_FILES = Path(__file__).with_name("static")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
_PAGE = "page.html"
_NONCE = "{{nonce}}"
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin"}


class Text(BaseModel):
    """What is to be rendered."""

    model_config = ConfigDict(strict=True)
    text: str


def page_router() -> APIRouter:
    """``GET /``, ``GET /page/FILE`` and ``POST /page/render``."""
    router = APIRouter(include_in_schema=False)
    files = _read_files()
    limiter = CapacityLimiter(1)

    @router.get("/")
    async def page() -> Response:
        nonce = secrets.token_urlsafe(16)
        html = files[_PAGE].decode().replace(_NONCE, nonce)
        return Response(html, headers=_page_headers(nonce), media_type="text/html")

    @router.get("/page/{name}")
    async def file(name: str) -> Response:
        if name not in files or name == _PAGE:
            raise HTTPException(404, "there is no such file")
        headers = {**_ALWAYS, "Cache-Control": "no-cache"}
        return Response(files[name], headers=headers, media_type=_TYPES[Path(name).suffix])

    @router.post(RENDER)
    async def render(request: Request) -> dict[str, Any]:
        text = await _text(request)
        if limiter.statistics().tasks_waiting >= WAITING:
            raise HTTPException(503, "too many texts wait to be rendered", {"Retry-After": "1"})
        try:
            return {"html": await run_sync(rendered, text, limiter=limiter)}
        except TooLong:
            raise HTTPException(413, "the text is too long to be rendered") from None

    return router


def _read_files() -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in _FILES.iterdir() if path.suffix in _TYPES}


def _page_headers(nonce: str) -> dict[str, str]:
    """Scripts and styles of ours only, nothing from elsewhere; HTML is made of text only by the policy `dunwu` of the page."""
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types dunwu"
    )
    return {
        **_ALWAYS,
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }


async def _text(request: Request) -> str:
    """The text of the body. The content type keeps other pages out: a browser asks before it sends JSON to another origin."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the content type must be application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise HTTPException(413, f"the body is larger than {LARGEST} bytes")
    try:
        return Text.model_validate_json(bytes(body)).text
    except ValidationError:
        raise HTTPException(422, "the body must be a JSON object with a text") from None
