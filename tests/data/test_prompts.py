"""Problems in their template: refused when too long, never cut."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from dunwu.data.prompts import make_prompts, prompt_template
from dunwu.errors import ConfigError, DataError
from dunwu.types import Problem


def problem(text: str) -> Problem:
    return Problem("p1", "t", text, "number", "3")


def test_the_prompt_holds_the_template_and_its_tokens(world_tokenizer: Any) -> None:
    first, second = make_prompts([problem("Say 3."), problem("Say 4.")], "tiny", world_tokenizer, 100)
    assert first.text == "User: Say 3.\nAssistant:"
    assert first.prefill == ""
    assert world_tokenizer.decode(first.token_ids) == first.text
    assert second.problem.text == "Say 4."


def test_a_prefill_is_part_of_the_prompt(world_tokenizer: Any) -> None:
    (prompt,) = make_prompts([problem("Say 3.")], "r1-zero-prefilled", world_tokenizer, 1000)
    assert prompt.text.endswith(prompt.prefill)
    assert prompt.prefill == "<think>\n"
    assert world_tokenizer.decode(prompt.token_ids) == prompt.text


def test_the_limit_is_exact_and_nothing_is_cut(world_tokenizer: Any) -> None:
    (prompt,) = make_prompts([problem("Say 3.")], "tiny", world_tokenizer, 100)
    length = len(prompt.token_ids)
    assert make_prompts([problem("Say 3.")], "tiny", world_tokenizer, length) == [prompt]
    with pytest.raises(DataError, match=f"p1 has {length} tokens, over max_prompt_tokens={length - 1}"):
        make_prompts([problem("Say 3.")], "tiny", world_tokenizer, length - 1)


def test_the_chat_template_is_the_tokenizers(world_tokenizer: Any) -> None:
    (prompt,) = make_prompts([problem("Say 3.")], "chat", world_tokenizer, 100)
    assert prompt.text == "User: Say 3.\nAssistant:"


@pytest.mark.parametrize(
    "jinja",
    [
        "{% for m in messages %}{% for part in m['content'] %}{{ part['text'] }}{% endfor %}{% endfor %}Assistant:",
        "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}",
        "{{ 1 // 0 }}",
        "{{ messages[0]['content'] + 1 }}",
        "{% for i in range(10 ** 9) %}x{% endfor %}",
    ],
)
def test_a_chat_template_that_loses_the_problem_or_fails_is_one_line(world_tokenizer: Any, jinja: str) -> None:
    tokenizer = deepcopy(world_tokenizer)
    tokenizer.chat_template = jinja
    with pytest.raises(DataError, match="p1") as caught:
        make_prompts([problem("Say 3.")], "chat", tokenizer, 100)
    assert "\n" not in str(caught.value)


def test_a_system_turn_that_the_template_drops_is_refused(world_tokenizer: Any) -> None:
    tokenizer = deepcopy(world_tokenizer)
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say 3."}]
    tokenizer.chat_template = "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['content'] }}{% endif %}{% endfor %}"
    with pytest.raises(DataError, match="Be brief"):
        prompt_template("chat", tokenizer).prompt(problem("Say 3."), turns)


def test_an_unknown_template_is_the_users_mistake(world_tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match="unknown template 'r2'"):
        make_prompts([problem("Say 3.")], "r2", world_tokenizer, 100)


def test_the_turns_of_a_problem_are_rendered_by_a_chat_template_only(world_tokenizer: Any) -> None:
    turns = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"})
    problem = Problem("p", "t", "Be brief.\n\n1+1?", "number", "2", turns=turns)
    assert prompt_template("plain", world_tokenizer).prompt(problem).text.endswith("Be brief.1+1?")
    with pytest.raises(DataError, match="takes one question, not 2 turns: set template=auto"):
        prompt_template("tiny", world_tokenizer).prompt(problem)
