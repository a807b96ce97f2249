"""Prompts by templates of one's own, beside transformers' `apply_chat_template` on a chat template like SmolLM2's."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from dunwu.config.template import Shot, Template, TemplateConfig
from dunwu.data.prompts import make_prompts, prompt_template, template_in_words
from dunwu.errors import ConfigError, DataError
from dunwu.tasks.templates import TEMPLATES
from dunwu.text.answer_forms import FORMS
from dunwu.text.r1_wording import R1_WORDING
from dunwu.types import Problem, Prompt
from tests.models.smol_like import SMOL, smol_tokenizer
from tests.models.tokenizers_of_kinds import kinds, llama_like

ASK = "Say 3."
SHOTS = (Shot(question="Say 1.", answer="1"), Shot(question="Say 2.", answer="2"))


@pytest.fixture(scope="module")
def smol() -> Any:
    return smol_tokenizer()


def prompt(template: Template, tokenizer: Any, **problem: Any) -> Prompt:
    [found] = make_prompts([Problem(**{"id": "p1", "task": "t", "text": ASK, "verifier": "number"} | problem)], template, tokenizer, 9999)
    assert found.token_ids == tuple(tokenizer(found.text, add_special_tokens=False)["input_ids"])
    return found


def turns(*texts: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in texts]


@pytest.mark.parametrize(
    ("block", "asked"),
    [
        ({}, turns(("user", ASK))),
        ({"system": "Be brief."}, turns(("system", "Be brief."), ("user", ASK))),
        ({"system": "r1"}, turns(("system", R1_WORDING), ("user", ASK))),
        ({"suffix": "In words."}, turns(("user", f"{ASK}\nIn words."))),
        (
            {"system": "Be brief.", "few_shot": SHOTS, "suffix": "Now."},
            turns(
                ("system", "Be brief."),
                *(turn for each in SHOTS for turn in (("user", each.question), ("assistant", each.answer))),
                ("user", f"{ASK}\nNow."),
            ),
        ),
    ],
)
def test_the_prompt_is_that_of_transformers(block: dict[str, Any], asked: list[dict[str, str]], smol: Any) -> None:
    found = prompt(TemplateConfig(**block), smol)
    assert found.text == smol.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    ids = smol.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert found.token_ids == tuple(ids)
    own = TemplateConfig(**block, jinja=SMOL)
    bare = deepcopy(smol)
    bare.chat_template = None
    assert prompt(own, bare).text == found.text


def test_a_prefill_starts_the_completion(smol: Any) -> None:
    found = prompt(TemplateConfig(prefill="<think>\n"), smol)
    assert found.text == prompt("auto", smol).text + "<think>\n"
    assert found.prefill == "<think>\n"


def test_a_conversation_keeps_its_own_system_prompt(smol: Any) -> None:
    own = tuple(turns(("system", "Shout."), ("user", ASK)))
    found = prompt(TemplateConfig(system="Be brief.", few_shot=SHOTS[:1]), smol, text=f"Shout.\n\n{ASK}", turns=own)
    expected = [own[0], *turns(("user", "Say 1."), ("assistant", "1")), own[1]]
    assert found.text == smol.apply_chat_template(expected, tokenize=False, add_generation_prompt=True)


def test_an_example_is_not_given_to_its_own_problem(smol: Any) -> None:
    assert prompt(TemplateConfig(few_shot=SHOTS), smol, text="Say 1.").text.count("Say 1.") == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_suffix_asks_for_the_answer_in_its_form(form: Any, language: Any, smol: Any) -> None:
    block, data = TemplateConfig(suffix="answer_form"), {"answer_form": form}
    asks = FORMS[form].asks.get(language, "")
    assert prompt(block, smol, data=data, language=language).text == prompt("auto", smol, text=f"{ASK}\n{asks}" if asks else ASK).text
    for text in (rf"{ASK} Put it in \boxed{{}}.", f'{ASK} Put it after "####".'):
        assert prompt(block, smol, data=data, text=text).text == prompt("auto", smol, text=text).text
    assert prompt(block, smol, data=data, verifier="code").text == prompt("auto", smol).text


def test_texts_of_a_base_model(smol: Any) -> None:
    texts = {"before": "Question: ", "after": "\nAnswer:"}
    assert prompt(TemplateConfig(**texts), smol).text == "Question: Say 3.\nAnswer:"
    found = prompt(TemplateConfig(**texts, system="Answer.", few_shot=SHOTS[:1], suffix="Now."), smol)
    assert found.text == "Answer.\n\nQuestion: Say 1.\nAnswer: 1<|im_end|>\n\nQuestion: Say 3.\nNow.\nAnswer:"
    [bos] = [prompt(TemplateConfig(**texts), each) for each in [kinds()["byte level"]]]
    assert bos.text == "<s>Question: Say 3.\nAnswer:"


@pytest.mark.parametrize("name", ["tiny", "r1-zero", "chatml", "plain"])
def test_a_block_on_a_form_of_ours_prompts_as_the_form(name: Any, smol: Any) -> None:
    assert prompt(TemplateConfig(base=name), smol).text == prompt(name, smol).text


def test_a_tokenizer_without_a_chat_template_has_r1_zeros() -> None:
    tokenizer = llama_like(bos=False, start="")
    found = make_prompts([Problem("p", "t", ASK, "number")], TemplateConfig(system="Hi."), tokenizer, 9999)[0].text
    assert TEMPLATES["r1-zero"].before.removesuffix("User: ") in found
    assert found.endswith("Hi. User: Say 3. Assistant:")
    assert template_in_words(TemplateConfig(system="Hi."), tokenizer).startswith("auto: r1-zero, because")


def test_jinja_about_the_problem(smol: Any) -> None:
    assert prompt(TemplateConfig(jinja="Q: {{ problem }}\nA:"), smol).text == "Q: Say 3.\nA:"
    with pytest.raises(DataError, match=r"drops or rewrites 'Be brief\.'"):
        prompt(TemplateConfig(jinja="Q: {{ problem }}\nA:", system="Be brief."), smol)


@pytest.mark.parametrize(
    ("jinja", "error"),
    [
        ("{{ problm }}", ConfigError),
        ("{% for m in messages %}", ConfigError),
        ("{{ messages[0]['content'] + 1 }}", DataError),
        ("{{ raise_exception('no') }}{{ problem }}", DataError),
        ("{{ problem.__class__.__mro__[1].__subclasses__() }}", DataError),
        ("{{ messages.append(1) }}{{ problem }}", DataError),
    ],
)
def test_jinja_that_fails_or_leaves_its_sandbox_is_one_line(jinja: str, error: type[Exception], smol: Any) -> None:
    with pytest.raises(error) as caught:
        prompt(TemplateConfig(jinja=jinja), smol)
    assert "\n" not in str(caught.value)


def test_variables_that_are_tested_may_be_missing(smol: Any) -> None:
    jinja = "{% if thinking is defined and thinking %}x{% endif %}{{ style | default('') }}{% set a = 1 %}{{ problem }}{{ a }}"
    assert prompt_template(TemplateConfig(jinja=jinja), smol).prompt(Problem("p", "t", ASK, "number")).text == "Say 3.1"
