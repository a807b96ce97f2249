"""A model behind an OpenAI-compatible endpoint as a generator: bounded concurrency, time-outs, retries with back-off.

The endpoint is not trusted: its answer is text, checked for its shape and never run. Redirects are not followed: they could carry the
key elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from dunwu.config.data import EndpointGenerator
from dunwu.data.generator import Chat, OnWritten, Request, Written, plain
from dunwu.errors import ConfigError, UserError

Sleep = Callable[[float], Awaitable[None]]
LONGEST_WAIT = 30.0
"""Seconds between two tries."""
TRIED_AGAIN = (408, 409, 425, 429)
"""Status codes below 500 that may pass."""
SHOWN = 160
OF_A_PROMPT = (400, 413, 422, 451)
"""Status codes by which an endpoint says that it does not take a prompt; if it takes no other either, its address or model is wrong."""
MOST_REFUSED = 10
"""Prompts that may be refused whatever their share."""
MOST_WAITING = 3
"""Failures before the first answer after which the endpoint is taken to be down."""
MOST_BYTES = 1 << 24
FILTERED = "content_filter"
FINISHED = ("stop", None, "eos", "eos_token", "end_turn", "stop_sequence")
"""Reasons for which an answer ends by itself; some endpoints give none."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no answer. ``prompt``: the endpoint says that it does not take this prompt; ``fatal``: no other will be answered."""

    reason: str
    remedy: str = ""
    prompt: bool = False
    fatal: bool = False


class TooLarge(Exception):
    """An answer of more bytes than any that is asked for."""


