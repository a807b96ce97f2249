"""A model behind an OpenAI-compatible endpoint as a generator: bounded concurrency, time-outs, retries with back-off.

The endpoint is not trusted: its answer is text, checked for its shape and never run. Redirects are not followed: they could carry the
key elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from dunwu.config.data import EndpointGenerator
from dunwu.data.generator import OnWritten, Request, Written, plain
from dunwu.errors import ConfigError, UserError

Sleep = Callable[[float], Awaitable[None]]
LONGEST_WAIT = 30.0
"""Seconds between two tries."""
TRIED_AGAIN = (408, 409, 425, 429)
"""Status codes below 500 that may pass."""
SHOWN = 160


class Endpoint:
    """Writes by asking an endpoint; its answers need not be the same on another day, so they are worth a journal."""

    independent = True

    def __init__(self, config: EndpointGenerator, transport: httpx.AsyncBaseTransport | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self.name = f"{config.model} at {config.url}"
        self._config, self._transport, self._sleep = config, transport, sleep
        self._headers = _headers(config)

    def write(self, requests: Sequence[Request], on_written: OnWritten) -> list[Written]:
        """See `Generator`. The first request that fails for good ends the call; what has arrived by then was told to ``on_written``."""
        return asyncio.run(self._write(requests, on_written))

    async def _write(self, requests: Sequence[Request], on_written: OnWritten) -> list[Written]:
        places, written = iter(range(len(requests))), dict[int, Written]()

        async def work(client: httpx.AsyncClient) -> None:
            for place in places:
                written[place] = await self._ask(client, requests[place])
                on_written(place, written[place])

        async with httpx.AsyncClient(timeout=self._config.timeout, headers=self._headers, transport=self._transport) as client:
            workers = [asyncio.create_task(work(client)) for _ in range(min(self._config.concurrency, len(requests)))]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        return [written[place] for place in range(len(requests))]

    async def _ask(self, client: httpx.AsyncClient, request: Request) -> Written:
        reason, asked, url = "", 0.0, f"{self._config.url.rstrip('/')}/chat/completions"
        for attempt in range(self._config.retries + 1):
            if attempt:
                await self._sleep(min(LONGEST_WAIT, max(asked, 2.0 ** (attempt - 1))))
            asked = 0.0
            try:
                response = await client.post(url, content=json.dumps(_body(self._config.model, request)))  # ASCII, lone surrogates too
            except (httpx.TransportError, httpx.DecodingError) as error:
                reason = f"no answer ({type(error).__name__}: {_short(str(error))})"
                continue
            if response.status_code >= 500 or response.status_code in TRIED_AGAIN:
                reason = f"status {response.status_code}: {_short(response.text)}"
                asked = _retry_after(response)
            elif response.status_code != 200:
                raise UserError(f"{self.name} refuses: status {response.status_code}: {_short(response.text)}; {self._remedy(response)}")
            elif (written := read_answer(response)) is not None:
                return written
            else:
                reason = f"not an answer of a chat completion: {_short(response.text)}"
        raise UserError(
            f"{self.name}: {reason}, {self._config.retries + 1} times; see that it works and run the same command again:"
            " what it has written is kept"
        )

    def _remedy(self, response: httpx.Response) -> str:
        if response.status_code in (401, 403):
            return f"the key in {self._config.key_env} is not accepted" if self._config.key_env else "set key_env to where its key is"
        return "look at its url, model and sampling"


def read_answer(response: httpx.Response) -> Written | None:
    """The first choice of a chat completion, its reasoning in think tags; ``None`` for anything else."""
    try:
        choice = response.json()["choices"][0]
        message = choice["message"]
        content, reasoning = message.get("content") or "", message.get("reasoning_content") or message.get("reasoning") or ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(content, str) or not isinstance(reasoning, str) or not content + reasoning:
        return None
    text = f"<think>{reasoning}</think>{content}" if reasoning else content
    return Written(text.encode("utf-8", "replace").decode(), choice.get("finish_reason") != "length")


def _body(model: str, request: Request) -> dict[str, Any]:
    sampling = request.sampling
    more = {"top_k": sampling.top_k or None, "min_p": sampling.min_p or None}
    return {
        "model": model,
        "messages": plain(request.chat),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed % 2**31,
        **{name: value for name, value in more.items() if value is not None},
    }


def _headers(config: EndpointGenerator) -> dict[str, str]:
    content = {"Content-Type": "application/json"}
    if config.key_env is None:
        return content
    key = os.environ.get(config.key_env, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigError(f"key_env = {config.key_env!r}: the environment has no usable key there; export it, or set key_env to null")
    return content | {"Authorization": f"Bearer {key}"}


def _retry_after(response: httpx.Response) -> float:
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 0.0


def _short(text: str) -> str:
    told = "".join(character if character.isprintable() else " " for character in text[: 4 * SHOWN])
    return " ".join(told.split())[:SHOWN] or "nothing"
