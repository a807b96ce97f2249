"""Rows to learn, in a template of one's own: the text of transformers' `apply_chat_template`, and the answers alone are learned."""

from __future__ import annotations

from typing import Any

import pytest

from dunwu.config.template import Shot, TemplateConfig
from dunwu.errors import ConfigError, DataError
from dunwu.models.chat import Message, Segment, TrainingTemplate, fitting_template
from dunwu.models.own_template import learnable
from tests.models.smol_like import SMOL, smol_tokenizer

ROW = (Message("user", "Say 3."), Message("assistant", "3"))
SHOT = Shot(question="Say 1.", answer="1")


@pytest.fixture(scope="module")
def smol() -> Any:
    return smol_tokenizer()


def made(smol: Any, *shots: Shot, **block: Any) -> TrainingTemplate:
    return learnable(TemplateConfig(**block), smol, shots)


def text(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def learned(segments: list[Segment]) -> list[str]:
    return [segment.text for segment in segments if segment.learned]


def test_an_empty_block_is_the_tokenizers_template(smol: Any) -> None:
    assert made(smol).render(ROW) == fitting_template("auto", smol).render(ROW) == made(smol, jinja=SMOL).render(ROW)


@pytest.mark.parametrize("layout", [{}, {"jinja": SMOL}])
def test_system_prompt_examples_and_suffix_are_read_and_not_learned(layout: dict[str, str], smol: Any) -> None:
    segments = made(smol, SHOT, system="Be brief.", suffix="Now.", **layout).render(ROW)
    turns = [("system", "Be brief."), ("user", "Say 1."), ("assistant", "1"), ("user", "Say 3.\nNow."), ("assistant", "3")]
    chat = [{"role": role, "content": content} for role, content in turns]
    assert text(segments) == smol.apply_chat_template(chat, tokenize=False).rstrip()
    assert learned(segments) == ["3<|im_end|>"]


def test_a_system_turn_of_the_row_stays_and_each_question_has_the_suffix(smol: Any) -> None:
    row = (Message("system", "Shout."), *ROW, Message("user", "Say 4."), Message("assistant", "4"))
    segments = made(smol, system="Be brief.", suffix="Now.").render(row)
    assert "Be brief." not in text(segments)
    assert text(segments).count("\nNow.<|im_end|>") == 2
    assert learned(segments) == ["3<|im_end|>", "4<|im_end|>"]
    kept = (Message("user", "Say 2."), Message("assistant", "2", learned=False), *ROW)
    assert text(made(smol, suffix="Now.").render(kept)).count("Now.") == 1


def test_a_prefill_is_given_and_not_learned(smol: Any) -> None:
    reasoned = (ROW[0], Message("assistant", "3", reasoning="Three."))
    template = made(smol, prefill="<think>\n")
    assert learned(template.render(reasoned)) == ["Three.\n</think>\n\n3<|im_end|>"]
    assert text(template.render(reasoned)).startswith(template.prompt(ROW[:1]))
    with pytest.raises(DataError, match="prefill"):
        template.render(ROW)


def test_texts_are_learned_as_they_are_prompted(smol: Any) -> None:
    template = made(smol, SHOT, before="Q: ", after="\nA:", system="Answer.")
    segments = template.render(ROW)
    assert text(segments) == "Answer.\n\nQ: Say 1.\nA: 1<|im_end|>\n\nQ: Say 3.\nA: 3<|im_end|>"
    assert learned(segments) == [" 3<|im_end|>"]
    assert segments[0].text == template.prompt(ROW[:1])


def test_the_layout_is_saved_with_the_checkpoint_unless_it_is_the_tokenizers(smol: Any) -> None:
    assert made(smol, system="x").jinja == SMOL
    assert not made(smol, before="Q: ", after="\nA:").own


@pytest.mark.parametrize(
    "block",
    [
        {"suffix": "answer_form"},
        {"jinja": "{{ problem }}"},
        {"jinja": "{{ messages[0]['content'] }}"},
        {"jinja": SMOL.replace("messages[0]['role'] != 'system'", "raise_exception('no')"), "system": "x"},
        {"jinja": SMOL.replace("{% for message in messages %}", "{% for message in messages[1:] %}"), "system": "x"},
    ],
)
def test_what_cannot_be_learned_from_is_one_line(block: dict[str, str], smol: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        made(smol, **block)
    assert "\n" not in str(caught.value)
