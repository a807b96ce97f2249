"""A model that writes: the one thing that all builders of data ask for answers, rewritings and judgements."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dunwu.config.blocks import SamplingConfig
from dunwu.config.data import GeneratorConfig
from dunwu.data.rollouts import rollout_seeds
from dunwu.errors import ConfigError
from dunwu.models.chat import Message
from dunwu.process.attempt import attempt

Chat = tuple[Message, ...]
"""Turns, the last one the user's."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be written: an answer to ``chat``. Another ``seed`` asks for another one.

    ``id`` is what messages call the prompt, such as the id of its problem; it changes nothing that is written.
    """

    chat: Chat
    sampling: SamplingConfig
    seed: int
    id: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """An answer, what the template had begun of it included; not ``finished``: cut off at the most tokens.

    ``refused`` says why there is no answer although the model works: a content filter, a prompt it does not take. Never finished.
    """

    text: str
    finished: bool = True
    refused: str = ""


OnWritten = Callable[[int, Written], None]
"""Is told the place of a request and what was written for it, once it is there."""


class Generator(Protocol):
    """Writes for requests. ``name`` tells one from another; with ``independent`` each request is answered by itself, else what is
    written may depend in its last bits on what else is asked for in the same call."""

    @property
    def name(self) -> str: ...

    @property
    def independent(self) -> bool: ...

    def write(self, requests: Sequence[Request], on_written: OnWritten) -> list[Written]:
        """What is written for each, in order. Raises ``UserError`` where the model cannot be had."""
        ...


def generate(
    generator: Generator,
    prompts: Sequence[Chat | str],
    samples: int,
    sampling: SamplingConfig,
    seed: int,
    ids: Sequence[str] | None = None,
) -> list[list[Written]]:
    """``samples`` answers to each prompt; a text is a single turn of the user's. ``ids`` are the prompts', for messages.

    The seed of an answer depends on ``seed``, its prompt's place and its own number alone.
    """
    seeds = rollout_seeds(seed, 0, len(prompts), samples)
    chats = [(Message("user", prompt),) if isinstance(prompt, str) else prompt for prompt in prompts]
    names = ids or [f"prompt {place + 1}" for place in range(len(prompts))]
    requests = [Request(chats[place // samples], sampling, each, names[place // samples]) for place, each in enumerate(seeds)]
    written = generator.write(requests, lambda place, answer: None)
    assert len(written) == len(requests), f"{len(written)} texts for {len(requests)} requests"
    return [written[start : start + samples] for start in range(0, len(written), samples)]


def plain(chat: Chat) -> list[dict[str, str]]:
    """The turns as an endpoint or a chat template takes them."""
    return [{"role": turn.role, "content": turn.content} for turn in chat]


def fenced(text: str) -> str:
    """``text`` between fences longer than any run of backticks in it: nothing that it says can close them."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


Open = Callable[[GeneratorConfig], Generator]
"""Makes a generator, or takes one that is there."""


@dataclass(frozen=True)
class Scripted:
    """A function as a generator: for tests, and for models that are reached in a way of the user's own."""

    function: Callable[[list[dict[str, str]], int], Any]
    name: str = "scripted"
    independent: bool = True

    def write(self, requests: Sequence[Request], on_written: OnWritten) -> list[Written]:
        """See `Generator`."""
        texts = []
        for place, request in enumerate(requests):
            text = attempt(lambda request=request: self.function(plain(request.chat), request.seed), self._refuse)  # type: ignore[misc]
            if not isinstance(text, str):
                raise ConfigError(f"{self.name} returned a {type(text).__name__}: it must return the text that answers the messages")
            texts.append(Written(text.encode("utf-8", "replace").decode()))  # as of an endpoint, half a character becomes a question mark
            on_written(place, texts[-1])
        return texts

    def _refuse(self, message: str) -> Any:
        raise ConfigError(f"{self.name} failed ({message}): fix it and run the same command again; what was written before is kept")
