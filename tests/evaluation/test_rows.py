"""What is kept of a completion."""

from typing import get_args

import pytest

from dunwu.evaluation.rows import evaluation_row, vote_key
from dunwu.text.answer_forms import in_form
from dunwu.types import Completion, FinishReason, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict, VerifierName
from dunwu.verifiers.unread import CUT_OFF, UNREADABLE

ENDS = get_args(FinishReason)
CORRECT = Verdict(1.0, "correct")


class WordTokenizer:
    """A token is a word."""

    eos_token = "<|end|>"

    def encode(self, text, *, add_special_tokens):
        assert not add_special_tokens
        return [len(word) for word in text.split()]


def make_row(text, *, prefill="", verdict=CORRECT, tokens=12, **data):
    problem = Problem("p7", "game24", "Use 1,2 to make 3.", "expression", difficulty=901.0, data=data)
    prompt = Prompt(problem, "User: ...", (1, 2), prefill)
    completion = Completion(TokenSequence.drawn(range(tokens), (0.0,) * tokens, 3), text, "stop")
    return evaluation_row(Rollout(prompt, completion, Reward(1.0, {}, verdict)), 5, WordTokenizer())


def test_a_row_holds_problem_completion_and_verdict():
    row = make_row("<think>1 * 2 wait check</think> <answer> 1 + 2 </answer><|end|>", human_seconds=7)
    assert (row.problem_id, row.sample, row.difficulty, row.human_seconds) == ("p7", 5, 901.0, 7.0)
    assert (row.thinking_tokens, row.tokens, row.reflections) == (5, 12, 2)
    assert (row.answer, row.vote, row.score, row.verdict) == ("1 + 2", "1+2", 1.0, "correct")


def test_a_prefilled_think_tag_counts_as_the_completions_own():
    assert make_row("one two</think><answer>3</answer>", prefill="<think>\n").thinking_tokens == 2


def test_reasoning_that_is_never_closed_is_thinking_and_answers_nothing():
    row = make_row("<think>a b c <answer>3</answer>", verdict=Verdict(0.0, "unparsable"))
    assert row.thinking_tokens == 4
    assert row.answer is None
    assert row.vote is None


def test_a_completion_that_was_cut_off_has_no_last_number_where_a_box_was_asked_for():
    problem = in_form(Problem("p", "t", "2 + 3?", "number", answer="5"), "boxed-or-last-number")
    read = Reward(0.0, {}, Verdict(0.0, "unparsable"))
    tokens = TokenSequence.drawn((1,), (0.0,), 3)
    rows = [evaluation_row(Rollout(Prompt(problem, "", (1,)), Completion(tokens, "So 5", end), read), 0, WordTokenizer()) for end in ENDS]
    assert [(row.answer, row.unread) for row in rows] == [("5", UNREADABLE), (None, CUT_OFF)]


def test_without_think_tags_there_is_no_thinking():
    assert make_row("<answer>3</answer>").thinking_tokens == 0


def test_thinking_is_never_longer_than_the_completion():
    assert make_row("<think>a b c d</think>", tokens=3).thinking_tokens == 3


def test_unparsable_and_excluded_answers_do_not_vote():
    text = "<think>x</think><answer>one plus two</answer>"
    assert make_row(text, verdict=Verdict(0.0, "unparsable")).vote is None
    excluded = make_row(text, verdict=Verdict(None, "timeout"))
    assert excluded.vote is None
    assert excluded.score is None
    assert make_row(text, verdict=Verdict(0.0, "wrong")).vote == "oneplustwo"


def test_a_problem_without_human_time_has_none():
    assert make_row("<answer>3</answer>").human_seconds is None


@pytest.mark.parametrize("answer", ["(1+3)*6", " ( 1 + 3 ) * 6 ", "（1＋3）×6", "(1+3)*6=24", "(1+3)\n*6 = 24"])
def test_typography_does_not_divide_votes(answer):
    assert vote_key(answer, "expression") == "(1+3)*6"


def test_expressions_of_one_value_are_different_candidates():
    assert len({vote_key(answer, "expression") for answer in ["(1+3)*6", "6*(1+3)", "24"]}) == 3


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ("1,200", "1200"),
        ("$1200.00", "1200"),
        ("0.50", "1/2"),
        ("2/4", "1/2"),
        ("-3.", "-3"),
        ("− 3", "-3"),
        ("７", "7"),
        ("x=1", "x=1"),
        ("1/0", "1/0"),
    ],
)
def test_numbers_vote_by_exact_value(answer, key):
    assert vote_key(answer, "number") == key


def test_a_huge_power_is_text_and_not_computed():
    assert vote_key("1e999999999", "number") == "1e999999999"
    assert vote_key("9" * 100_000, "number") == "9" * 100_000


@pytest.mark.parametrize("answer", [None, "", " \n", "=24"])
def test_nothing_does_not_vote(answer):
    assert vote_key(answer, "expression") is None


def test_other_answers_vote_as_written_but_for_whitespace():
    assert vote_key(" a  b\nc ", "reasoning_gym") == "a b c"


def test_mathematics_votes_by_value_where_it_is_a_constant_and_else_as_written():
    assert vote_key(r"\frac{1}{2}", "math") == vote_key("0.5", "math") == "1/2"
    assert vote_key(r"2 \sqrt{2}", "math") == vote_key(r"\sqrt{8}", "math") != vote_key("2", "math")
    assert vote_key("x + 1", "math") == "x+1"


@pytest.mark.parametrize("verifier", get_args(VerifierName))
def test_every_verifier_has_votes(verifier):
    assert vote_key(" B ", verifier) in ("B", "b")
    assert vote_key("", verifier) is None
