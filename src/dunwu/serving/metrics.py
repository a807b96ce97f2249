"""What `/metrics` shows to Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("dunwu_requests", "Answered requests.", ["path", "status"], registry=self._registry)
        self.tokens = Counter("dunwu_tokens", "Tokens of prompts and completions.", ["kind"], registry=self._registry)
        self.first_token = Histogram(
            "dunwu_first_token_seconds", "From the request to its first token.", registry=self._registry, buckets=_SECONDS
        )
        self._gauges = {
            "running": Gauge("dunwu_running", "Completions being made.", ["model"], registry=self._registry),
            "waiting": Gauge("dunwu_waiting", "Completions that wait for a slot.", ["model"], registry=self._registry),
            "up": Gauge("dunwu_engine_up", "1 if the engine takes requests.", ["model"], registry=self._registry),
            "restarts": Gauge("dunwu_engine_restarts", "How often the engine came back.", ["model"], registry=self._registry),
        }

    def watch(self, name: str, model: str, value: Callable[[], float]) -> None:
        """Read a gauge from ``value`` whenever it is asked for."""
        self._gauges[name].labels(model).set_function(value)

    def text(self) -> bytes:
        """All in Prometheus' text form."""
        return generate_latest(self._registry)
