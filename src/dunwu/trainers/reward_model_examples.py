"""What a reward model reads, and in which order: conversations and answers as rows of tokens, within the scope of its criterion.

The scope is a type (`dunwu.rewards.scope`): a helpfulness model is handed `Visible`, in which there is no chain of thought, and a safety
model `Whole`. Training and scoring narrow by the same function, so neither can show the model what the other hides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from types import MappingProxyType

from jinja2 import TemplateError

from dunwu.config.reward_model import Criterion, RewardModelConfig
from dunwu.data.builders.length_balance import draw_couples, make_strata, never_drawn
from dunwu.data.io.preferences import Conversation, LabelledAnswer, Pair
from dunwu.errors import DataError
from dunwu.models.bos import bos_text
from dunwu.models.chat import dropped_turn
from dunwu.models.chat_text import apply_chat
from dunwu.models.plain_text import encode_masked, mask, maskable_tokens
from dunwu.models.protocols import Tokenizer
from dunwu.rewards.scope import Visible, Whole, look_at, narrow

Judged = Visible | Whole
SCOPES: Mapping[Criterion, type[Visible] | type[Whole]] = MappingProxyType({"helpfulness": Visible, "safety": Whole})
"""What each criterion sees (DeepSeek-R1, arXiv 2501.12948, section 2.3.4)."""

_OPEN_THINK = re.compile(r"<think>\s*\Z")
SAME, TOO_LONG = "the two answers read the same", "longer than max_tokens"


@dataclass(frozen=True, slots=True)
class Example:
    """A pair (rows: chosen, rejected; ``sign`` 1) or one answer (``sign`` 1 for safe, -1 for unsafe).

    ``lengths`` are the answers' tokens, those of the prompt and of the end not counted; ``item`` is where it came from.
    """

    rows: tuple[tuple[int, ...], ...]
    lengths: tuple[int, ...]
    sign: int
    margin: float
    item: Pair | LabelledAnswer

    @property
    def side(self) -> int:
        """1 or -1 by what the length must not give away: which answer of a pair is longer, or the label; 0 for equal lengths."""
        difference = self.lengths[0] - self.lengths[-1]
        return self.sign if len(self.rows) == 1 else (difference > 0) - (difference < 0)

    @property
    def size(self) -> int:
        """Tokens by which a pair differs, or of the one answer."""
        return self.lengths[0] if len(self.rows) == 1 else abs(self.lengths[0] - self.lengths[1])


def seen_by(criterion: Criterion, text: str) -> Judged:
    """What a model of ``criterion`` may see of an answer."""
    whole = look_at(text)
    return narrow(whole, Visible) if SCOPES[criterion] is Visible else whole


class Reader:
    """Turns a conversation and the scope of an answer into token ids.

    The conversation is written by the tokenizer's chat template, where there is none as ``User:`` and ``Assistant:`` turns. The answer is
    encoded by itself, as an engine makes it. Special tokens in either stay text: neither can end itself or forge a turn. The end token
    closes the row, unless it is the padding too: then transformers would skip it when it looks for the last token.
    """

    def __init__(self, tokenizer: Tokenizer, padding: int | None) -> None:
        self._tokenizer = tokenizer
        self._special = maskable_tokens(tokenizer)
        self._start = "" if tokenizer.chat_template else bos_text(tokenizer)
        end = tokenizer.eos_token_id
        self.end = () if end is None or end == padding else (end,)

    def __call__(self, prompt: Conversation, answer: Judged) -> tuple[int, ...]:
        """The whole row."""
        return (*self.prompt(prompt), *self.answer(answer), *self.end)

    def prompt(self, prompt: Conversation) -> tuple[int, ...]:
        """Ids of the conversation up to where the answer begins. Raises ``DataError`` for one that the template refuses."""
        turns = tuple(replace(turn, content=mask(turn.content, self._special)) for turn in prompt)
        return encode_masked(self._tokenizer, self._written(turns), self._start, self._special)

    def answer(self, answer: Judged) -> tuple[int, ...]:
        """Ids of the answer alone; outer white space and an end token that an engine kept are no part of it."""
        text = answer.text.strip().removesuffix(self._tokenizer.eos_token or "").strip()
        return tuple(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"])

    def _written(self, prompt: Conversation) -> str:
        if not self._tokenizer.chat_template:
            return self._start + "".join(f"{turn.role.capitalize()}: {turn.content}\n" for turn in prompt) + "Assistant:"
        messages = [{"role": turn.role, "content": turn.content} for turn in prompt]
        try:
            text = apply_chat(self._tokenizer, messages, continued=True)
        except TemplateError as error:
            raise DataError(f"the chat template refuses the conversation {prompt[0].content[:60]!r}: {error}; fix or remove it") from error
        if (lost := dropped_turn(text, prompt)) is not None:
            raise DataError(f"the chat template drops or rewrites the {lost.role}'s turn {lost.content[:60]!r}; move or remove it")
        # A template that opens the reasoning starts the completion, of which the scope decides what may be seen.
        return _OPEN_THINK.sub("", text)


def make_examples(
    items: Sequence[Pair] | Sequence[LabelledAnswer], criterion: Criterion, reader: Reader, max_tokens: int
) -> tuple[list[Example], Counter[str]]:
    """Examples in the items' order, and how many were dropped for which reason."""
    examples, left_out = [], Counter[str]()
    for item in items:
        example = _example(item, criterion, reader)
        if len(example.rows) == 2 and example.rows[0] == example.rows[1]:
            left_out[SAME] += 1
        elif max(map(len, example.rows)) > max_tokens:
            left_out[TOO_LONG] += 1
        else:
            examples.append(example)
    return examples, left_out


