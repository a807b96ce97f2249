"""A model behind an OpenAI-compatible endpoint as a generator: bounded concurrency, time-outs, retries with back-off.

Redirects are not followed: they could carry the key elsewhere. An endpoint that repeats the key finds it crossed out in what is kept.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import httpx

from dunwu.config.data import EndpointGenerator
from dunwu.data.generators.base import Chat, OnWritten, Request, Written
from dunwu.data.generators.completion import FILTERED, MOST_BYTES, TooLarge, post, read_answer, request_body, retry_after, short
from dunwu.errors import ConfigError, UserError
from dunwu.models.chat import Message
from dunwu.process.run_async import run_async

Sleep = Callable[[float], Awaitable[None]]
LONGEST_WAIT = 30.0
"""Seconds between two tries."""
TRIED_AGAIN = (408, 409, 425, 429)
"""Status codes below 500 that may pass."""
OF_A_PROMPT = (400, 413, 422, 451)
"""Status codes by which an endpoint says that it does not take a prompt; if it takes no other either, its address or model is wrong."""
OF_NO_PROMPT = (401, 429, 503)
"""Status codes that say nothing of the prompt: the key, the rate, the load."""
MOST_REFUSED = 10
"""Prompts that may be refused whatever their share."""
HELLO: Chat = (Message("user", "Hello"),)
"""Asked where nothing is answered yet, to know whether a prompt or the endpoint is to blame."""
LONG_KEY = 16
"""Characters from which a key is no word of an answer; servers that need none are given one such as EMPTY."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no answer. ``prompt``: the endpoint says that it does not take this prompt; ``fatal``: no other will be answered."""

    reason: str
    remedy: str = ""
    prompt: bool = False
    fatal: bool = False


