"""A model behind an OpenAI-compatible endpoint as a generator: bounded concurrency, time-outs, retries with back-off.

Redirects are not followed: they could leak the key. If an endpoint repeats the key, it is removed from what is kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import httpx

from dunwu.config.data import EndpointGenerator
from dunwu.data.generators.base import Chat, OnCompletion, Request, TextCompletion
from dunwu.data.generators.completion import FILTERED, MOST_BYTES, TooLarge, post, read_answer, request_body, retry_after, short
from dunwu.errors import ConfigError, UserError
from dunwu.models.chat import Message
from dunwu.process.run_async import run_async

Sleep = Callable[[float], Awaitable[None]]
LONGEST_WAIT = 30.0
"""Most seconds between two attempts."""
RETRIED = (408, 409, 425, 429)
"""Status codes below 500 that are worth a retry."""
PROMPT_REJECTED = (400, 413, 422, 451)
"""Status codes for a rejected prompt; if every other prompt is rejected too, the address or the model is wrong."""
NOT_THE_PROMPT = (401, 429, 503)
"""Status codes that are not about the prompt: the key, the rate limit, the load."""
MOST_REFUSED = 10
"""This many prompts may be refused, whatever their share."""
HELLO: Chat = (Message("user", "Hello"),)
"""Sent if nothing was answered yet, to learn whether the prompt or the endpoint is at fault."""
LONG_KEY = 16
"""A key of at least this many characters is hidden in answers; a shorter one, such as EMPTY, may be an ordinary word."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no answer. ``prompt``: the endpoint rejects this prompt; ``fatal``: it will not answer any other either."""

    reason: str
    remedy: str = ""
    prompt: bool = False
    fatal: bool = False


