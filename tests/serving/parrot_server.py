"""The server over real HTTP, with the engine process of `tests.serving.fake_engine`. Arguments: slots, drain."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Sequence

from dunwu.config.blocks import SamplingConfig
from dunwu.serving.engine_link import EngineLink, EngineSettings
from dunwu.serving.fair_queue import FairQueue
from dunwu.serving.keys import Keys
from dunwu.serving.model import ServedModel
from dunwu.serving.run import Served
from dunwu.serving.serve import build, serve
from dunwu.serving.settings import ServerSettings
from tests.serving.scripted import byte_tokenizer


def main() -> None:
    slots, drain = int(sys.argv[1]), int(sys.argv[2])
    logging.getLogger("dunwu.access").setLevel(logging.CRITICAL)
    link = EngineLink(EngineSettings("parrot"), "tests.serving.fake_engine")
    model = ServedModel("toy", byte_tokenizer(), "tiny", SamplingConfig())
    service = build({"toy": Served(model, link, FairQueue(slots, 16))}, ServerSettings(max_tokens=100_000))
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:

        def ready(_: Sequence[Served]) -> None:
            print(f"http://127.0.0.1:{listener.getsockname()[1]} {link.pid}", flush=True)

        asyncio.run(serve(service, Keys(), listener, ready, drain))


if __name__ == "__main__":
    main()
