"""The page with a server of models that say what the question asks for, in process and on a free port."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from dunwu.serving.page.router import page_router

MODELS = ("base", "a-run-with-quite-a-long-name-step-000120")


@dataclass
class Fake:
    """``replies`` has the reasoning and the answer by the question, `SLOW` for one that pauses between its words."""

    replies: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    slow: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    key: str = ""

    def reply(self, body: dict[str, Any]) -> tuple[str, str]:
        question = body["messages"][-1]["content"]
        usual = (f"I am {body['model']}. " + "Let me see. " * 3, f"Answer of {body['model']} to *{question}*.")
        return self.replies.get(question, usual)

    async def stream(self, body: dict[str, Any]) -> AsyncIterator[str]:
        question, (reasoning, content) = body["messages"][-1]["content"], self.reply(body)
        pause = 0.15 if question in self.slow else 0.0
        whole = False
        try:
            yield _event({"role": "assistant", "content": ""})
            for name, text in (("reasoning_content", reasoning), ("content", content)):
                pieces = text.split(" ") if len(text) < 5000 else [text]
                for place, piece in enumerate(pieces):
                    await asyncio.sleep(pause)
                    yield _event({name: piece + (" " if place + 1 < len(pieces) else "")})
            yield _event({"content": ""}, "stop")
            yield f"data: {json.dumps({'choices': [], 'usage': {'completion_tokens': 7}})}\n\n"
            yield "data: [DONE]\n\n"
            whole = True
        finally:
            if not whole:
                self.left.append(question)


def _event(delta: dict[str, Any], finish: str | None = None) -> str:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta, 'finish_reason': finish}]})}\n\n"


def application(fake: Fake) -> FastAPI:
    """The page's router and the fake API."""
    app = FastAPI()
    app.include_router(page_router())

    def refused(request: Request) -> Response | None:
        if fake.key and request.headers.get("authorization") != f"Bearer {fake.key}":
            return JSONResponse({"error": {"message": "The API key is missing or wrong."}}, 401)
        return None

    @app.get("/v1/models")
    async def models(request: Request) -> Response:
        names = [{"id": name, "root": name} for name in MODELS] + [{"id": "deepseek-reasoner", "root": MODELS[0]}]
        return refused(request) or JSONResponse({"data": names})

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        body = await request.json()
        fake.asked.append(body)
        if body["messages"][-1]["content"] == "fail":
            return JSONResponse({"error": {"message": "<b>the queue is full</b>"}}, 503)
        return StreamingResponse(fake.stream(body), media_type="text/event-stream")

    return app


@contextmanager
def served(fake: Fake) -> Iterator[str]:
    """The address of a running server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application(fake), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)
