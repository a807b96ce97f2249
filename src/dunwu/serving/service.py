"""Answers requests, whole or as a stream: the same steps for chat completions and completions, with other shapes."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

from dunwu.serving import answers
from dunwu.serving.answers import Head, Json
from dunwu.serving.asking import Asking, ask_chat, ask_completion
from dunwu.serving.backend import Facts
from dunwu.serving.bodies import ChatBody, CompletionBody
from dunwu.serving.choices import Choice, Delta
from dunwu.serving.errors import ApiError, bad_request, unavailable
from dunwu.serving.metrics import Metrics
from dunwu.serving.run import Run, Served, down
from dunwu.serving.settings import ServerSettings
from dunwu.serving.splitting import Parts
from dunwu.text.surrogates import has_surrogates

CUT = "insufficient_system_resource"
"""DeepSeek's reason for an answer that the server had to end."""
MOST_RENDERED = 256
"""Requests whose prompts are being made, or wait for that."""


@dataclass
class Caller:
    """Who asks, and what has been used, for limits and the log."""

    name: str
    used: Callable[[int], None] = lambda tokens: None
    notes: dict[str, object] = field(default_factory=dict)


class Service:
    """Models by name; the first one is also ``deepseek-reasoner``."""

    def __init__(self, served: Mapping[str, Served], settings: ServerSettings, metrics: Metrics) -> None:
        self.served, self.settings, self.metrics = served, settings, metrics
        self.started = int(time.time())
        self._fingerprint = f"fp_{secrets.token_hex(5)}"
        # One thread: transformers' tokenizers are not made for several.
        self._rendering = ThreadPoolExecutor(1, "rendering")
        self._in_rendering = 0

    def find(self, name: str) -> Served:
        """Raises `ApiError` 404."""
        if name not in self.served:
            known = ", ".join(self.served)
            raise ApiError(404, f"The model {name[:80]!r} does not exist here; there are: {known}.", "model", "model_not_found")
        return self.served[name]

    async def begin(self, body: ChatBody | CompletionBody, caller: Caller) -> Answer:
        """Read a request. Raises `ApiError`: 400, 404 or 503."""
        served = self.find(body.model)
        facts = served.backend.facts
        if facts is None:
            raise down()
        if self._in_rendering >= MOST_RENDERED:
            raise unavailable("The server is busy reading requests. Try again shortly.", "overloaded")
        self._in_rendering += 1
        try:
            asking = await asyncio.get_running_loop().run_in_executor(self._rendering, self._ask, body, served, facts)
        finally:
            self._in_rendering -= 1
        return Answer(self, served, body, asking, caller, facts)

    def _ask(self, body: ChatBody | CompletionBody, served: Served, facts: Facts) -> Asking:
        if has_surrogates(json.dumps(body.model_dump(), ensure_ascii=False)):
            raise bad_request("The request has half a character (a lone surrogate), which is no text.", code="invalid_value")
        if isinstance(body, ChatBody):
            return ask_chat(body, served.model, facts, self.settings)
        return ask_completion(body, served.model, facts, self.settings)

    def head(self, prefix: str, model: str) -> Head:
        """Of a new answer."""
        return Head(f"{prefix}-{secrets.token_hex(12)}", int(time.time()), model, self._fingerprint)

    def close(self) -> None:
        """End its thread."""
        self._rendering.shutdown()


