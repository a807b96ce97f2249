"""`dunwu serve`: models over HTTP, as OpenAI's and DeepSeek's clients expect them."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import printable, show
from dunwu.config.base import Positive
from dunwu.config.blocks import SamplingConfig
from dunwu.config.defaults import following
from dunwu.config.load import load_following
from dunwu.config.template import Template
from dunwu.config.zero import PromptedEvalConfig
from dunwu.errors import UserError
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.models.facts import model_facts
from dunwu.models.hub_ids import check_model
from dunwu.pipeline.run_models import model_of
from dunwu.run.console import ConsoleReporter

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServeOptions:
    """Serve models over HTTP, with OpenAI's API and the chain of thought beside the answer, as DeepSeek's `deepseek-reasoner` has it."""

    models: tyro.conf.Positional[tuple[str, ...]] = (BUNDLED_NAME,)
    """tiny (bundled), a run directory, a checkpoint or other local Hugging Face folder, or a hub id; several are served side by side. The
    first is also deepseek-reasoner."""
    host: str = "127.0.0.1"
    """Address to listen on; any but the loopback interface needs keys."""
    port: Annotated[int, Field(ge=0, lt=1 << 16)] = 8000
    """0: any free port."""
    keys: Path | None = None
    """File of API keys (their hashes, and limits); also read from DUNWU_API_KEYS, separated by commas. By default nobody needs a key."""
    new_key: str | None = None
    """Make a key of this name, add its hash to --keys, print it once, and end."""
    key_requests: Annotated[int, Field(ge=0)] = 0
    """Requests per minute of the new key; 0: no limit."""
    key_tokens: Annotated[int, Field(ge=0)] = 0
    """Tokens per minute of the new key; 0: no limit."""
    rules: Literal["later", "r1"] = "later"
    """r1: DeepSeek's rules at the time of R1, which refuse a chain of thought that is sent back. later: the lenient ones."""
    template: str | None = None
    """Prompt template, as in dunwu eval; by default the one that the model was trained with, else its chat template."""
    temperature: float | None = None
    """Temperature of requests without one; by default 0.6 with top_p 0.95, as DeepSeek-R1 is used, 1 for the tiny model."""
    max_tokens: Positive = 32_768
    """Most tokens of a completion, chain of thought included, as far as the context has room."""
    slots: Positive = 64
    """Completions made at once, by each model."""
    queue: Annotated[int, Field(ge=0)] = 256
    """Completions that may wait; further ones are refused with 503."""
    deadline: Annotated[float, Field(gt=0)] = 600.0
    """Seconds for a request, the time in the queue included."""
    drain: Annotated[int, Field(ge=0)] = 30
    """Seconds for unfinished answers when the server is told to end."""
    max_body: Positive = 1 << 20
    """Bytes of a request's body."""
    allow_host: tuple[str, ...] = ()
    """Further names under which the server may be addressed; on the loopback interface it refuses all but its own."""
    allow_origin: tuple[str, ...] = ()
    """Origins of web pages that may call the server (CORS); none by default."""
    access_log: bool = True
    """Write one JSON line per request to stderr, without contents."""
    log_contents: bool = False
    """Write questions and answers into the access log as well."""
    upstream: str | None = None
    """Address of a server that computes instead of an engine here: vLLM, or another dunwu serve, with the same model; its key in
    DUNWU_UPSTREAM_KEY."""
    open: bool = False
    """Open the chat page in a browser, if there is a desktop."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads of each engine; 0: all cores."""


def run(arguments: Sequence[str]) -> int:
    """Serves until it is interrupted."""
    options, rest = parse_options(ServeOptions, "serve", arguments)
    refuse_rest("serve", rest)
    if options.new_key is not None:
        return _make_key(options)
    from dunwu.serving.keys import VARIABLE, read_keys

    keys = read_keys(options.keys)
    loopback = _is_loopback(options.host)
    if not keys.known and not loopback:
        raise UserError(f"--host {options.host} can be reached from outside: give --keys FILE or set {VARIABLE}, or use 127.0.0.1")
    if options.upstream is not None and len(options.models) > 1:
        raise UserError(f"--upstream {options.upstream} serves one model: name one, whose tokenizer and template are used")
    if options.upstream is not None and not options.upstream.startswith(("http://", "https://")):
        raise UserError(f"--upstream {options.upstream}: give an address such as http://127.0.0.1:8001")
    reporter = ConsoleReporter()
    models = [_Model.of(name, options, reporter) for name in options.models]
    _log(options.access_log or options.log_contents)
    with _listen(options) as listener:
        _serve(options, models, keys, listener, loopback)
    return 0


