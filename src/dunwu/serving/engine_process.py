"""The engine process: reads requests from the server's socket, steps the engine, writes what is new. See `dunwu.serving.engine_link`."""

from __future__ import annotations

import json
import queue
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from io import BufferedIOBase
from typing import Any

from dunwu.errors import DunwuError, UserError
from dunwu.process.child import die_with
from dunwu.rollout.requests import Progress, RequestEngine
from dunwu.types import Request, SamplingParams

Message = Mapping[str, Any]


def main() -> None:
    """Serves until the server closes the socket or ends."""
    channel, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=channel) as connection, connection.makefile("rwb") as stream:
        settings = json.loads(stream.readline())
        try:
            engine, facts = _load(settings)
        except DunwuError as error:
            _write(stream, {"error": str(error), "user": isinstance(error, UserError)})
            return
        _write(stream, {"ready": facts})
        serve(engine, stream)


def serve(engine: RequestEngine, stream: BufferedIOBase) -> None:
    """Do what the server asks until it closes the stream. Requests that the engine refuses fail alone."""
    asked: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(stream, asked), daemon=True).start()
    desk = Desk(engine)
    while True:
        for message in _messages(asked, wait=not desk.busy):
            if message is None:
                return
            if failed := desk.obey(message):
                _write(stream, {"failed": [failed]})
        if desk.busy and (news := desk.step()):
            _write(stream, news)


class Desk:
    """Keeps the server's numbers of requests beside the engine's."""

    def __init__(self, engine: RequestEngine) -> None:
        self._engine = engine
        self._ids: dict[int, int] = {}
        self._numbers: dict[int, int] = {}

    @property
    def busy(self) -> bool:
        """True while a request is unfinished."""
        return self._engine.running + self._engine.waiting > 0

    def obey(self, message: Message) -> tuple[int, str] | None:
        """The number of a request that was refused, and why."""
        if "cancel" in message:
            if (taken := self._ids.get(message["cancel"])) is not None:
                self._engine.cancel(taken)
            return None
        number, params = message["submit"], message["params"]
        params = SamplingParams(**{**params, "stop_token_ids": tuple(params["stop_token_ids"])})
        try:
            identity = self._engine.submit(Request(tuple(message["tokens"]), params, message["seed"]))
        except UserError as error:
            return number, str(error)
        self._ids[number], self._numbers[identity] = identity, number
        return None

    def step(self) -> Message:
        """What is new, or failed; empty if nothing."""
        news, failed = [], []
        for each in self._engine.step():
            number = self._numbers[each.id]
            if each.finish is not None:
                del self._ids[number], self._numbers[each.id]
            if each.finish == "error":
                failed.append((number, "The model computed numbers that are not finite."))
            elif each.finish != "cancelled":
                news.append(_plain(number, each))
        return {name: found for name, found in (("news", news), ("failed", failed)) if found}


def _messages(asked: queue.SimpleQueue[Message | None], wait: bool) -> Iterator[Message | None]:
    """What has come in; waits for the first if ``wait``."""
    if wait:
        yield asked.get()
    while not asked.empty():
        yield asked.get()


def _plain(number: int, progress: Progress) -> tuple[Any, ...]:
    return number, progress.token_ids, progress.logprobs, progress.finish, progress.cached_tokens


def _read(stream: BufferedIOBase, asked: queue.SimpleQueue[Message | None]) -> None:
    for line in stream:
        asked.put(json.loads(line))
    asked.put(None)


def _write(stream: BufferedIOBase, message: Message) -> None:
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def _load(settings: Message) -> tuple[RequestEngine, dict[str, Any]]:
    import torch

    from dunwu.config.blocks import EngineConfig
    from dunwu.models.loading import load_model, pick_device
    from dunwu.rollout.build import build_engine
    from dunwu.rollout.torch_engine.room import Room

    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    model, tokenizer = load_model(settings["model"], pick_device(settings["device"]))
    config = EngineConfig(max_batch=settings["max_batch"], precision=settings["precision"], native=settings["native"])
    engine = build_engine(config, model, tokenizer)
    facts = {
        "decoder": engine.decoder,
        "positions": int(model.config.max_position_embeddings),
        "vocabulary": int(model.config.vocab_size),
        "stop_token_ids": engine.stop_token_ids,
    }
    return engine.requests(Room(slots=settings["max_batch"])), facts


if __name__ == "__main__":
    main()