class Answer:
    """One request on its way to an answer."""

    def __init__(
        self, service: Service, served: Served, body: ChatBody | CompletionBody, asking: Asking, caller: Caller, facts: Facts
    ) -> None:
        self._service, self._served, self._asking, self._caller = service, served, asking, caller
        self._chat = isinstance(body, ChatBody)
        self._usage_chunk = bool(body.stream_options and body.stream_options.include_usage)
        self._head = service.head("chatcmpl" if self._chat else "cmpl", body.model)
        self._stop_ids = asking.calls[0].params.stop_token_ids
        self._choices = [Choice(served.model, asking.opened, asking.stop, asking.logprobs, whole=not self._chat) for _ in asking.calls]
        self._run = Run(served, caller.name, asking.calls, service.settings.deadline)
        self._began = time.monotonic()
        self._token_ids = isinstance(body, CompletionBody) and bool(body.return_token_ids)
        self._first, self._closed = True, False
        self._said = [Parts() for _ in asking.calls] if service.settings.log_contents else []

    async def whole(self) -> Json:
        """The answer as one object. Raises `ApiError` 503."""
        found = [Delta() for _ in self._choices]
        async with self._run:
            try:
                async for place, delta in self._deltas():
                    found[place].parts += delta.parts
                    found[place].logprobs += delta.logprobs
                    found[place].token_ids += delta.token_ids
                    found[place].finish = delta.finish
            finally:
                self._account()
        if self._chat:
            choices = [answers.chat_choice(place, delta, self._asking.logprobs) for place, delta in enumerate(found)]
        else:
            choices = [self._text_choice(place, delta) for place, delta in enumerate(found)]
        return {**self._head.object(self._kind(False), choices), "usage": self._usage()}

    async def begin(self) -> None:
        """Begin the stream. Raises `ApiError` 503."""
        await self._run.__aenter__()

    async def stream(self) -> AsyncIterator[bytes]:
        """The answer as events, after `begin`; an error is the last of them."""
        try:
            if self._chat:
                for place in range(len(self._choices)):
                    yield self._event([answers.chat_opening(place)])
            else:
                for place, text in enumerate(self._asking.echoed):
                    yield self._event([answers.text_choice(place, Delta(Parts(content=text)), False)])
            async for place, delta in self._deltas():
                for choice in self._chunk_choices(place, delta):
                    yield self._event([choice])
            if self._usage_chunk:
                yield answers.event({**self._head.object(self._kind(True), []), "usage": self._usage()})
            yield answers.event("[DONE]")
        except ApiError as error:
            self._caller.notes["error"] = error.code
            yield answers.event(error.body)
        finally:
            await self.close()

    async def close(self) -> None:
        """End a stream, also one that was never read."""
        if not self._closed:
            self._closed = True
            self._account()  # first: of a client that has left, the rest may be cancelled
            await self._run.__aexit__()

    async def _deltas(self) -> AsyncIterator[tuple[int, Delta]]:
        """What is new of the choices. Raises `ApiError` if the engine fails."""
        async for place, news in self._run:
            if self._first and news.token_ids:
                self._first = False
                self._service.metrics.first_token.observe(time.monotonic() - self._began)
            delta = self._choices[place].take(news, self._stop_ids)
            if delta.finish is not None and news.finish is None:
                self._run.stop(place)
            if self._said:
                self._said[place] += delta.parts
            yield place, delta
            if news.error:
                raise unavailable(news.error, "engine_failed")
        if self._run.expired and any(choice.tokens for choice in self._choices):
            for place, choice in enumerate(self._choices):
                if choice.finish is None:
                    yield place, choice.cut(CUT)
        elif self._run.expired:
            raise unavailable("The request waited too long for the engine. Try again later.", "deadline_exceeded")

    def _chunk_choices(self, place: int, delta: Delta) -> list[Json]:
        if self._chat:
            return answers.chat_deltas(place, delta, self._asking.logprobs)
        if not (delta.parts.content or delta.logprobs or delta.finish or (self._token_ids and delta.token_ids)):
            return []
        return [self._with_ids(answers.text_choice(place, delta, self._asking.logprobs), delta)]

    def _text_choice(self, place: int, delta: Delta) -> Json:
        found = answers.text_choice(place, delta, self._asking.logprobs)
        if self._asking.echoed:
            found["text"] = self._asking.echoed[place] + found["text"]
        return self._with_ids(found, delta)

    def _with_ids(self, choice: Json, delta: Delta) -> Json:
        """With the tokens, as vLLM gives them on request."""
        return {**choice, "token_ids": delta.token_ids} if self._token_ids else choice

    def _kind(self, chunk: bool) -> str:
        return "text_completion" if not self._chat else "chat.completion.chunk" if chunk else "chat.completion"

    def _event(self, choices: list[Json]) -> bytes:
        chunk = self._head.object(self._kind(True), choices)
        return answers.event({**chunk, "usage": None} if self._usage_chunk else chunk)

    def _usage(self) -> Json:
        return answers.usage(self._asking.prompt_tokens, self._choices)

    def _account(self) -> None:
        """Note what was used, however it ended."""
        used = self._usage()
        self._caller.used(used["total_tokens"])
        self._service.metrics.tokens.labels("prompt").inc(used["prompt_tokens"])
        self._service.metrics.tokens.labels("completion").inc(used["completion_tokens"])
        finish = [choice.finish or "aborted" for choice in self._choices]
        self._caller.notes |= {
            "model": self._served.model.name,
            "prompt_tokens": used["prompt_tokens"],
            "completion_tokens": used["completion_tokens"],
            "finish": finish[0] if len(finish) == 1 else finish,
        }
        if self._said:
            self._caller.notes["answered"] = [asdict(parts) for parts in self._said]
