"""Training chat templates: they turn a conversation into the text that a model learns from, and keep its reasoning.

A template made for inference deletes the reasoning of earlier turns, because it is not fed back; as a training target it would teach
that there was none. So we define our own forms, and the tokenizer's template (`auto`) is used only after a test that it keeps all
reasoning. The forms are jinja, so that transformers and vLLM make exactly the training text with the checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from jinja2 import TemplateError

from dunwu.errors import ConfigError, DataError
from dunwu.models.bos import bos_text, start_with
from dunwu.models.chat_text import apply_chat, special_tokens
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.tasks.templates import TEMPLATES

Role = Literal["system", "user", "assistant"]
AUTO, PLAIN, BASE, OWN = "auto", "plain", "r1-zero", "own"
"""`auto` chooses by the tokenizer: its own chat template, or for a base model without one `r1-zero`. `own`: a layout of the user's."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``reasoning`` comes before ``content``; ``learned``: an assistant turn is a training target."""

    role: Role
    content: str
    reasoning: str = ""
    learned: bool = True


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rendered conversation; ``learned`` if it is a training target."""

    text: str
    learned: bool = False


@dataclass(frozen=True, slots=True)
class TrainingTemplate:
    """A template that `training_template` has tested.

    ``apply(messages, add_generation_prompt)`` renders, ``end`` is the token that ends an assistant's turn, ``reserved`` finds the tokens
    that no message may contain, ``start`` is the BOS text that our forms start with, ``note`` what `auto` stands for; ``own``:
    the tokenizer's chat template is kept, because it prompts in the same form. ``dress`` adds what a block of the user adds to a
    conversation, and ``prefill`` starts each answer and is not learned.
    """

    name: str
    jinja: str
    apply: Callable[[list[dict[str, str]], bool], str]
    end: str
    reserved: re.Pattern[str]
    start: str = ""
    note: str = ""
    own: bool = False
    dress: Callable[[Sequence[Message]], Sequence[Message]] = tuple
    prefill: str = ""

    def render(self, messages: Sequence[Message]) -> list[Segment]:
        """The conversation in pieces, the last one learned: text after the last end token teaches nothing and is omitted.

        A learned piece is what the model writes in its turn: from the end of the prompt for this turn through the end token.
        Raises ``DataError`` if a message contains a reserved token, or the template drops something or rewrites an earlier turn.
        """
        messages = self.dress(messages)
        self._check_reserved(messages)
        chat = [self._readable(message) for message in messages]
        segments: list[Segment] = []
        done, learned = "", -1
        for place, message in enumerate(messages):
            if message.role != "assistant" or not message.learned:
                continue
            prompt = self._apply(chat[:place], True)
            turn = _continuation(prompt, self._apply(chat[: place + 1], False)).rstrip()
            if not turn.startswith(self.prefill):
                raise DataError(f"an answer does not start with template.prefill = {self.prefill!r}; add it, or leave the prefill out")
            prompt, turn = prompt + self.prefill, turn.removeprefix(self.prefill)
            if not turn.endswith(self.end):
                raise DataError(f"the template does not end an assistant's turn with {self.end!r}")
            written = self.prefill + turn
            if message.reasoning not in written or message.content.strip() not in written:
                raise DataError("the template drops reasoning or other content of an assistant's turn")
            segments += [Segment(_continuation(done, prompt)), Segment(turn, learned=True)]
            done = prompt + turn
            learned = place
        _refuse_dropped(done, messages[: learned + 1])
        return segments

    def document(self, text: str) -> list[Segment]:
        """A plain text, learned as a whole with the end token, without the template. Raises ``DataError`` as `render`."""
        self._check_reserved([Message("assistant", text)])
        return [Segment(start_with(text, self.start) + self.end, learned=True)]

    def prompt(self, messages: Sequence[Message]) -> str:
        """The text after which the model writes its turn. Raises ``DataError`` if the template drops a turn."""
        messages = self.dress(messages)
        text = self._apply([self._readable(message) for message in messages], True)
        _refuse_dropped(text, messages)
        return text + self.prefill

    def adopt(self, tokenizer: Tokenizer, model: CausalLM) -> None:
        """Set the template and its end token in the tokenizer and the model, so that a saved checkpoint is prompted and stops with them."""
        if self.name != PLAIN and not self.own:
            tokenizer.chat_template = self.jinja
        tokenizer.eos_token = self.end
        known = model.generation_config.eos_token_id
        others = known if isinstance(known, list) else [] if known is None else [known]
        ends = list(dict.fromkeys([tokenizer.eos_token_id, *others]))
        model.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]
        model.config.eos_token_id = tokenizer.eos_token_id

    def _readable(self, message: Message) -> dict[str, str]:
        read = {"role": message.role, "content": message.content}
        if message.reasoning and self.name in (AUTO, OWN):
            # Other templates may have no key for reasoning.
            read["content"] = f"<think>\n{message.reasoning}\n</think>\n\n{message.content}"
        elif message.reasoning:
            read["reasoning_content"] = message.reasoning
        return read

    def _check_reserved(self, messages: Sequence[Message]) -> None:
        for message in messages:
            free = self.name == PLAIN and message.role != "assistant"  # plain prompts are text in a custom form
            if not free and (found := self.reserved.search(f"{message.reasoning}\n{message.content}")):
                raise DataError(f"the {message.role}'s text contains {found.group()!r}, which only the template may write; take it out")

    def _apply(self, chat: list[dict[str, str]], continued: bool) -> str:
        try:
            return start_with(self.apply(chat, continued).removeprefix(self.start), self.start)
        except TemplateError as error:
            raise DataError(f"the template refuses it ({' '.join(str(error).split())[:200]})") from error


def dropped_turn(text: str, messages: Sequence[Message]) -> Message | None:
    """The first turn whose reasoning or content is missing from ``text``, written by a template, after those of the earlier turns."""
    position = 0
    for message in messages:
        for part in (message.reasoning.strip(), message.content.strip()):
            found = text.find(part, position)
            if found < 0:
                return message
            position = found + len(part)
    return None


def _refuse_dropped(text: str, messages: Sequence[Message]) -> None:
    if (message := dropped_turn(text, messages)) is not None:
        raise DataError(f"the template drops or rewrites the {message.role}'s turn {' '.join(message.content.split())[:60]!r}")


def training_template(name: str, tokenizer: Tokenizer, layout: str | None = None, start: str = "") -> TrainingTemplate:
    """The template of this name for this tokenizer, tested on a conversation of two turns with reasoning. ``layout``: Jinja of the user,
    with the BOS text that it starts with.

    Raises ``ConfigError`` with the remedy if it is unknown, needs tokens that the tokenizer lacks, or (`auto`) loses reasoning.
    """
    if layout is None and name not in (*FORMATS, AUTO):
        raise ConfigError(f"unknown template {name!r}: choose from {', '.join([*FORMATS, AUTO])}")
    remedy = f"set template to one of {', '.join(FORMATS)}"
    jinja = layout or (form(name, tokenizer) if name in FORMATS else tokenizer.chat_template)
    if not isinstance(jinja, str):
        raise ConfigError(f"template = 'auto': the tokenizer has no chat template of its own; {remedy}")
    special = special_tokens(tokenizer)
    markers = set(_MARKER.findall(jinja))
    if name not in (AUTO, OWN):
        _check_tokens(name, markers, tokenizer, remedy)

    reserved = re.compile("|".join(map(re.escape, sorted(special | markers, key=len, reverse=True))))

    def apply(chat: list[dict[str, str]], continued: bool) -> str:
        return apply_chat(tokenizer, chat, continued, jinja)

    try:
        template = TrainingTemplate(name, jinja, apply, "", reserved, start or form_start(jinja, tokenizer))
        template = replace(template, end=_end_token(template.prompt(PROBE), special | markers))
        template.render(PROBE)
    except DataError as error:
        raise ConfigError(f"template = {name!r} cannot be learned from: {error}; {remedy}") from error
    return template


def fitting_template(name: str, tokenizer: Tokenizer) -> TrainingTemplate:
    """As `training_template`, but `auto` fits every tokenizer: its own chat template if that can be learned from, else the form of ours
    whose tokens it has, else `r1-zero`."""
    if name != AUTO:
        return training_template(name, tokenizer)
    try:
        return replace(training_template(AUTO, tokenizer), note=f"{AUTO}: the tokenizer's chat template")
    except ConfigError as error:
        return _form_instead(tokenizer, str(error).partition(": ")[2].partition(";")[0])


def _form_instead(tokenizer: Tokenizer, reason: str) -> TrainingTemplate:
    """The form of ours that is nearest to the tokenizer's own, which is kept if it prompts as the form does."""
    vocabulary = tokenizer.get_vocab()
    fits = (name for name in _ENDS if all(marker in vocabulary for marker in _MARKER.findall(FORMATS[name])))
    form_of_ours = training_template(next(fits, BASE), tokenizer)
    same = False
    if tokenizer.chat_template:
        with contextlib.suppress(TemplateError):
            asked = [{"role": "user", "content": PROBE[0].content}]
            same = apply_chat(tokenizer, asked, True).startswith(form_of_ours.prompt(PROBE[:1]))
    return replace(form_of_ours, own=same, note=f"{AUTO}: {form_of_ours.name}, because {reason}")