def _example(item: Pair | LabelledAnswer, criterion: Criterion, reader: Reader) -> Example:
    texts = (item.chosen, item.rejected) if isinstance(item, Pair) else (item.completion,)
    prompt, answers = reader.prompt(item.prompt), [reader.answer(seen_by(criterion, text)) for text in texts]
    rows = tuple((*prompt, *answer, *reader.end) for answer in answers)
    sign = 1 if isinstance(item, Pair) or item.safe else -1
    return Example(rows, tuple(map(len, answers)), sign, item.margin if isinstance(item, Pair) else 0.0, item)


class Batches:
    """``batches(step)``: places of the examples of a step, counted from 1; ``steps`` of them are ``epochs`` passes.

    A function of the seed and the step, so a resumed run needs no state of it. Balanced, a batch is couples, so it holds as many of either
    side. An epoch that ends within a batch is followed by the next one's order.
    ``unused`` counts the examples that balancing never draws.
    """

    def __init__(self, examples: Sequence[Example], config: RewardModelConfig) -> None:
        self._seed, self._count = config.seed, len(examples)
        self._strata = None
        self._in_epoch, self._in_batch, self.unused = self._count, config.batch_size, 0
        if config.balance_lengths:
            self._strata = make_strata([each.side for each in examples], [each.size for each in examples], config.most_repeats)
            self._in_epoch, self._in_batch = sum(stratum.couples for stratum in self._strata), config.batch_size // 2
            self.unused = never_drawn(self._strata)
        if not self._in_epoch:
            raise DataError(
                f"lengths cannot be balanced: one side is always the longer (or there is one label only) in {self._count} training rows; "
                "add others, or set balance_lengths=false"
            )
        self.steps = max(1, config.epochs * self._in_epoch // self._in_batch)
        self._epoch = lru_cache(maxsize=2)(self._draw)

    def __call__(self, step: int) -> list[int]:
        places: list[int] = []
        for index in range((step - 1) * self._in_batch, step * self._in_batch):
            epoch, offset = divmod(index, self._in_epoch)
            places += self._epoch(epoch)[offset]
        return places

    def _draw(self, epoch: int) -> list[tuple[int, ...]]:
        rng = Random(f"{self._seed}-{epoch}-preferences")
        if self._strata is not None:
            return [*draw_couples(self._strata, rng)]
        return [(place,) for place in rng.sample(range(self._count), self._count)]