@dataclass(frozen=True)
class _Model:
    """A model to serve: its name, its folder or hub id, and how it is prompted and sampled from."""

    name: str
    path: str
    template: Template
    sampling: SamplingConfig

    @classmethod
    def of(cls, given: str, options: ServeOptions, reporter: ConsoleReporter) -> _Model:
        path = model_of(given, reporter)
        check_model(path)
        asked = {"template": options.template, "sampling.temperature": options.temperature}
        overrides = [f"{key}={value}" for key, value in asked.items() if value is not None]
        config, _ = load_following(
            PromptedEvalConfig, None, overrides, following("eval", model_facts(path, fetch=True)), {"task": "countdown"}
        )
        evaluation, template = config.parts()
        folder = Path(given).expanduser()
        if not folder.is_dir():
            return cls(given, path, template, evaluation.sampling)
        folder = folder.resolve()
        step = folder.parent.name == "checkpoints"
        return cls(f"{folder.parent.parent.name}-{folder.name}" if step else folder.name, path, template, evaluation.sampling)


def _serve(options: ServeOptions, models: Sequence[_Model], keys: object, listener: socket.socket, loopback: bool) -> None:
    from dunwu.models.loading import load_tokenizer
    from dunwu.serving.backend import Backend
    from dunwu.serving.engine_link import EngineLink, EngineSettings
    from dunwu.serving.fair_queue import FairQueue
    from dunwu.serving.keys import Keys
    from dunwu.serving.model import REASONER, ServedModel
    from dunwu.serving.run import Served
    from dunwu.serving.serve import build, serve
    from dunwu.serving.settings import ServerSettings
    from dunwu.serving.upstream import KEY, Upstream

    assert isinstance(keys, Keys)
    hosts = (*LOOPBACK_HOSTS, options.host, *options.allow_host) if loopback else options.allow_host
    settings = ServerSettings(
        rules=options.rules,
        max_tokens=options.max_tokens,
        max_body=options.max_body,
        deadline=options.deadline,
        hosts=hosts,
        origins=options.allow_origin,
        log_contents=options.log_contents,
    )
    served: dict[str, Served] = {}
    for each in models:
        model = ServedModel(each.name, load_tokenizer(each.path), each.template, each.sampling)
        engine: Backend
        if options.upstream is None:
            engine = EngineLink(EngineSettings(each.path, options.device, options.threads, options.slots))
        else:
            engine = Upstream(options.upstream, model.tokenizer, os.environ.get(KEY, ""))
        if each.name in served:
            raise UserError(f"two models are named {each.name}: serve folders with different names")
        served[each.name] = Served(model, engine, FairQueue(options.slots, options.queue))
    served.setdefault(REASONER, served[models[0].name])
    address = f"http://{_address(listener)}"

    def ready(found: Sequence[Served]) -> None:
        for each in found:
            assert each.backend.facts is not None
            show(f"model: {printable(each.model.name)}; context {each.backend.facts.positions} tokens; {each.backend.facts.decoder}")
        show(f"serving at {address}/v1; end with Ctrl-C")
        show(f"chat page: {address}/")
        if options.open:
            _open_page(f"{address}/")

    asyncio.run(serve(build(served, settings), keys, listener, ready, options.drain))


def _open_page(address: str) -> None:
    """In a browser with a window: one for the terminal would take the terminal."""
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _make_key(options: ServeOptions) -> int:
    from dunwu.serving.keys import add_key

    assert options.new_key is not None
    if options.keys is None:
        raise UserError(f"--new-key {options.new_key}: give --keys FILE, the file that gets its hash")
    key = add_key(options.keys, options.new_key, {"requests": options.key_requests, "tokens": options.key_tokens})
    print(key)
    return 0


def _log(access: bool) -> None:
    """The access log as it is, other messages as JSON too, both to stderr."""
    writer = logging.StreamHandler()
    writer.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("dunwu.access")
    logger.addHandler(writer)
    logger.propagate = False
    logger.setLevel(logging.INFO if access else logging.CRITICAL)
    events = logging.StreamHandler()
    events.setFormatter(_JsonFormatter())
    logging.getLogger("dunwu.serving").addHandler(events)
    logging.getLogger("dunwu.serving").propagate = False


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"event": record.getMessage(), "level": record.levelname.lower()}, ensure_ascii=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen(options: ServeOptions) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        return socket.create_server((options.host, options.port), family=family, backlog=1024)
    except OSError as error:
        raise UserError(f"cannot listen on {options.host}:{options.port} ({error}): choose another --host or --port") from error
