"""What is kept of a completion."""

from dunwu.evaluation.rows import evaluation_row
from dunwu.types import Completion, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict

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
