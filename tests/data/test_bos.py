"""One BOS, by every road, where the tokenizer puts one before every text; none where it does not, and none doubled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from dunwu.data.io.chat_examples import encode_rows
from dunwu.data.io.preferences import user_turn
from dunwu.data.prompts import NAMES, chat_prompt, make_prompts
from dunwu.errors import ConfigError
from dunwu.models.bos import bos_text
from dunwu.models.chat import FORMATS, Message, training_template
from dunwu.models.loading import load_model, save_model
from dunwu.tasks.rows import Row
from dunwu.tasks.templates import TEMPLATES, render
from dunwu.trainers.reward_model_examples import Reader
from dunwu.types import Problem
from tests.models.tokenizers_of_kinds import byte_level, kinds, llama_like

PROBLEM = Problem("p", "t", "What is 2+3?", "number", "5")
ROW = Row({"prompt": "What is 2+3?", "completion": "5"}, "rows.jsonl", 1, "train")
CHATS = {
    "writes it": "{{ bos_token }}{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}",
    "does not": "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}",
}
OURS = ("tiny", "r1-zero", "plain", "chatml")


@pytest.fixture(params=kinds())
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return kinds()[request.param]


def prompted(template: str, tokenizer: Any) -> list[int]:
    return list(make_prompts([PROBLEM], template, tokenizer, 1000)[0].token_ids)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_text_template_is_read_as_the_tokenizer_reads_any_text(template: str, tokenizer: Any) -> None:
    text = render(PROBLEM, template)[0]
    ids = prompted(template, tokenizer)
    assert ids == [id for id in tokenizer(text)["input_ids"] if id != tokenizer.eos_token_id]
    assert ids.count(1) == 1
    assert ids[0] == 1


@pytest.mark.parametrize("template", ["plain", "chatml"])
def test_forms_of_ours_begin_so_too(template: str, tokenizer: Any) -> None:
    ids = prompted(template, tokenizer)
    assert ids.count(1) == 1
    assert ids[0] == 1
    assert prompted(template, byte_level())[0] != 1


def test_a_plain_prompt_that_writes_it_has_one(tokenizer: Any) -> None:
    written = Problem("p", "t", "<s>What is 2+3?", "number", "5")
    assert list(make_prompts([written], "plain", tokenizer, 100)[0].token_ids) == prompted("plain", tokenizer)


@pytest.mark.parametrize("template", NAMES)
def test_without_one_nothing_is_added(template: str) -> None:
    plain = byte_level()
    plain.chat_template = CHATS["does not"]
    assert bos_text(plain) == ""
    if template in ("llama3", "deepseek"):
        with pytest.raises(ConfigError, match="which the tokenizer lacks"):
            prompted(template, plain)
    else:
        assert 1 not in prompted(template, plain)


@pytest.mark.parametrize(("chat", "count"), [("writes it", 1), ("does not", 0)])
def test_a_chat_template_of_the_models_own_is_left_alone(chat: str, count: int) -> None:
    own = llama_like()
    own.chat_template = CHATS[chat]
    for template in ("chat", "auto"):
        ids = prompted(template, own)
        assert ids == own.apply_chat_template([{"role": "user", "content": PROBLEM.text}], return_dict=False)
        assert ids.count(1) == count


@pytest.mark.parametrize("template", OURS)
def test_training_reads_the_prompt_that_is_sampled_from_also_after_a_reload(template: str, tokenizer: Any, tmp_path: Path) -> None:
    taught = training_template(template, tokenizer)
    [example] = encode_rows([ROW], taught, tokenizer)
    assert example.ids[: example.start].tolist() == prompted(template, tokenizer)
    assert example.ids.tolist().count(1) == 1
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **size))
    before = tokenizer.chat_template
    taught.adopt(tokenizer, model)
    save_model(model, tokenizer, tmp_path)
    tokenizer.chat_template = before
    again = load_model(str(tmp_path))[1]
    for name in (template,) if template == "plain" else (template, "chat", "auto"):
        assert prompted(name, again) == example.ids[: example.start].tolist()
    if template == "chatml":  # the others reason in another form under the name auto
        [taught_again] = encode_rows([ROW], training_template("auto", again), again)
        assert taught_again.ids.tolist() == example.ids.tolist()


@pytest.mark.parametrize("template", [*TEMPLATES, "plain", "chatml"])
def test_generators_do_as_evaluation_does(template: str, tokenizer: Any) -> None:
    assert list(chat_prompt((Message("user", PROBLEM.text),), template, tokenizer).token_ids) == prompted(template, tokenizer)
    shots = (Message("user", "1?"), Message("assistant", "<think>a</think>1"), Message("user", PROBLEM.text))
    if template != "plain":
        ids = list(chat_prompt(shots, template, tokenizer).token_ids)
        assert ids[0] == 1
        assert ids.count(1) == 1


def test_reward_models_read_conversations_so_too(tokenizer: Any) -> None:
    ids = Reader(tokenizer, 0).prompt(user_turn("What is 2+3?"))
    assert list(ids) == [id for id in tokenizer("User: What is 2+3?\nAssistant:")["input_ids"] if id != tokenizer.eos_token_id]
    own = llama_like()
    own.chat_template = CHATS["writes it"]
    assert Reader(own, 0).prompt(user_turn("Hi")).count(1) == 1


def test_every_form_of_training_prompts_too() -> None:
    assert {*FORMATS, *TEMPLATES, "chat", "auto"} == set(NAMES)
