"""Templates of the user's own (`TemplateConfig`): their layout as Jinja, and the turns that they add to a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dunwu.config.template import ASKS, Shot, Template, TemplateConfig
from dunwu.errors import ConfigError, DataError
from dunwu.models.bos import bos_text
from dunwu.models.chat import OWN, PROBE, Message, TrainingTemplate, fitting_template, text_form, training_template
from dunwu.models.chat_text import check_jinja
from dunwu.models.protocols import Tokenizer


@dataclass(frozen=True, slots=True)
class Layout:
    """Jinja that lays out a conversation, and the BOS text that it starts with."""

    jinja: str
    start: str = ""


def layout_of(block: TemplateConfig, tokenizer: Tokenizer, variables: Sequence[str] = ()) -> Layout | None:
    """The layout of the user's Jinja, which may use ``variables``, or texts; ``None`` for a block with a `base`."""
    if block.jinja:
        check_jinja(block.jinja, variables)
        return Layout(block.jinja)
    start = bos_text(tokenizer)
    return Layout(text_form(block.before, block.after, start), start) if block.own else None


def opening(block: TemplateConfig, examples: Sequence[Shot], has_system: bool) -> list[Message]:
    """The turns before a conversation: the system prompt, unless it has one, and the examples, which are not learned."""
    system = [Message("system", block.system_text)] if block.system and not has_system else []
    turns = (turn for each in examples for turn in (Message("user", each.question), Message("assistant", each.answer, learned=False)))
    return [*system, *turns]


def learnable(template: Template, tokenizer: Tokenizer, examples: Sequence[Shot] = ()) -> TrainingTemplate:
    """As `fitting_template`, also for a block with its ``examples``. Raises ``ConfigError`` for one that cannot be learned from."""
    if not isinstance(template, TemplateConfig):
        return fitting_template(template, tokenizer)
    if template.suffix == ASKS:
        raise ConfigError(f"template.suffix = {ASKS}: rows to learn have answers in a form of their own; write the text, or leave it out")
    layout = layout_of(template, tokenizer)
    found = fitting_template(template.base, tokenizer) if layout is None else training_template(OWN, tokenizer, layout.jinja, layout.start)

    def dress(messages: Sequence[Message]) -> list[Message]:
        has_system = messages[0].role == "system"
        asked = [_with_suffix(messages, place, template.suffix) for place in range(len(messages))]
        return [*asked[:has_system], *opening(template, examples, has_system), *asked[has_system:]]

    dressed = replace(found, dress=dress)
    try:
        dressed.render(PROBE)
    except DataError as error:
        raise ConfigError(f"template cannot be learned from: {error}") from error
    return replace(dressed, prefill=template.prefill)


def with_suffix(text: str, suffix: str) -> str:
    """A question with the suffix on a line of its own."""
    return f"{text}\n{suffix}" if suffix else text


def _with_suffix(messages: Sequence[Message], place: int, suffix: str) -> Message:
    """A turn, with the suffix if it is a question whose answer is learned or still to come."""
    message = messages[place]
    answered = place + 1 < len(messages) and not messages[place + 1].learned
    return message if message.role != "user" or answered else replace(message, content=with_suffix(message.content, suffix))
