"""The engine process: reads requests from the server's socket, steps the engine, writes what is new. See `dunwu.serving.engine_link`."""

from __future__ import annotations

import json
import queue
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from dunwu.errors import DunwuError, UserError
from dunwu.process.child import die_with
from dunwu.types import Request, SamplingParams


class Progress(Protocol):
    """What is new of a request."""

    id: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: str | None
    cached_tokens: int


class RequestEngine(Protocol):
    """An engine that takes requests as they come."""

    def submit(self, id: int, request: Request) -> None: ...
    def cancel(self, id: int) -> None: ...
    def step(self) -> Sequence[Progress]: ...
    @property
    def busy(self) -> bool: ...


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


def serve(engine: RequestEngine, stream: Any) -> None:
    """Do what the server asks until it closes the stream. Requests that the engine refuses fail alone."""
    asked: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(stream, asked), daemon=True).start()
    while True:
        for message in _messages(asked, wait=not engine.busy):
            if message is None:
                return
            if failed := _obey(engine, message):
                _write(stream, {"failed": [failed]})
        if engine.busy and (news := [_plain(each) for each in engine.step()]):
            _write(stream, {"news": news})


def _messages(asked: queue.SimpleQueue[Mapping[str, Any] | None], wait: bool) -> Iterator[Mapping[str, Any] | None]:
    """What has come in; waits for the first if ``wait``."""
    if wait:
        yield asked.get()
    while not asked.empty():
        yield asked.get()


def _obey(engine: RequestEngine, message: Mapping[str, Any]) -> tuple[int, str] | None:
    """The number of a request that was refused, and why."""
    if "cancel" in message:
        engine.cancel(message["cancel"])
        return None
    params = SamplingParams(**{**message["params"], "stop_token_ids": tuple(message["params"]["stop_token_ids"])})
    try:
        engine.submit(message["submit"], Request(tuple(message["tokens"]), params, message["seed"]))
    except UserError as error:
        return message["submit"], str(error)
    return None


def _plain(progress: Progress) -> tuple[Any, ...]:
    return progress.id, progress.token_ids, progress.logprobs, progress.finish, progress.cached_tokens


def _read(stream: Any, asked: queue.SimpleQueue[Mapping[str, Any] | None]) -> None:
    for line in stream:
        asked.put(json.loads(line))
    asked.put(None)


def _write(stream: Any, message: Mapping[str, Any]) -> None:
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def _load(settings: Mapping[str, Any]) -> tuple[RequestEngine, dict[str, Any]]:
    import torch

    from dunwu.config.blocks import EngineConfig
    from dunwu.models.loading import load_model, pick_device
    from dunwu.rollout.build import build_engine
    from dunwu.serving.one_at_a_time import OneAtATime

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
    return OneAtATime(engine), facts


if __name__ == "__main__":
    main()