def form(name: str, tokenizer: Tokenizer) -> str:
    """The form of this name for this tokenizer, with the tokenizer's BOS text."""
    start = _literal(bos_text(tokenizer))
    return FORMATS[name] if FORMATS[name].startswith(start) else start + FORMATS[name]


def form_start(jinja: str, tokenizer: Tokenizer) -> str:
    """The BOS text that our templates start with, also those that training has stored in a tokenizer; empty for others."""
    return bos_text(tokenizer) if jinja in {form(name, tokenizer) for name in FORMATS} else ""


def form_end(name: str, tokenizer: Tokenizer) -> str | None:
    """The token that ends an assistant's turn in the form of this name; ``None`` if it is the tokenizer's end token.

    Raises ``ConfigError`` for a form that needs tokens that the tokenizer lacks.
    """
    _check_tokens(name, set(_MARKER.findall(FORMATS[name])), tokenizer, f"choose another template, such as {PLAIN!r}")
    return _ENDS.get(name)


def _continuation(before: str, text: str) -> str:
    if not text.startswith(before):
        raise DataError("the template writes a turn differently once another follows, as one that deletes reasoning does")
    return text[len(before) :]


def _end_token(text: str, tokens: set[str]) -> str:
    """The token right after the last assistant turn of the rendered `PROBE`."""
    after = text.rpartition(PROBE[-1].content)[2].lstrip()
    found = [token for token in tokens if after.startswith(token)]
    if not found:
        raise DataError("the template does not end an assistant's turn with a special token, so a model would not learn to stop")
    return max(found, key=len)


