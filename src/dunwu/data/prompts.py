"""Prompts: problems rendered in a template and tokenised, and the sampling parameters of their completions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from jinja2 import TemplateError

from dunwu.config.blocks import SamplingConfig
from dunwu.config.template import ASKS, Shot, Template, TemplateConfig
from dunwu.data.few_shot import examples
from dunwu.errors import ConfigError, DataError, ModelError
from dunwu.models.bos import bos_text, start_with
from dunwu.models.chat import AUTO, BASE, FORMATS, OWN, PLAIN, Message, dropped_turn, form, form_end, form_start, training_template
from dunwu.models.chat_text import apply_chat, chat_end, writes_date
from dunwu.models.own_template import layout_of, opening, with_suffix
from dunwu.models.plain_text import encode_masked, mask, maskable_tokens, unmask
from dunwu.models.protocols import Tokenizer
from dunwu.rollout.base import Engine
from dunwu.run.date import run_date
from dunwu.tasks.templates import CHAT, TEMPLATES, render
from dunwu.text.answer_forms import form_in, form_of
from dunwu.text.surrogates import refuse_surrogates
from dunwu.types import Problem, Prompt, SamplingParams
from dunwu.verifiers.verify import WHOLE_TEXTS

NAMES = (*TEMPLATES, *(name for name in FORMATS if name not in TEMPLATES), CHAT, AUTO)
"""Prompt templates, the training templates (`dunwu.models.chat`) included; ``auto`` is ``chat``, the tokenizer's own, if it has one."""
MOST_TRIES = 10_000
"""At most this many problems of a generated task are tried until a prompt fits."""


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A template for one tokenizer. ``start``: the text with which the tokenizer starts every sequence; ``jinja``: the chat template
    (``None``: the tokenizer's own); ``end``: the token that ends an answer, if only the template defines it; ``block``: what the user adds
    (or ``None``), with its ``examples``."""

    name: str
    tokenizer: Tokenizer
    start: str
    jinja: str | None = None
    end: str | None = None
    block: TemplateConfig | None = None
    examples: tuple[Shot, ...] = ()
    _masked: tuple[str, ...] = field(init=False, repr=False)
    """Special tokens that stay text in problems: in all templates but ``plain``, where a prompt may be in a form of its own."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_masked", () if self.name == PLAIN else maskable_tokens(self.tokenizer))

    @property
    def takes_turns(self) -> bool:
        """True if it renders conversations, not only a question."""
        return self.name not in TEMPLATES

    def prompt(self, problem: Problem, chat: Sequence[Mapping[str, str]] = ()) -> Prompt:
        """The prompt of ``problem``, or of the conversation ``chat`` about it, which a text template cannot render.

        Raises ``DataError`` if a template refuses it, or drops or rewrites a user's or system's turn.
        """
        tokens = self._masked
        if not self.takes_turns:
            assert not chat, "a text template cannot render a conversation"
            if problem.turns:
                raise DataError(
                    f"problem {problem.id}: the template {self.name} takes one question, not {len(problem.turns)} turns: set template=auto,"
                    " or name one turn, such as problem_column=prompt.1.content"
                )
            text, prefill = render(replace(problem, text=mask(problem.text, tokens)), self.name)
        else:
            asked = dressed(chat or problem.turns or [{"role": "user", "content": problem.text}], problem, self.block, self.examples)
            turns = [{**turn, "content": mask(turn["content"], tokens)} for turn in asked]
            more = {"problem": turns[-1]["content"]} if self.block and self.block.jinja else {}
            try:
                text, prefill = render(problem, CHAT, lambda _: apply_chat(self.tokenizer, turns, True, self.jinja, **more))
            except TemplateError as error:
                refusal = " ".join(str(error).split())[:200]
                raise DataError(f"problem {problem.id}: the chat template refuses it ({refusal}); choose another template") from error
            # A template may drop the assistant's earlier reasoning, which is not fed back.
            others = [Message("user", turn["content"]) for turn in turns if turn["role"] != "assistant"]
            if lost := dropped_turn(text, others):
                shown = " ".join(unmask(lost.content, tokens).split())[:60]
                raise DataError(f"problem {problem.id}: the chat template drops or rewrites {shown!r}; choose another template")
        text = start_with(text.removeprefix(self.start), self.start) if self.name not in (CHAT, AUTO) else text
        given = self.block.prefill if self.block else ""
        ids = encode_masked(self.tokenizer, text + given, self.start, tokens)
        return Prompt(problem, unmask(text, tokens) + given, ids, prefill + given)


