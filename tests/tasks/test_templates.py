import pytest

from dunwu.errors import ConfigError
from dunwu.tasks.templates import render
from dunwu.types import Problem


def problem(text):
    return Problem(id="1", task="t", text=text, verifier="number")


def test_tiny():
    assert render(problem("Use 3,7,8 to make 29."), "tiny") == ("User: Use 3,7,8 to make 29.\nAssistant:", "")


def test_r1_zero():
    text, prefill = render(problem("What is 1+1?"), "r1-zero")
    assert text.startswith("A conversation between User and Assistant. The user asks a question, and the Assistant solves it. ")
    assert "<think> reasoning process here </think> <answer> answer here </answer>. User: " in text
    assert text.endswith(" User: What is 1+1? Assistant:")
    assert prefill == ""


@pytest.mark.parametrize(
    ("text", "ending"), [("Say 1", "Say 1. Assistant:"), ("算出1。", "算出1。 Assistant:"), ("End.", "End. Assistant:")]
)
def test_r1_zero_full_stop(text, ending):
    assert render(problem(text), "r1-zero")[0].endswith(f"User: {ending}")


def test_prefilled_text_ends_with_the_prefill():
    text, prefill = render(problem("Hi."), "r1-zero-prefilled")
    assert prefill == "<think>\n"
    assert text == render(problem("Hi."), "r1-zero")[0] + " " + prefill


def test_braces_in_a_problem_are_text():
    assert r"\frac{a}{b} {prompt} {0}" in render(problem(r"\frac{a}{b} {prompt} {0}"), "r1-zero")[0]


def test_chat():
    assert render(problem("Hi"), "chat", lambda text: f"<u>{text}<a>") == ("<u>Hi<a>", "")
    assert render(problem("Hi"), "chat", lambda text: f"<u>{text}<a><think>\n") == ("<u>Hi<a><think>\n", "<think>\n")
    assert render(problem("Hi"), "chat", lambda text: f"<think></think>{text}") == ("<think></think>Hi", "")


def test_errors():
    with pytest.raises(ConfigError, match="needs a tokenizer with a chat template"):
        render(problem("Hi"), "chat")
    with pytest.raises(ConfigError, match="unknown template 'r1': choose from tiny, r1-zero, r1-zero-prefilled, chat"):
        render(problem("Hi"), "r1")
