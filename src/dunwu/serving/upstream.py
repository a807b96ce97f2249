"""Another server as the engine: vLLM, or a second `dunwu serve`. It gets tokens and gives tokens; templates and parts are made here."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from itertools import count
from typing import Any

import httpx

from dunwu.errors import UserError
from dunwu.models.chat_text import chat_end
from dunwu.models.protocols import Tokenizer
from dunwu.serving.backend import BackendDown, Call, Facts, News, Sink

LOG = logging.getLogger("dunwu.serving")
KEY = "DUNWU_UPSTREAM_KEY"
"""The key that the other server wants."""
POLL = 1.0
"""Seconds between two looks at whether it is there."""
_LOST = "The engine behind this server stopped while it was answering. Send the request again."


class Upstream:
    """A `Backend` at ``url``, which serves the same model. Redirects are not followed: they could leak the key."""

    def __init__(
        self, url: str, tokenizer: Tokenizer, key: str = "", transport: httpx.AsyncBaseTransport | None = None, silence: float = 120.0
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(10.0, read=silence, pool=None)
        limits = httpx.Limits(max_connections=None)
        self._url = url.rstrip("/").removesuffix("/v1")
        self._client = httpx.AsyncClient(base_url=self._url, headers=headers, timeout=timeout, limits=limits, transport=transport)
        self._tokenizer = tokenizer
        self._name = ""
        self._facts: Facts | None = None
        self._numbers = count(1)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def facts(self) -> Facts | None:
        """See `Backend.facts`."""
        return self._facts

    async def start(self) -> None:
        """See `Backend.start`."""
        try:
            self._facts = await self._look()
        except (httpx.HTTPError, ValueError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(f"--upstream {self._url} does not answer as a server of models ({reason}): check the address") from error
        self._watcher = asyncio.create_task(self._watch())

    def submit(self, call: Call, sink: Sink) -> int:
        """See `Backend.submit`."""
        if self._facts is None:
            raise BackendDown
        number = next(self._numbers)
        self._tasks[number] = asyncio.create_task(self._complete(number, call, sink))
        return number

    def cancel(self, number: int) -> None:
        """See `Backend.cancel`."""
        if (task := self._tasks.pop(number, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        """See `Backend.close`."""
        tasks = [*self._tasks.values(), *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _look(self) -> Facts:
        """Facts of its first model. Raises ``httpx.HTTPError`` or ``ValueError``."""
        response = await self._client.get("/v1/models")
        response.raise_for_status()
        try:
            first = response.json()["data"][0]
            self._name, positions = str(first["id"]), int(first["max_model_len"])
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError("it lists no model with its max_model_len") from error
        end = chat_end(self._tokenizer)
        ends = (self._tokenizer.eos_token_id, self._tokenizer.convert_tokens_to_ids(end) if end else None)
        found = tuple(dict.fromkeys(int(each) for each in ends if each is not None))
        return Facts(f"at {self._url}", positions, len(self._tokenizer), found)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL)
            there = self._facts is not None
            try:
                self._facts = await self._look()
            except (httpx.HTTPError, ValueError):
                self._facts = None
            if there != (self._facts is not None):
                self.restarts += not there
                LOG.warning("the server behind is %s", "gone" if there else "back")

    async def _complete(self, number: int, call: Call, sink: Sink) -> None:
        last = News(error=_LOST)
        try:
            async with self._client.stream("POST", "/v1/completions", json=_body(self._name, call)) as response:
                if response.status_code == 200:
                    last = await _told(response, sink)
                else:
                    await response.aread()
                    LOG.warning("the server behind refuses: status %d: %s", response.status_code, response.text[:200])
                    last = News(error="The engine behind this server refuses the request.")
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            LOG.warning("the server behind failed: %s", type(error).__name__)
        self._tasks.pop(number, None)
        sink(last)


async def _told(response: httpx.Response, sink: Sink) -> News:
    """Hands on what a stream tells, but for its last news."""
    async for line in response.aiter_lines():
        if line.startswith("data: {") and (news := _news(json.loads(line[6:]))) is not None:
            if news.last:
                return news
            sink(news)
    return News(error=_LOST)


def _body(name: str, call: Call) -> Mapping[str, Any]:
    params = call.params
    sampled = {"temperature": params.temperature, "top_p": params.top_p, "top_k": params.top_k, "min_p": params.min_p, "seed": call.seed}
    asked = {"model": name, "prompt": call.token_ids, "max_tokens": params.max_tokens, "stop_token_ids": params.stop_token_ids}
    told = {"stream": True, "logprobs": 0, "return_token_ids": True, "skip_special_tokens": False}
    return {**asked, **sampled, **told}


def _news(chunk: Mapping[str, Any]) -> News | None:
    """What a chunk tells. Raises ``KeyError`` if it has no tokens: the server is too old for `return_token_ids`."""
    if "error" in chunk:
        return News(error=_LOST)
    if not chunk["choices"]:
        return None
    choice = chunk["choices"][0]
    ids, shown = choice["token_ids"] or (), choice.get("logprobs") or {}
    logprobs = shown.get("token_logprobs") or [0.0] * len(ids)
    logprobs = [*logprobs, *[0.0] * (len(ids) - len(logprobs))]
    return News(tuple(map(int, ids)), tuple(float(each or 0.0) for each in logprobs), choice["finish_reason"])