def dressed(
    turns: Sequence[Mapping[str, str]], problem: Problem, block: TemplateConfig | None, shots: Sequence[Shot]
) -> Sequence[Mapping[str, str]]:
    """The turns with those that the user's block adds, and its suffix after the last."""
    if block is None:
        return turns
    has_system = turns[0]["role"] == "system"
    others = [each for each in shots if each.question.strip() != problem.text.strip()]
    added = [{"role": each.role, "content": each.content} for each in opening(block, others, has_system)]
    suffix = request_for_form(problem) if block.suffix == ASKS else block.suffix
    last = {**turns[-1], "content": with_suffix(turns[-1]["content"], suffix)}
    return [*turns[:has_system], *added, *turns[has_system:-1], last]


def asked_turns(problem: Problem, template: Template) -> Sequence[Mapping[str, str]]:
    """The turns that ask a model elsewhere, whose own chat template lays them out.

    Raises ``ConfigError`` for a template with a layout, which cannot be sent.
    """
    block = template if isinstance(template, TemplateConfig) else None
    if (block is None and template not in (AUTO, CHAT)) or (block is not None and (block.own or block.base not in (AUTO, CHAT))):
        raise ConfigError("an endpoint lays out its prompts itself: leave the template out, or set only its system, few_shot or suffix")
    if block is not None and block.prefill:
        raise ConfigError("an endpoint takes no start of an answer: leave template.prefill out")
    turns = problem.turns or [{"role": "user", "content": problem.text}]
    return dressed(turns, problem, block, () if block is None else examples(block))


def chat_prompt(chat: Sequence[Message], template: Template, tokenizer: Tokenizer, about: Problem | None = None) -> Prompt:
    """The prompt of a conversation, whose last turn is the user's; for several turns a text template has its form for training.

    ``about``: the problem whose answer a block of the user asks for; without it, no form of an answer is asked for.
    """
    problem = about or Problem(chat[-1].content[:60], "", chat[-1].content, "none")
    if not isinstance(template, str) or len(chat) == 1 or template not in TEMPLATES:
        written = prompt_template(template, tokenizer)
        turns = [{"role": turn.role, "content": turn.content} for turn in chat]
        return written.prompt(problem, turns if written.takes_turns else ())
    base, prefill, tokens = template.removesuffix("-prefilled"), TEMPLATES[template].prefill, maskable_tokens(tokenizer)
    extended = training_template(base, tokenizer)
    gap = TEMPLATES[template].after.removeprefix(TEMPLATES[base].after)
    text = extended.prompt([replace(turn, content=mask(turn.content, tokens)) for turn in chat]) + gap + prefill
    return Prompt(problem, unmask(text, tokens), encode_masked(tokenizer, text, extended.start, tokens), prefill)


def request_for_form(problem: Problem) -> str:
    """Asks for the answer in its form; empty if the problem does so, or has no such answer."""
    asked = problem.verifier in WHOLE_TEXTS or form_in(problem.text) is not None
    return "" if asked else form_of(problem).asks.get(problem.language, "")


def prompt_template(template: Template, tokenizer: Tokenizer) -> PromptTemplate:
    """The template for this tokenizer. Raises ``ConfigError`` if it is unknown or does not fit this tokenizer."""
    if isinstance(template, TemplateConfig):
        return _of_block(template, tokenizer)
    name = BASE if template == AUTO and not tokenizer.chat_template else template
    if name not in NAMES:
        raise ConfigError(f"unknown template {name!r}: choose from {', '.join(NAMES)}")
    start = bos_text(tokenizer)
    if name in TEMPLATES:
        return PromptTemplate(name, tokenizer, start)
    if name in FORMATS:
        return PromptTemplate(name, tokenizer, start, form(name, tokenizer), form_end(name, tokenizer))
    if not tokenizer.chat_template:
        raise ConfigError(f"template {name!r}: the tokenizer has no chat template: choose 'r1-zero', or another model")
    return PromptTemplate(name, tokenizer, form_start(str(tokenizer.chat_template), tokenizer))


