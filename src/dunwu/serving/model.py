"""A model as the server sees it: its names, its tokenizer and template. Its weights are in the engine process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer as TokenizerOfTokens
from tokenizers.decoders import DecodeStream

from dunwu.config.blocks import SamplingConfig
from dunwu.config.template import Template
from dunwu.data.prompts import chat_prompt, prompt_template
from dunwu.errors import DataError
from dunwu.models.chat import Message
from dunwu.models.protocols import Tokenizer
from dunwu.serving.errors import bad_request

REASONER = "deepseek-reasoner"
"""Another name of the first model."""
_THINK = "<think>"
_TAGGED = ("tiny", "r1-zero", "r1-zero-prefilled")
"""Templates of models that were trained to think in tags."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt: its tokens, and whether it ends with an open ``<think>``."""

    token_ids: tuple[int, ...]
    opened: bool


@dataclass(frozen=True)
class ServedModel:
    """``sampling`` has the defaults of requests that do not say how to sample."""

    name: str
    tokenizer: Tokenizer
    template: Template
    sampling: SamplingConfig
    silent_ids: frozenset[int] = field(init=False)
    """Tokens that are not text."""
    decoding: Any = field(init=False, repr=False)
    """A second tokenizer for the event loop, while a thread encodes with the first."""

    def __post_init__(self) -> None:
        ids = {self.tokenizer.pad_token_id, self.tokenizer.eos_token_id}
        object.__setattr__(self, "silent_ids", frozenset(each for each in ids if each is not None))
        object.__setattr__(self, "decoding", TokenizerOfTokens.from_str(self.tokenizer.backend_tokenizer.to_str()))

    @property
    def thinks(self) -> bool:
        """True if its template or tokenizer has think tags: if not, `thinking` has nothing to switch."""
        known = isinstance(self.template, str) and self.template in _TAGGED
        return known or _THINK in str(self.tokenizer.chat_template) or _THINK in self.tokenizer.get_vocab()

    @property
    def end(self) -> int | None:
        """The token that ends an answer, if only the template defines it."""
        end = prompt_template(self.template, self.tokenizer).end
        return None if end is None else int(self.tokenizer.convert_tokens_to_ids(end))

    def prompt(self, messages: Sequence[Message], thinking: bool = True) -> Asked:
        """The prompt of a conversation whose last turn is the user's; without ``thinking`` the chain of thought is closed at once.

        Raises `ApiError` 400 if the template refuses it.
        """
        try:
            prompt = chat_prompt(messages, self.template, self.tokenizer)
        except DataError as error:
            reason = str(error).partition(": ")[2].partition(";")[0]
            raise bad_request(f"The model's chat template refuses the conversation: {reason}.", "messages") from error
        opened = _THINK in prompt.prefill
        if thinking or not self.thinks:
            return Asked(prompt.token_ids, opened)
        closing = "\n</think>\n\n" if opened else "<think></think>" if self.template == "tiny" else "<think>\n\n</think>\n\n"
        return Asked((*prompt.token_ids, *self.tokenizer.encode(closing, add_special_tokens=False)), False)

    def text_prompt(self, text: str) -> tuple[int, ...]:
        """The tokens of a text, as the tokenizer starts every sequence."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=True))

    def reader(self) -> TokenReader:
        """Turns the tokens of one completion into text."""
        return TokenReader(self)


class TokenReader:
    """Text of a completion, token by token: a token that ends within a character waits for the rest of it."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._stream = DecodeStream(skip_special_tokens=False)

    def read(self, token_id: int) -> str:
        """The text that this token adds."""
        if token_id in self._model.silent_ids:
            return ""
        return self._stream.step(self._model.decoding, token_id) or ""

    def piece(self, token_id: int) -> str:
        """The token by itself, as log-probabilities show it."""
        return str(self._model.decoding.decode([token_id], skip_special_tokens=False))