class Endpoint:
    """Completes requests at an endpoint, whose answers may differ from day to day: keep them in a journal."""

    independent = True

    def __init__(self, config: EndpointGenerator, transport: httpx.AsyncBaseTransport | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self.name = f"{config.model} at {config.url}"
        self._config, self._transport, self._sleep = config, transport, sleep
        self._key = _key(config)
        self._next = 0.0
        """When the next request may be sent, by the monotonic clock."""
        self._works: Request | None = None
        self._answered: set[Chat] = set()
        self._refused: dict[Chat, str] = {}
        self._filtered: set[Chat] = set()

    def complete(self, requests: Sequence[Request], on_completion: OnCompletion) -> list[TextCompletion]:
        """See `Generator`. A prompt that is refused while others are answered gets a refused completion; its other samples are not sent.

        Raises ``UserError`` if many are refused or the endpoint does not work; ``on_completion`` got what had arrived by then.
        """
        return run_async(self._complete(requests, on_completion))

    def recall(self, request: Request, completion: TextCompletion) -> None:
        """Count a completion of an earlier start, so that the share of refused prompts covers the whole stage."""
        if completion.refused:
            self._note_refusal(request.chat, completion.refused)
        else:
            self._answered.add(request.chat)
            self._works = self._works or request

    async def _complete(self, requests: Sequence[Request], on_completion: OnCompletion) -> list[TextCompletion]:
        places, one_at_a_time = iter(range(len(requests))), asyncio.Lock()
        done, held = dict[int, TextCompletion](), dict[int, TextCompletion]()

        def note(place: int, text: TextCompletion) -> None:
            done[place] = text
            on_completion(place, text)

        async def work(client: httpx.AsyncClient) -> None:
            for place in places:
                held[place] = await self._answer(client, requests[place], one_at_a_time)
                # A refusal counts once any prompt of the stage is answered: until then the sampling may be at fault.
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
        return [done[place] for place in range(len(requests))]

    async def _answer(self, client: httpx.AsyncClient, request: Request, one_at_a_time: asyncio.Lock) -> TextCompletion:
        """The answer or a refusal. Raises ``UserError`` if the endpoint, not the prompt, is at fault."""
        if reason := self._refused.get(request.chat):
            return TextCompletion("", False, reason)
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
        """Return if the endpoint answers another prompt, otherwise raise ``UserError``."""
        if failed.fatal:
            raise self._broken(failed, request)
        if failed.prompt and self._works:
            return
        other = self._works or replace(request, chat=HELLO)
        again = await self._ask(client, other)
        if isinstance(again, Failed):
            raise self._broken(failed, request)
        self._works = other

    async def _ask(self, client: httpx.AsyncClient, request: Request) -> TextCompletion | Failed:
        reason, asked, status, url = "", 0.0, 0, f"{self._config.url.rstrip('/')}/chat/completions"
        for attempt in range(self._config.retries + 1):
            if attempt:
                await self._sleep(min(LONGEST_WAIT, max(asked, 2.0 ** (attempt - 1))))
            await self._turn()
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
            if status >= 500 or status in RETRIED:
                asked = retry_after(response)
            elif status != 200:
                return Failed(reason, self._remedy(status), status in PROMPT_REJECTED, status in NOT_THE_PROMPT)
            elif (completion := read_answer(response)) is not None:
                return self._without_key(completion)
            else:
                reason = f"not an answer of a chat completion: {self._shown(response.text)}"
        return Failed(f"{reason}, {self._config.retries + 1} times", fatal=status in NOT_THE_PROMPT)

    async def _turn(self) -> None:
        """Wait until the rate limit allows another request."""
        if self._config.requests_per_minute is not None:
            now = time.monotonic()
            wait, self._next = max(0.0, self._next - now), max(self._next, now) + 60 / self._config.requests_per_minute
            if wait:
                await self._sleep(wait)

    def _refuse(self, request: Request, reason: str, text: str = "") -> TextCompletion:
        """The completion of a refused prompt. Raises ``UserError`` if too many are refused."""
        self._note_refusal(request.chat, reason)
        left_out = self._refused.keys() | (self._filtered - self._answered)
        number, known = len(left_out), len(self._answered | left_out)
        if number > MOST_REFUSED and number > self._config.max_refused * known:
            raise UserError(
                f"{self.name} refuses {number} of {known} prompts, the last one ({short(request.id)}): {reason}; check its url, model"
                f" and sampling, or raise max_refused = {self._config.max_refused:g}; earlier completions are kept"
            )
        return TextCompletion(text, False, reason)

    def _note_refusal(self, chat: Chat, reason: str) -> None:
        if reason.startswith(FILTERED):  # another sample may pass
            self._filtered.add(chat)
        else:
            self._refused[chat] = reason

    def _broken(self, failed: Failed, request: Request) -> UserError:
        if failed.remedy:
            return UserError(f"{self.name} refuses: {failed.reason}; {failed.remedy} (asked for {short(request.id)})")
        return UserError(
            f"{self.name}: {failed.reason}; make sure that it works and run the same command again: earlier completions are kept"
            f" (asked for {short(request.id)})"
        )

    def _remedy(self, status: int) -> str:
        if status in (401, 403):
            return (
                f"the key in {self._config.key_env} is not accepted"
                if self._config.key_env
                else "set key_env to the environment variable of its key"
            )
        return "check its url, model and sampling"

    def _shown(self, text: str) -> str:
        return short(text.replace(self._key, "[key]") if self._key else text)

    def _without_key(self, completion: TextCompletion) -> TextCompletion:
        text = completion.text.replace(self._key, "[key]") if len(self._key) >= LONG_KEY else completion.text
        return replace(completion, text=text, refused=self._shown(completion.refused) if completion.refused else "")


def _key(config: EndpointGenerator) -> str:
    """The key from the environment; empty if none is sent."""
    if config.key_env is None:
        return ""
    key = os.environ.get(config.key_env, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigError(f"key_env = {config.key_env!r}: this environment variable holds no usable key; export it, or set key_env to null")
    return key