def _of_block(block: TemplateConfig, tokenizer: Tokenizer) -> PromptTemplate:
    added = partial(replace, block=block, examples=examples(block))
    if (layout := layout_of(block, tokenizer, ("problem",))) is not None:
        end = chat_end(tokenizer, layout.jinja) if block.jinja else None
        return added(PromptTemplate(OWN, tokenizer, layout.start, layout.jinja, end))
    base = BASE if block.base == AUTO and not tokenizer.chat_template else block.base
    if base not in TEMPLATES:
        return added(prompt_template(base, tokenizer))
    # A text template takes no turns, and its form for training does.
    return added(PromptTemplate(f"{base} with turns", tokenizer, bos_text(tokenizer), form(base, tokenizer), form_end(base, tokenizer)))


def template_in_words(template: Template, tokenizer: Tokenizer) -> str:
    """A template's name and what ``auto`` stands for, and what a block adds."""
    if isinstance(template, TemplateConfig):
        return ", ".join([template.layout if template.own else template_in_words(template.base, tokenizer), *template.added()])
    found = "the tokenizer's chat template" if tokenizer.chat_template else f"{BASE}, because the tokenizer has no chat template"
    return f"{AUTO}: {found}" if template == AUTO else template


def make_prompts(problems: Sequence[Problem], template: Template, tokenizer: Tokenizer, max_prompt_tokens: int) -> list[Prompt]:
    """Render and encode. Raises ``DataError`` for a prompt that is too long, which would be another problem if it were cut."""
    prompts = encode_prompts(problems, template, tokenizer)
    for prompt in prompts:
        if len(prompt.token_ids) > max_prompt_tokens:
            raise DataError(
                f"the prompt of {prompt.problem.id} has {len(prompt.token_ids)} tokens, over max_prompt_tokens={max_prompt_tokens}:"
                " raise it or drop it"
            )
    return prompts


def encode_prompts(problems: Sequence[Problem], template: Template, tokenizer: Tokenizer) -> list[Prompt]:
    """Render and encode, without a limit of length."""
    written = prompt_template(template, tokenizer)
    prompts = []
    for problem in problems:
        refuse_surrogates(problem.text, f"problem {problem.id}")
        prompts.append(written.prompt(problem))
    return prompts


@dataclass(frozen=True, slots=True)
class PromptLimit:
    """How prompts are made, and the largest number of tokens allowed."""

    template: Template
    tokenizer: Tokenizer
    tokens: int

    def prompts(self, problems: Sequence[Problem]) -> list[Prompt]:
        """The prompts of ``problems``, without a limit of length."""
        return encode_prompts(problems, self.template, self.tokenizer)


def fitting(draw: Callable[[int], Problem], stream: int, limit: PromptLimit) -> tuple[Prompt, int]:
    """The first prompt that fits, of ``draw(stream)`` or of further streams, and the number of prompts that were too long.

    Depends on its arguments only. Raises ``DataError`` if none of `MOST_TRIES` fits.
    """
    for tries in range(MOST_TRIES):
        other = stream if tries == 0 else int(np.random.SeedSequence([stream, tries]).generate_state(1, np.uint64)[0])
        (prompt,) = limit.prompts([draw(other)])
        if len(prompt.token_ids) <= limit.tokens:
            return prompt, tries
    raise DataError(
        f"{MOST_TRIES} problems in a row have prompts over max_prompt_tokens = {limit.tokens}, the last with"
        f" {len(prompt.token_ids)} tokens: raise it, then resume"
    )


def written_date(template: Template, tokenizer: Tokenizer) -> str | None:
    """The date (ISO) in prompts of ``template``; ``None`` if they have none."""
    if isinstance(template, TemplateConfig):
        jinja = template.jinja or ("" if template.own or template.base != AUTO else tokenizer.chat_template)
    else:
        jinja = tokenizer.chat_template if template in (CHAT, AUTO) else ""
    return run_date() if writes_date(jinja) else None


def sampling_params(sampling: SamplingConfig, template: Template, tokenizer: Tokenizer, engine: Engine) -> SamplingParams:
    """The sampling parameters of prompts in ``template``; completions end at the model's stop tokens or the template's.

    Raises ``ModelError`` if there is none: no completion would ever end.
    """
    end = prompt_template(template, tokenizer).end
    ends = dict.fromkeys((*engine.stop_token_ids, *([] if end is None else [int(tokenizer.convert_tokens_to_ids(end))])))
    if not ends:
        raise ModelError("the model has no token that ends a completion: name one of its tokens as eos_token in tokenizer_config.json")
    return SamplingParams(**sampling.model_dump(), stop_token_ids=tuple(ends))
