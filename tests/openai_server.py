"""A minimal OpenAI-compatible server over real HTTP: a teacher that returns its reasoning as `reasoning_content`."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dunwu.config.blocks import SamplingConfig
from dunwu.config.data import LocalGenerator
from dunwu.data.generators.base import Request
from dunwu.data.generators.local import Local
from dunwu.models.chat import Message
from dunwu.models.thinking import parse_completion

Body = dict[str, Any]
Raw = tuple[int, bytes]
"""Status and body of a response that is no chat completion."""


class Teacher:
    """``reply(body)`` gives the text of a completion, or a raw response. ``answered`` counts the answers sent, by prompt and seed.

    After ``stall_after`` answers all requests wait, unanswered, and ``stalled`` counts them.
    """

    def __init__(self, reply: Callable[[Body], str | Raw], stall_after: int | None = None) -> None:
        self.reply, self.stall_after = reply, stall_after
        self.answered, self.stalled, self.url = Counter[tuple[str, int]](), 0, ""
        self._lock, self._released = threading.Lock(), threading.Event()

    def release(self) -> None:
        """Answer again; what has waited is dropped without an answer."""
        self.stall_after = None
        self._released.set()

    def take(self, body: Body) -> str | Raw | None:
        """The reply; ``None`` for a request that has waited."""
        with self._lock:
            stalls = self.stall_after is not None and self.answered.total() >= self.stall_after
            self.stalled += stalls
            reply = None if stalls else self.reply(body)
            if isinstance(reply, str):
                self.answered[str(body["messages"][-1]["content"]), int(body["seed"])] += 1
        if stalls:
            self._released.wait()
        return reply


def chat_completion(text: str) -> bytes:
    """A completion as an endpoint with reasoning returns it."""
    reasoning = parse_completion(text).reasoning if "</think>" in text else ""
    content = text.partition("</think>")[2] if "</think>" in text else text
    return json.dumps(
        {"choices": [{"message": {"role": "assistant", "content": content, "reasoning_content": reasoning}, "finish_reason": "stop"}]}
    ).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that was killed or has given up is no error."""


@contextmanager
def serving(teacher: Teacher) -> Iterator[Teacher]:
    """Serve ``teacher`` at its ``url``."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reply = teacher.take(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            if reply is None:
                return
            status, body = reply if isinstance(reply, tuple) else (200, chat_completion(reply))
            self.send_response(status)
            self.send_header("content-length", str(len(body) + (100 if status == CUT else 0)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

        def send_response(self, code: int, message: str | None = None) -> None:
            super().send_response(200 if code == CUT else code, message)

    with _Server(("127.0.0.1", 0), Handler) as server:
        teacher.url = f"http://127.0.0.1:{server.server_port}/v1"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield teacher
        finally:
            teacher.release()
            server.shutdown()


CUT = 299
"""As a status: 200, but the connection closes before the end of the body."""


def tiny_model() -> Callable[[Body], str]:
    """The bundled model, which answers in its template."""
    model = Local(LocalGenerator(device="cpu", threads=1))

    def reply(body: Body) -> str:
        sampling = SamplingConfig(max_tokens=body["max_tokens"], temperature=body["temperature"], top_p=body["top_p"])
        chat = tuple(Message(turn["role"], turn["content"]) for turn in body["messages"])
        return model.complete([Request(chat, sampling, body["seed"])], lambda place, text: None)[0].text

    return reply
