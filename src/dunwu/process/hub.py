"""Whether the Hugging Face hub can be reached: asked once, with an answer within seconds."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

CONNECT_SECONDS = 2.5
"""For the address and the connection: two round trips, and one lost packet. A machine without a network would wait for minutes."""
ANSWER_SECONDS = 10.0
"""For the answer once the connection is made, which proves that there is a network."""


@lru_cache(maxsize=1)
def hub_answers() -> bool:
    """True if the hub can be reached; otherwise only cached files are used.

    The hub's own client would try six times for each file, which takes minutes and cannot be configured.
    """
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE and _Probe(constants.ENDPOINT).answered()


def ask_early() -> None:
    """Starts asking the hub, so that the answer is known by the time torch is imported."""
    threading.Thread(target=hub_answers, daemon=True).start()


def is_cached(repository: str, file: str = "config.json") -> bool:
    """Has the cache of the hub's client this file of a model?"""
    return hub_file(repository, file) is not None


def hub_file(repository: str, file: str, fetch: bool = False) -> Path | None:
    """A file of a model in the cache, or with ``fetch`` from the hub if it answers; ``None`` if there is none."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        found = try_to_load_from_cache(repository, file)  # a mark of its own if the hub has no such file
        if isinstance(found, str) and Path(found).exists():
            return Path(found)
        return Path(hf_hub_download(repository, file)) if fetch and found is None and hub_answers() else None
    except (OSError, HfHubHTTPError, HFValidationError):  # which loading the model will say
        return None


class _Probe:
    """One request in a thread of its own: a look-up of an address cannot be given a timeout."""

    def __init__(self, address: str) -> None:
        self._address, self._connected, self._answers = address, False, False
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def answered(self) -> bool:
        self._thread.start()
        self._thread.join(CONNECT_SECONDS)
        if self._connected:
            self._thread.join(ANSWER_SECONDS)
        return self._answers

    def _ask(self) -> None:
        import httpx

        try:
            with httpx.Client(timeout=ANSWER_SECONDS) as client:
                client.head(self._address, extensions={"trace": self._trace})
        except (httpx.TransportError, httpx.InvalidURL):
            return
        self._answers = True

    def _trace(self, event: str, _: Any) -> None:
        self._connected = self._connected or event == "connection.connect_tcp.complete"