def _check_tokens(name: str, markers: set[str], tokenizer: Tokenizer, remedy: str) -> None:
    vocabulary = tokenizer.get_vocab()
    if missing := sorted(marker for marker in markers if marker not in vocabulary):
        raise ConfigError(f"template = {name!r} needs the token {missing[0]!r}, which the tokenizer lacks; {remedy}")
    if tokenizer.eos_token is None:
        raise ConfigError(f"template = {name!r} needs an end-of-sequence token, which the tokenizer lacks; choose a tokenizer that has one")


PROBE = (
    Message("user", "How many legs have two cats?"),
    Message("assistant", "They have 8.", reasoning="Four each, and two of them."),
    Message("user", "And three birds?"),
    Message("assistant", "They have 6.", reasoning="Two each, and three of them."),
)
"""The test of each template: two turns, each with its reasoning."""

_MARKER = re.compile(r"<[|｜][^|｜<>']+[|｜]>")


_SENTENCE_ENDS = ".!?:;。！？：；"
_CONTENT = "{{ message['content'] }}"
_UNLESS_ENDED = f"{{% if message['content'][-1:] not in {json.dumps(_SENTENCE_ENDS, ensure_ascii=False)} %}}.{{% endif %}}"
_LINES = ("<think>\n", "\n</think>\n\n")

