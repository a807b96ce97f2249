"""A released chat template asks as the run did: the same text, in transformers, for every template and block."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from dunwu.config.template import PromptName, Shot, TemplateConfig
from dunwu.data.prompts import prompt_template
from dunwu.models.chat import Message, fitting_template
from dunwu.models.own_template import learnable
from dunwu.models.served_template import block_for, served_template
from dunwu.types import Problem
from tests.models.smol_like import SMOL, smol_tokenizer
from tests.models.tokenizers_of_kinds import byte_level, llama_like

ASK = "Say 3, {{ x }} 'and' \"so\" on"
HARD = "Line one.\nLine \"two\" \\ {% raw %} {{ no }} 'q' 一个😀"
SHOTS = (Shot(question="Say 1.", answer="1"), Shot(question="Say {{ 2 }}.", answer="2"))
MARKERS = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"]
INDENTED = (
    "{% for m in messages %}\n    {% if m['role'] == 'user' %}\n<|im_start|>{{ m['content'] }}<|im_end|>\n    {% endif %}\n{% endfor %}\n"
)


def tokenizers() -> dict[str, Any]:
    marked = byte_level("<s>")
    marked.add_special_tokens({"extra_special_tokens": [*MARKERS, "<｜User｜>", "<｜Assistant｜>"]})
    bare = llama_like()
    return {"smol": smol_tokenizer(), "marked": marked, "bare": bare}


def asked(tokenizer: Any, jinja: str, *turns: tuple[str, str]) -> str:
    chat = [{"role": role, "content": content} for role, content in turns]
    return str(tokenizer.apply_chat_template(chat, chat_template=jinja, tokenize=False, add_generation_prompt=True))


def trained(tokenizer: Any, template: Any) -> str:
    return prompt_template(template, tokenizer).prompt(Problem("p", "t", ASK, "text")).text


@pytest.mark.parametrize("name", get_args(PromptName))
def test_every_template_by_its_name(name: str) -> None:
    tokenizer = tokenizers()["smol" if name in ("chat", "auto") else "marked"]
    assert asked(tokenizer, served_template(block_for(name), tokenizer), ("user", ASK)) == trained(tokenizer, name)


def test_a_base_model_without_a_chat_template_gets_the_form_of_its_prompts() -> None:
    tokenizer = tokenizers()["bare"]
    jinja = served_template(block_for("auto"), tokenizer)
    assert asked(tokenizer, jinja, ("user", ASK)) == trained(tokenizer, "auto") == trained(tokenizer, "r1-zero")


@pytest.mark.parametrize(
    "block",
    [
        {"system": HARD},
        {"system": "r1"},
        {"suffix": HARD},
        {"few_shot": SHOTS},
        {"prefill": "<think>\n{{ x }}"},
        {"system": HARD, "suffix": "Now.", "few_shot": SHOTS, "prefill": "So "},
        {"before": "Q: ", "after": "\nA:", "suffix": HARD},
        {"jinja": "{{ problem }}<|im_end|>{% if add_generation_prompt %}A{% endif %}\n", "suffix": "Now.", "prefill": "So"},
        {"jinja": INDENTED, "few_shot": SHOTS[:1]},
        {"base": "tiny", "system": "Be brief."},
        {"base": "r1-zero", "few_shot": SHOTS},
    ],
)
def test_every_block(block: dict[str, Any]) -> None:
    template = TemplateConfig(**block)
    for tokenizer in tokenizers().values():
        assert asked(tokenizer, served_template(template, tokenizer), ("user", ASK)) == trained(tokenizer, template)


def test_nothing_is_added_to_a_template_that_adds_nothing() -> None:
    tokenizer = smol_tokenizer()
    assert served_template(block_for("auto"), tokenizer) == SMOL
    assert served_template(TemplateConfig(suffix="answer_form"), tokenizer) == SMOL


def test_a_system_prompt_of_the_user_wins_and_a_suffix_stands_once() -> None:
    tokenizer = smol_tokenizer()
    jinja = served_template(TemplateConfig(system="Be brief.", suffix="Now.", few_shot=SHOTS[:1]), tokenizer)
    shot = (("user", "Say 1."), ("assistant", "1"))
    expected = asked(tokenizer, SMOL, ("system", "Shout."), *shot, ("user", "Say 3.\nNow."))
    assert asked(tokenizer, jinja, ("system", "Shout."), ("user", "Say 3.\nNow.")) == expected
    assert asked(tokenizer, jinja, ("system", "Shout."), ("user", "Say 3.")) == expected


def test_later_turns_are_asked_as_in_training() -> None:
    tokenizer, block = smol_tokenizer(), TemplateConfig(system="Be brief.", suffix="Now.")
    turns = (("user", "Say 1."), ("assistant", "1"), ("user", "Say 2."))
    taught = learnable(block, tokenizer).prompt([Message(role, content) for role, content in turns])  # type: ignore[arg-type]
    assert asked(tokenizer, served_template(block, tokenizer), *turns) == taught


def test_a_released_template_can_be_learned_from() -> None:
    tokenizer = smol_tokenizer()
    tokenizer.chat_template = served_template(TemplateConfig(system="Be brief.", suffix="Now.", few_shot=SHOTS[:1]), tokenizer)
    learned = fitting_template("auto", tokenizer)
    assert learned.jinja == tokenizer.chat_template
    assert learned.end == "<|im_end|>"


def test_parts_instead_of_a_text_are_left_to_the_template() -> None:
    tokenizer = smol_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{% for part in m['content'] %}{{ part['text'] }}{% endfor %}{% endfor %}"
    jinja = served_template(TemplateConfig(suffix="Now."), tokenizer)
    chat = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    assert tokenizer.apply_chat_template(chat, chat_template=jinja, tokenize=False) == "Hi"
