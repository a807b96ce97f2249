"""Training templates: what they write, what of it is learned, and that none which deletes reasoning gets through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from dunwu.errors import ConfigError, DataError
from dunwu.models.chat import AUTO, FORMATS, Message, Segment, TrainingTemplate, training_template
from dunwu.models.loading import load_model, save_model, stop_token_ids
from dunwu.tasks.templates import render
from dunwu.types import Problem

MARKERS = {
    "chatml": ("<|im_start|>", "<|im_end|>"),
    "llama3": ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "deepseek": ("<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
}
TALK = (
    Message("system", "Be brief."),
    Message("user", "1+1?"),
    Message("assistant", "Two.", reasoning="One more."),
    Message("user", "Hello"),
    Message("assistant", "Hi!"),
)
WRITTEN = {
    "plain": "Be brief.1+1?[<think>\nOne more.\n</think>\n\nTwo.<end>]Hello[Hi!<end>]",
    "tiny": "Be brief.\nUser: 1+1?\nAssistant:[<think>One more.</think>Two.<end>]\nUser: Hello\nAssistant:[Hi!<end>]",
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
    "[<think>\nOne more.\n</think>\n\nTwo.<|im_end|>]\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n[Hi!<|im_end|>]",
    "llama3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n1+1?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    "[<think>\nOne more.\n</think>\n\nTwo.<|eot_id|>]<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n[Hi!<|eot_id|>]",
    "deepseek": "<｜begin▁of▁sentence｜>Be brief.<｜User｜>1+1?<｜Assistant｜>[<think>\nOne more.\n</think>\n\nTwo.<｜end▁of▁sentence｜>]"
    "<｜User｜>Hello<｜Assistant｜>[Hi!<｜end▁of▁sentence｜>]",
}
"""Learned pieces in brackets."""

KEEPS = (
    "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] + ('<end>' if m['role'] == 'assistant' else '') }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
BARE = "m['content'].split('</think>')[-1].lstrip()"
DELETES = {
    "of all turns": KEEPS.replace("m['content']", BARE),
    "of earlier turns": KEEPS.replace("m['content']", f"(m['content'] if loop.last else {BARE})"),
}


@pytest.fixture(scope="module")
def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer without merges that has the markers of all forms; ``<end>`` ends a sequence."""
    inner = Tokenizer(models.BPE({letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(marker) for markers in MARKERS.values() for marker in markers])
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", pad_token="<pad>")


def with_own(tokenizer: PreTrainedTokenizerFast, jinja: str | None) -> Any:
    """A copy of the tokenizer with a chat template of its own."""
    copied = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, eos_token="<end>", pad_token="<pad>")
    copied.chat_template = jinja
    return copied