Around = tuple[str, str]


def _literal(text: str) -> str:
    """``text`` as an expression: jinja swallows line ends after its tags."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""


def _form(
    system: Around,
    user: Around,
    assistant: Around,
    reasoning: Around = _LINES,
    start: str = "",
    end: str = "",
    ends_sentence: bool = False,
    gap: str = "",
) -> str:
    """A template from the texts before and after a turn of each role; ``end`` (none: the tokenizer's) comes right after the assistant's,
    and ``gap`` before what it says, which a prompt does not have. ``ends_sentence`` as in `dunwu.tasks.templates`."""
    reasoned = "{{ message['reasoning_content'] }}".join(map(_literal, reasoning))
    turns = {
        "system": f"{_literal(system[0])}{_CONTENT}{_literal(system[1])}",
        "user": f"{_literal(user[0])}{_CONTENT}{_UNLESS_ENDED if ends_sentence else ''}{_literal(user[1])}",
        "assistant": f"{_literal(assistant[0] + gap)}{{% if message['reasoning_content'] %}}{reasoned}{{% endif %}}{_CONTENT}"
        f"{_literal(end) or '{{ eos_token }}'}{_literal(assistant[1])}",
    }
    body = "".join(f"{{% if message['role'] == '{role}' %}}{turn}{{% endif %}}" for role, turn in turns.items())
    continued = f"{{% if add_generation_prompt %}}{_literal(assistant[0])}{{% endif %}}"
    return f"{_literal(start)}{{% for message in messages %}}{body}{{% endfor %}}{continued}"


def text_form(before: str, after: str, start: str) -> str:
    """The template of texts around a question, as prompts of base models have them; turns are separated by an empty line."""
    gap = "" if not after or after[-1].isspace() else " "
    return _form(("", "\n\n"), (before, ""), (after, "\n\n"), start=start, gap=gap)


def _chatml(role: str) -> str:
    return f"<|im_start|>{role}\n"


def _llama(role: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"


_R1_ZERO = TEMPLATES["r1-zero"]
_ENDS = {"chatml": "<|im_end|>", "llama3": "<|eot_id|>", "deepseek": "<｜end▁of▁sentence｜>"}

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        PLAIN: _form(("", ""), ("", ""), ("", "")),
        "tiny": _form(("", "\n"), ("User: ", "\n"), ("Assistant:", "\n"), ("<think>", "</think>")),
        "r1-zero": _form(
            ("", " "),
            ("User: ", ""),
            (_R1_ZERO.after, " "),
            ("<think> ", " </think> "),
            start=_R1_ZERO.before.removesuffix("User: "),
            ends_sentence=_R1_ZERO.ends_sentence,
        ),
        "chatml": _form(
            (_chatml("system"), "<|im_end|>\n"),
            (_chatml("user"), "<|im_end|>\n"),
            (_chatml("assistant"), "\n"),
            end=_ENDS["chatml"],
        ),
        "llama3": _form(
            (_llama("system"), "<|eot_id|>"),
            (_llama("user"), "<|eot_id|>"),
            (_llama("assistant"), ""),
            start="<|begin_of_text|>",
            end=_ENDS["llama3"],
        ),
        "deepseek": _form(("", ""), ("<｜User｜>", ""), ("<｜Assistant｜>", ""), start="<｜begin▁of▁sentence｜>", end=_ENDS["deepseek"]),
    }
)
"""Our forms by name: `tiny` and `r1-zero` extend the prompts of reinforcement learning, `chatml` is Qwen's form, `deepseek` that of
DeepSeek-V3 and R1, and `plain` adds nothing but the end token."""