class Endpoint:
    """Writes by asking an endpoint; its answers need not be the same on another day, so they are worth a journal."""

    independent = True

    def __init__(self, config: EndpointGenerator, transport: httpx.AsyncBaseTransport | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self.name = f"{config.model} at {config.url}"
        self._config, self._transport, self._sleep = config, transport, sleep
        self._key = _key(config)
        self._works: Request | None = None
        self._answered: set[Chat] = set()
        self._refused: dict[Chat, str] = {}
        self._filtered: set[Chat] = set()

    def write(self, requests: Sequence[Request], on_written: OnWritten) -> list[Written]:
        """See `Generator`. A prompt that is refused, while others are answered, is written as such; its further samples are not asked for.

        Raises ``UserError`` when many are, and when the endpoint does not work; ``on_written`` has had what arrived by then.
        """
        return run_async(self._write(requests, on_written))

    def recall(self, request: Request, written: Written) -> None:
        """Count what an earlier start was answered, so that the share of refused prompts is that of the whole stage."""
        if written.refused:
            self._note_refusal(request.chat, written.refused)
        else:
            self._answered.add(request.chat)
            self._works = self._works or request

    async def _write(self, requests: Sequence[Request], on_written: OnWritten) -> list[Written]:
        places, written, held, one_at_a_time = iter(range(len(requests))), dict[int, Written](), dict[int, Written](), asyncio.Lock()

        def note(place: int, text: Written) -> None:
            written[place] = text
            on_written(place, text)

        async def work(client: httpx.AsyncClient) -> None:
            for place in places:
                held[place] = await self._answer(client, requests[place], one_at_a_time)
                # A refusal is kept once any prompt of the stage is answered: if none is, its sampling may be to blame.
                while held and (self._answered or self._filtered):
                    note(*held.popitem())

        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        async with httpx.AsyncClient(timeout=self._config.timeout, headers=headers, transport=self._transport) as client:
            workers = [asyncio.create_task(work(client)) for _ in range(min(self._config.concurrency, len(requests)))]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        for place, text in held.items():
            raise self._broken(Failed(text.refused), requests[place])
        return [written[place] for place in range(len(requests))]

    async def _answer(self, client: httpx.AsyncClient, request: Request, one_at_a_time: asyncio.Lock) -> Written:
        """The answer or a refusal. Raises ``UserError`` where the endpoint, not the prompt, is to blame."""
        if reason := self._refused.get(request.chat):
            return Written("", False, reason)
        found = await self._ask(client, request)
        if isinstance(found, Failed):
            async with one_at_a_time:
                await self._blame_the_prompt(client, request, found)
            return self._refuse(request, found.reason)
        if found.refused:
            return self._refuse(request, found.refused, found.text)
        self._answered.add(request.chat)
        self._works = request
        return found

    async def _blame_the_prompt(self, client: httpx.AsyncClient, request: Request, failed: Failed) -> None:
        """Return where the endpoint answers another prompt; raise ``UserError`` where it does not."""
        if failed.fatal:
            raise self._broken(failed, request)
        if failed.prompt and self._works:
            return
        other = self._works or replace(request, chat=HELLO)
        again = await self._ask(client, other)
        if isinstance(again, Failed):
            raise self._broken(failed, request)
        self._works = other

    async def _ask(self, client: httpx.AsyncClient, request: Request) -> Written | Failed:
        reason, asked, status, url = "", 0.0, 0, f"{self._config.url.rstrip('/')}/chat/completions"
        for attempt in range(self._config.retries + 1):
            if attempt:
                await self._sleep(min(LONGEST_WAIT, max(asked, 2.0 ** (attempt - 1))))
            asked, status = 0.0, 0
            try:
                async with asyncio.timeout(self._config.timeout):
                    # ASCII, lone surrogates too
                    response = await post(client, url, json.dumps(request_body(self._config.model, request)))
            except TimeoutError:
                reason = f"no whole answer within {self._config.timeout:g} s"
                continue
            except (httpx.TransportError, httpx.DecodingError) as error:
                reason = f"no answer ({type(error).__name__}: {self._shown(str(error))})"
                continue
            except TooLarge:
                return Failed(f"an answer of more than {MOST_BYTES:,} bytes", prompt=True)
            status = response.status_code
            reason = f"status {status}: {self._shown(response.text)}"
            if status >= 500 or status in TRIED_AGAIN:
                asked = retry_after(response)
            elif status != 200:
                return Failed(reason, self._remedy(status), status in OF_A_PROMPT, status in OF_NO_PROMPT)
            elif (written := read_answer(response)) is not None:
                return self._without_key(written)
            else:
                reason = f"not an answer of a chat completion: {self._shown(response.text)}"
        return Failed(f"{reason}, {self._config.retries + 1} times", fatal=status in OF_NO_PROMPT)

    def _refuse(self, request: Request, reason: str, text: str = "") -> Written:
        """A prompt that is left out. Raises ``UserError`` where they are many."""
        self._note_refusal(request.chat, reason)
        left_out = self._refused.keys() | (self._filtered - self._answered)
        number, known = len(left_out), len(self._answered | left_out)
        if number > MOST_REFUSED and number > self._config.max_refused * known:
            raise UserError(
                f"{self.name} refuses {number} of {known} prompts, the last one ({short(request.id)}): {reason}; look at its url, model"
                f" and sampling, or raise max_refused = {self._config.max_refused:g}; what it has written is kept"
            )
        return Written(text, False, reason)

    def _note_refusal(self, chat: Chat, reason: str) -> None:
        if reason.startswith(FILTERED):  # another sample may pass
            self._filtered.add(chat)
        else:
            self._refused[chat] = reason

    def _broken(self, failed: Failed, request: Request) -> UserError:
        if failed.remedy:
            return UserError(f"{self.name} refuses: {failed.reason}; {failed.remedy} (asked for {short(request.id)})")
        return UserError(
            f"{self.name}: {failed.reason}; see that it works and run the same command again: what it has written is kept"
            f" (asked for {short(request.id)})"
        )

    def _remedy(self, status: int) -> str:
        if status in (401, 403):
            return f"the key in {self._config.key_env} is not accepted" if self._config.key_env else "set key_env to where its key is"
        return "look at its url, model and sampling"

    def _shown(self, text: str) -> str:
        return short(text.replace(self._key, "[key]") if self._key else text)

    def _without_key(self, written: Written) -> Written:
        text = written.text.replace(self._key, "[key]") if len(self._key) >= LONG_KEY else written.text
        return replace(written, text=text, refused=self._shown(written.refused) if written.refused else "")


def _key(config: EndpointGenerator) -> str:
    """The key in the environment; empty where none is sent."""
    if config.key_env is None:
        return ""
    key = os.environ.get(config.key_env, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigError(f"key_env = {config.key_env!r}: the environment has no usable key there; export it, or set key_env to null")
    return key