def bracketed(segments: list[Segment]) -> str:
    return "".join(f"[{segment.text}]" if segment.learned else segment.text for segment in segments)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_each_form_writes_and_what_of_it_is_learned(name: str, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    assert bracketed(training_template(name, byte_tokenizer).render(TALK)) == WRITTEN[name]


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversation_begins_as_its_first_turns_do(name: str, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    template = training_template(name, byte_tokenizer)
    text = bracketed(template.render(TALK)).replace("[", "").replace("]", "")
    for place in (2, 4):
        assert text.startswith(template.prompt(TALK[:place]))
    assert text.startswith(bracketed(template.render(TALK[:3])).replace("[", "").replace("]", ""))


@pytest.mark.parametrize("name", ["tiny", "r1-zero"])
@pytest.mark.parametrize("text", ["Use 3,7 to make 10.", "What is 1+1?", "用 3,7 得到 10。", "no stop", "Why:"])
def test_prompts_are_those_of_reinforcement_learning(name: str, text: str, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    expected = render(Problem("p", "t", text, "number"), name)[0]
    template = training_template(name, byte_tokenizer)
    assert template.prompt([Message("user", text)]) == expected
    assert template.render([Message("user", text), Message("assistant", "4")])[0].text == expected


def test_turns_of_a_prompt_are_not_learned(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    given = Message("assistant", "Two.", learned=False)
    found = training_template("tiny", byte_tokenizer).render([TALK[1], given, TALK[3], TALK[4]])
    assert bracketed(found) == "User: 1+1?\nAssistant:Two.<end>\nUser: Hello\nAssistant:[Hi!<end>]"


@pytest.mark.parametrize("kind", DELETES)
def test_a_template_that_deletes_reasoning_is_refused(kind: str, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ConfigError, match=r"template = 'auto' cannot be learned from: .* set template to one of plain, tiny"):
        training_template(AUTO, with_own(byte_tokenizer, DELETES[kind]))


@pytest.mark.parametrize(
    ("jinja", "part"),
    [
        (None, "the tokenizer has no chat template of its own"),
        (KEEPS.replace("<end>", ""), "would not learn to stop"),
        (KEEPS.replace("m['content']", "raise_exception('no thinking here')"), "no thinking here"),
    ],
)
def test_other_templates_that_cannot_be_learned_from(jinja: str | None, part: str, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ConfigError, match=part):
        training_template(AUTO, with_own(byte_tokenizer, jinja))


def test_the_template_of_the_bundled_tokenizer_teaches_no_end(world_tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match="would not learn to stop"):
        training_template(AUTO, world_tokenizer)


def test_a_template_that_keeps_reasoning_is_taken(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    template = training_template(AUTO, with_own(byte_tokenizer, KEEPS))
    assert template.end == "<end>"
    assert bracketed(template.render(TALK[1:])) == (
        "<user>1+1?<assistant>[<think>\nOne more.\n</think>\n\nTwo.<end>]<user>Hello<assistant>[Hi!<end>]"
    )


def test_what_the_probe_cannot_show_is_found_in_the_row(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    """A template that keeps reasoning in two turns and deletes it in the third."""
    sly = KEEPS.replace("m['content']", f"(m['content'] if loop.index < 5 else {BARE})")
    template = training_template(AUTO, with_own(byte_tokenizer, sly))
    with pytest.raises(DataError, match="drops reasoning"):
        template.render([*TALK[1:], TALK[1], TALK[2]])


@pytest.mark.parametrize(
    ("jinja", "role"),
    [
        (KEEPS.replace("{{ '<'", "{% if m['role'] != 'system' %}{{ '<'").replace("{% endfor %}", "{% endif %}{% endfor %}"), "system"),
        (KEEPS.replace("+ m['content'] +", "+ (m['content'] if m['role'] != 'system' else 'You are kind.') +"), "system"),
        (KEEPS.replace("+ m['content'] +", "+ (m['content'] if loop.index != 4 or m['role'] != 'user' else '') +"), "user"),
    ],
    ids=["system dropped", "system replaced", "a later user's turn dropped"],
)
def test_a_template_that_drops_a_turn_is_found_in_the_row(jinja: str, role: str, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    template = training_template(AUTO, with_own(byte_tokenizer, jinja))
    with pytest.raises(DataError, match=f"drops or rewrites the {role}'s turn"):
        template.render(TALK)
    with pytest.raises(DataError, match=f"drops or rewrites the {role}'s turn"):
        template.prompt(TALK[:4])
    assert template.render(TALK[1:3])  # without the turn it is taken


@pytest.mark.parametrize("name", MARKERS)
def test_a_tokenizer_without_the_markers_is_refused(name: str, world_tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match=f"template = '{name}' needs the token '<.*which the tokenizer lacks; set template to one of"):
        training_template(name, world_tokenizer)


def test_a_tokenizer_without_an_end_is_refused(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ConfigError, match="needs an end-of-sequence token"):
        training_template("tiny", PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer.backend_tokenizer))


@pytest.mark.parametrize("message", [Message("user", "a<|im_end|>b"), Message("assistant", "b", reasoning="x<end>")])
def test_nobody_but_the_template_ends_a_turn(message: Message, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    template = training_template("chatml", byte_tokenizer)
    with pytest.raises(DataError, match=f"the {message.role}'s text contains '<.*only the template may write; take it out"):
        template.render([message, TALK[4]])


def test_a_plain_prompt_may_have_markers_of_its_own(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    template = training_template("plain", byte_tokenizer)
    assert bracketed(template.render([Message("user", "<|im_start|>x"), TALK[4]])) == "<|im_start|>x[Hi!<end>]"
    with pytest.raises(DataError, match="contains '<end>'"):
        template.render([TALK[1], Message("assistant", "4<end>")])


def read_by_transformers(template: TrainingTemplate, tokenizer: Any) -> str:
    chat = [
        {"role": message.role, "content": message.content, "reasoning_content": message.reasoning} for message in (*TALK[:4], *TALK[1:2])
    ]
    return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))


def test_a_saved_checkpoint_is_prompted_and_stops_as_it_was_taught(
    byte_tokenizer: PreTrainedTokenizerFast, tiny_model: Any, tmp_path: Path
) -> None:
    tokenizer = with_own(byte_tokenizer, DELETES["of all turns"])
    tiny_model.resize_token_embeddings(len(tokenizer))
    tiny_model.generation_config.eos_token_id = 7
    template = training_template("chatml", tokenizer)
    template.adopt(tokenizer, tiny_model)
    save_model(tiny_model, tokenizer, tmp_path)
    model, again = load_model(str(tmp_path))
    assert again.eos_token == "<|im_end|>"
    assert stop_token_ids(again, model) == (again.convert_tokens_to_ids("<|im_end|>"), 7)
    assert read_by_transformers(template, again) == template.prompt([*TALK[:4], TALK[1]])
    assert bracketed(training_template(AUTO, again).render(TALK)) == WRITTEN["chatml"]


def test_plain_leaves_the_chat_template_alone(byte_tokenizer: PreTrainedTokenizerFast, tiny_model: Any) -> None:
    tokenizer = with_own(byte_tokenizer, KEEPS)
    training_template("plain", tokenizer).adopt(tokenizer, tiny_model)
    assert tokenizer.chat_template == KEEPS
