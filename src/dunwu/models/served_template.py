"""The chat template of a released model, which asks as it was trained: with the system prompt, examples, suffix and prefill of its run.

Chat templates are all that other engines know of a prompt, so what a block of ours (`TemplateConfig`) adds is written into the Jinja.
"""

from __future__ import annotations

import json
from typing import Any

from dunwu.config.template import ASKS, Shot, Template, TemplateConfig, block_of
from dunwu.models.chat import AUTO, BASE, form
from dunwu.models.own_template import layout_of, opening, with_suffix
from dunwu.models.protocols import Tokenizer


def block_for(template: Any) -> TemplateConfig:
    """The block that a template stands for, as a configuration has it. Raises pydantic's ``ValidationError`` (a ``ValueError``)."""
    if isinstance(template, TemplateConfig):
        return template
    return TemplateConfig.model_validate_json(json.dumps(block_of(template) if isinstance(template, str) else template))


def served_template(template: Template, tokenizer: Tokenizer) -> str:
    """Jinja that renders a conversation as prompts in ``template`` are, for a tokenizer that has none of it yet.

    The suffix ends each turn of the user's: what was asked stays the same when another turn follows. One that asks for the answer in a form
    (`ASKS`) depends on the problem, so it is not included. The examples must be in the block.
    Raises ``ConfigError`` for a template that does not fit the tokenizer.
    """
    block = block_for(template)
    shots = tuple(each for each in block.few_shot if isinstance(each, Shot))
    before = [*_suffix("" if block.suffix == ASKS else block.suffix), *_opening(block, shots)]
    if block.jinja and "problem" in block.jinja:
        before.append("{% set problem = messages[-1]['content'] %}")
    # The line end is swallowed after a block, and what follows is at the start of a line, where the template was written to be.
    start = "".join(before) + "\n" if before else ""
    layout = _layout(block, tokenizer)
    if not block.prefill:
        return start + layout
    return f"{start}{layout.removesuffix(chr(10))}{{% if add_generation_prompt %}}{{{{ {_quoted(block.prefill)} }}}}{{% endif %}}"


def _layout(block: TemplateConfig, tokenizer: Tokenizer) -> str:
    if (layout := layout_of(block, tokenizer, ("problem",))) is not None:
        return layout.jinja
    own = tokenizer.chat_template if block.base == AUTO else None
    return str(own) if own else form(BASE if block.base == AUTO else block.base, tokenizer)


def _opening(block: TemplateConfig, shots: tuple[Shot, ...]) -> list[str]:
    """Statements that put the system prompt, unless there is one, and the examples before a conversation."""
    system, turns = (
        [{"role": each.role, "content": each.content} for each in added]
        for added in (opening(block, (), False), opening(block, shots, True))
    )
    if not system and not turns:
        return []
    return [
        "{% set has_system = messages and messages[0]['role'] == 'system' %}",
        f"{{% set messages = (messages[:1] if has_system else {_quoted(system)}) + {_quoted(turns)}"
        " + (messages[1:] if has_system else messages) %}",
    ]


def _suffix(suffix: str) -> list[str]:
    """Statements that put the suffix on a line of its own after each question, unless it ends with it."""
    if not suffix:
        return []
    asks = "message['role'] == 'user' and message['content'] is string"
    added = _quoted(with_suffix("", suffix))
    return [
        "{% set asked = namespace(turns=[]) %}{% for message in messages %}"
        f"{{% if {asks} and not message['content'].endswith({_quoted(suffix)}) %}}"
        f"{{% set asked.turns = asked.turns + [{{'role': 'user', 'content': message['content'] + {added}}}] %}}"
        "{% else %}{% set asked.turns = asked.turns + [message] %}{% endif %}{% endfor %}{% set messages = asked.turns %}"
    ]


def _quoted(value: Any) -> str:
    """A value as a Jinja expression."""
    return json.dumps(value, ensure_ascii=False)
