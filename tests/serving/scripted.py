"""A backend that answers as it is told, and a server around it, in process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import decoders, models, pre_tokenizers

from dunwu.config.blocks import SamplingConfig
from dunwu.serving.app import application
from dunwu.serving.backend import BackendDown, Call, Facts, News, Sink
from dunwu.serving.fair_queue import FairQueue
from dunwu.serving.keys import Keys
from dunwu.serving.model import REASONER, ServedModel
from dunwu.serving.run import Served
from dunwu.serving.serve import build
from dunwu.serving.service import Service
from dunwu.serving.settings import ServerSettings

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Play:
    """What the engine says to a request: ``text`` in pieces of ``step`` tokens, and its end token unless ``ended`` is false; then, with
    ``hang``, nothing more. ``error``: it fails after the text."""

    text: str
    step: int = 3
    ended: bool = True
    hang: bool = False
    error: str = ""
    cached: int = 0
    pause: float = 0.0


@dataclass
class Scripted:
    """A `Backend` that plays what ``reply`` says for each call."""

    tokenizer: Any
    reply: Callable[[Call], Play]
    positions: int = 4096
    calls: list[Call] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    playing: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    up: bool = True
    restarts: int = 0

    @property
    def facts(self) -> Facts | None:
        ends = (self.tokenizer.eos_token_id,)
        return Facts("scripted", self.positions, len(self.tokenizer), ends) if self.up else None

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def submit(self, call: Call, sink: Sink) -> int:
        if not self.up:
            raise BackendDown
        self.calls.append(call)
        number = len(self.calls)
        self.playing[number] = asyncio.create_task(self._play(number, call, self.reply(call), sink))
        return number

    def cancel(self, number: int) -> None:
        if number in self.playing:
            self.playing.pop(number).cancel()
            self.cancelled.append(number)

    async def _play(self, number: int, call: Call, play: Play, sink: Sink) -> None:
        ids = self.tokenizer.encode(play.text, add_special_tokens=False)
        ids = [*ids, self.tokenizer.eos_token_id] if play.ended else ids
        finish = "length" if len(ids) > call.params.max_tokens else "stop"
        ids = ids[: call.params.max_tokens]
        for start in range(0, len(ids), play.step):
            await asyncio.sleep(play.pause)
            piece = tuple(ids[start : start + play.step])
            last = start + play.step >= len(ids) and not play.hang and not play.error
            if last:
                self.playing.pop(number, None)
            sink(News(piece, tuple(-0.5 for _ in piece), finish if last else None, play.cached))
        if play.error:
            self.playing.pop(number, None)
            sink(News(error=play.error))


@dataclass
class Server:
    """The application around a scripted backend."""

    service: Service
    backend: Scripted
    keys: Keys = field(default_factory=Keys)

    def ask(
        self, path: str, body: Any = None, headers: Mapping[str, str] | None = None, method: str = "", content: bytes | None = None
    ) -> httpx.Response:
        """One request."""

        async def asking() -> httpx.Response:
            return await self.asks(path, body, headers, method, content)

        return asyncio.run(asking())

    async def asks(
        self, path: str, body: Any = None, headers: Mapping[str, str] | None = None, method: str = "", content: bytes | None = None
    ) -> httpx.Response:
        """One request, in a running loop."""
        transport = httpx.ASGITransport(application(self.service, self.keys), raise_app_exceptions=False, client=("10.0.0.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            sent = {**JSON, **(headers or {})} if body is not None or content is not None else dict(headers or {})
            if body is not None:
                content = json.dumps(body).encode()
            return await client.request(method or ("GET" if content is None else "POST"), path, content=content, headers=sent)

    def chat(self, **more: Any) -> httpx.Response:
        """A chat completion about a sum."""
        body = {"model": "toy", "messages": [{"role": "user", "content": "1+1=?"}], **more}
        return self.ask("/v1/chat/completions", {name: value for name, value in body.items() if value is not Ellipsis})

    def complete(self, **more: Any) -> httpx.Response:
        """A completion of a text."""
        return self.ask("/v1/completions", {"model": "toy", "prompt": "User: 1+1=?\nAssistant:", **more})


def events(response: httpx.Response) -> list[Any]:
    """The data of a stream's events, without the closing [DONE], which must be there unless the last event is an error."""
    assert response.headers["content-type"].startswith("text/event-stream")
    data = [line.removeprefix("data: ") for line in response.text.split("\n") if line.startswith("data: ")]
    found = [json.loads(each) for each in data if each != "[DONE]"]
    assert (data[-1] == "[DONE]") != ("error" in found[-1]), data[-1]
    return found


def joined(chunks: list[Any], key: str, place: int = 0) -> str:
    """The text of a field of all deltas of one choice."""
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == place]
    return "".join(choice["delta"].get(key) or "" for choice in choices)


def serve(
    tokenizer: Any,
    reply: Callable[[Call], Play] | Play,
    settings: ServerSettings | None = None,
    keys: Keys | None = None,
    template: str = "tiny",
    slots: int = 4,
    queue: int = 8,
    positions: int = 4096,
) -> Server:
    """A server of the model ``toy``."""
    backend = Scripted(tokenizer, reply if callable(reply) else lambda call: reply, positions)
    model = ServedModel("toy", tokenizer, template, SamplingConfig(temperature=0.6, top_p=0.95))
    served = Served(model, backend, FairQueue(slots, queue))
    return Server(build({"toy": served, REASONER: served}, settings or ServerSettings()), backend, keys or Keys())


def byte_tokenizer(chat_template: str = "") -> Any:
    """A tokenizer in which each byte is a token, so that tags and Chinese characters come in pieces."""
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate([*alphabet, "<end>"])}
    raw = RawTokenizer(models.BPE(vocabulary, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>")
    made.chat_template = chat_template or None
    return made