class Endpoint:
    """Writes by asking an endpoint; its answers need not be the same on another day, so they are worth a journal."""

    independent = True

    def __init__(self, config: EndpointGenerator, transport: httpx.AsyncBaseTransport | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self.name = f"{config.model} at {config.url}"
        self._config, self._transport, self._sleep = config, transport, sleep
        self._headers = _headers(config)
        self._answered: dict[Chat, Request] = {}
        self._refused: dict[Chat, str] = {}
        self._filtered: dict[Chat, str] = {}

    def write(self, requests: Sequence[Request], on_written: OnWritten) -> list[Written]:
        """See `Generator`. A prompt that is refused, while others are answered, is written as such; its further samples are not asked for.

        Raises ``UserError`` when many are, and when the endpoint does not work; what has arrived by then was told to ``on_written``.
        """
        return asyncio.run(self._write(requests, on_written))

    async def _write(self, requests: Sequence[Request], on_written: OnWritten) -> list[Written]:
        places, written, waiting = iter(range(len(requests))), dict[int, Written](), dict[int, Failed]()

        def note(place: int, text: Written) -> None:
            written[place] = text
            on_written(place, text)

        async def work(client: httpx.AsyncClient) -> None:
            for place in places:
                request = requests[place]
                found = await self._answer(client, request)
                if isinstance(found, Written) and not found.refused:
                    self._answered.setdefault(request.chat, request)
                    note(place, found)
                    for earlier in list(waiting):  # the endpoint works, so it was their prompts
                        note(earlier, self._refuse(requests[earlier], waiting.pop(earlier).reason))
                elif isinstance(found, Written):
                    note(place, found)
                else:
                    waiting[place] = found
                    if len(waiting) >= MOST_WAITING:
                        raise self._broken(waiting[place], requests[place])

        async with httpx.AsyncClient(timeout=self._config.timeout, headers=self._headers, transport=self._transport) as client:
            workers = [asyncio.create_task(work(client)) for _ in range(min(self._config.concurrency, len(requests)))]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        for place, failed in waiting.items():
            raise self._broken(failed, requests[place])
        return [written[place] for place in range(len(requests))]

    async def _answer(self, client: httpx.AsyncClient, request: Request) -> Written | Failed:
        """The answer, a refusal, or a failure of which nobody knows yet whether the prompt or the endpoint is to blame."""
        if reason := self._refused.get(request.chat):
            return Written("", False, reason)
        found = await self._ask(client, request)
        if isinstance(found, Written):
            return self._refuse(request, found.refused, found.text) if found.refused else found
        if found.fatal:
            raise self._broken(found, request)
        if not self._answered:
            return found
        if not found.prompt:  # the endpoint may be down: does it still answer what it has answered before?
            again = await self._ask(client, next(iter(self._answered.values())))
            if isinstance(again, Failed):
                raise self._broken(again, request)
        return self._refuse(request, found.reason)

    async def _ask(self, client: httpx.AsyncClient, request: Request) -> Written | Failed:
        reason, asked, url = "", 0.0, f"{self._config.url.rstrip('/')}/chat/completions"
        for attempt in range(self._config.retries + 1):
            if attempt:
                await self._sleep(min(LONGEST_WAIT, max(asked, 2.0 ** (attempt - 1))))
            asked = 0.0
            try:
                async with asyncio.timeout(self._config.timeout):
                    response = await _post(client, url, json.dumps(_body(self._config.model, request)))  # ASCII, lone surrogates too
            except TimeoutError:
                reason = f"no whole answer within {self._config.timeout:g} s"
                continue
            except (httpx.TransportError, httpx.DecodingError) as error:
                reason = f"no answer ({type(error).__name__}: {_short(str(error))})"
                continue
            except TooLarge:
                return Failed(f"an answer of more than {MOST_BYTES:,} bytes", prompt=True)
            if response.status_code >= 500 or response.status_code in TRIED_AGAIN:
                reason = f"status {response.status_code}: {_short(response.text)}"
                asked = _retry_after(response)
            elif response.status_code != 200:
                reason = f"status {response.status_code}: {_short(response.text)}"
                return Failed(reason, self._remedy(response), response.status_code in OF_A_PROMPT, response.status_code == 401)
            elif (written := read_answer(response)) is not None:
                return written
            else:
                reason = f"not an answer of a chat completion: {_short(response.text)}"
        return Failed(f"{reason}, {self._config.retries + 1} times")

    def _refuse(self, request: Request, reason: str, text: str = "") -> Written:
        """A prompt that is left out. Raises ``UserError`` where they are many."""
        if reason.startswith(FILTERED):  # another sample may pass
            self._filtered[request.chat] = reason
        else:
            self._refused[request.chat] = reason
        left_out = (self._refused.keys() | self._filtered.keys()) - (self._answered.keys() & self._filtered.keys())
        number, known = len(left_out), len(self._answered.keys() | left_out)
        if number > MOST_REFUSED and number > self._config.max_refused * known:
            raise UserError(
                f"{self.name} refuses {number} of {known} prompts, the last one ({_short(request.id)}): {reason}; look at its url, model"
                f" and sampling, or raise max_refused = {self._config.max_refused:g}; what it has written is kept"
            )
        return Written(text, False, reason)

    def _broken(self, failed: Failed, request: Request) -> UserError:
        if failed.remedy:
            return UserError(f"{self.name} refuses: {failed.reason}; {failed.remedy} (asked for {_short(request.id)})")
        return UserError(
            f"{self.name}: {failed.reason}; see that it works and run the same command again: what it has written is kept"
            f" (asked for {_short(request.id)})"
        )

    def _remedy(self, response: httpx.Response) -> str:
        if response.status_code in (401, 403):
            return f"the key in {self._config.key_env} is not accepted" if self._config.key_env else "set key_env to where its key is"
        return "look at its url, model and sampling"


async def _post(client: httpx.AsyncClient, url: str, content: str) -> httpx.Response:
    """The whole response. Raises `TooLarge` for one of more than `MOST_BYTES`, however it is packed."""
    async with client.stream("POST", url, content=content) as response:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise TooLarge
    headers = {name: value for name, value in response.headers.items() if name.lower() in ("content-type", "retry-after")}
    return httpx.Response(response.status_code, headers=headers, content=bytes(body))


def read_answer(response: httpx.Response) -> Written | None:
    """The first choice of a chat completion, its reasoning in think tags; ``None`` for anything else."""
    try:
        choice = response.json()["choices"][0]
        message, ended = choice["message"], choice.get("finish_reason")
        content, reasoning = message.get("content") or "", message.get("reasoning_content") or message.get("reasoning") or ""
        refusal = message.get("refusal")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(content, str) or not isinstance(reasoning, str):
        return None
    text = (f"<think>{reasoning}</think>{content}" if reasoning else content).encode("utf-8", "replace").decode()
    if ended == FILTERED or (isinstance(refusal, str) and refusal):
        return Written(text, False, f"{FILTERED}: {_short(refusal if isinstance(refusal, str) else text)}")
    return Written(text, ended in FINISHED) if text else None


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
