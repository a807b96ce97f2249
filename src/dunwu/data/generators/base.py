"""Text generators: the models that data builders ask for answers, rewritten reasoning and judgements."""

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
"""Turns; the last one is the user's."""


@dataclass(frozen=True, slots=True)
class Request:
    """One completion of ``chat`` to sample with ``seed``.

    ``id`` names the prompt in messages, for example the id of its problem; it does not affect the completion.
    """

    chat: Chat
    sampling: SamplingConfig
    seed: int
    id: str = ""


@dataclass(frozen=True, slots=True)
class TextCompletion:
    """The text of a completion, the template's prefill included. Not ``finished``: it reached the token limit.

    ``refused``: why the model gave no answer although it works, such as a content filter. A refused completion is never finished.
    """

    text: str
    finished: bool = True
    refused: str = ""


OnCompletion = Callable[[int, TextCompletion], None]
"""Called with the index of a request and its completion as soon as that arrives."""


class Generator(Protocol):
    """Completes requests. ``name`` identifies it. ``independent``: completions do not depend on other requests of the same call;
    otherwise their last bits may."""

    @property
    def name(self) -> str: ...

    @property
    def independent(self) -> bool: ...

    def complete(self, requests: Sequence[Request], on_completion: OnCompletion) -> list[TextCompletion]:
        """One completion for each request, in order. Raises ``UserError`` if the model cannot be reached or loaded."""
        ...


def generate(
    generator: Generator,
    prompts: Sequence[Chat | str],
    samples: int,
    sampling: SamplingConfig,
    seed: int,
    ids: Sequence[str] | None = None,
) -> list[list[TextCompletion]]:
    """``samples`` completions of each prompt; a plain text is one user turn. ``ids`` name the prompts in messages.

    A completion's seed depends only on ``seed``, the index of its prompt and its own index.
    """
    seeds = rollout_seeds(seed, 0, len(prompts), samples)
    chats = [(Message("user", prompt),) if isinstance(prompt, str) else prompt for prompt in prompts]
    names = ids or [f"prompt {place + 1}" for place in range(len(prompts))]
    requests = [Request(chats[place // samples], sampling, each, names[place // samples]) for place, each in enumerate(seeds)]
    completions = generator.complete(requests, lambda place, answer: None)
    assert len(completions) == len(requests), f"{len(completions)} texts for {len(requests)} requests"
    return [completions[start : start + samples] for start in range(0, len(completions), samples)]


def plain(chat: Chat) -> list[dict[str, str]]:
    """The turns as the dictionaries that endpoints and chat templates take."""
    return [{"role": turn.role, "content": turn.content} for turn in chat]


def fenced(text: str) -> str:
    """``text`` between fences longer than any run of backticks in it, so that nothing inside can close them."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


Open = Callable[[GeneratorConfig], Generator]
"""Returns the generator for a configuration, a new or an existing one."""


@dataclass(frozen=True)
class Scripted:
    """A function as a generator: for tests, and for models that need custom code."""

    function: Callable[[list[dict[str, str]], int], Any]
    name: str = "scripted"
    independent: bool = True

    def complete(self, requests: Sequence[Request], on_completion: OnCompletion) -> list[TextCompletion]:
        """See `Generator`."""
        texts = []
        for place, request in enumerate(requests):
            text = attempt(lambda request=request: self.function(plain(request.chat), request.seed), self._refuse)  # type: ignore[misc]
            if not isinstance(text, str):
                raise ConfigError(f"{self.name} returned a {type(text).__name__}: it must return the text that answers the messages")
            # A lone surrogate becomes a question mark, as with an endpoint.
            texts.append(TextCompletion(text.encode("utf-8", "replace").decode()))
            on_completion(place, texts[-1])
        return texts

    def _refuse(self, message: str) -> Any:
        raise ConfigError(f"{self.name} failed ({message}): fix it and run the same command again; earlier completions are kept")
