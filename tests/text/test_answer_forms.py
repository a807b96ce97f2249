r"""Where an answer stands: one value for what is read, what is rewarded and what is asked for."""

from __future__ import annotations

import time
from typing import get_args

import pytest

import dunwu
from dunwu.config.load import load_config
from dunwu.config.tasks import ArithmeticTask, CountdownTask, Game24Task, TaskConfig
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.errors import ConfigError, DataError
from dunwu.models.thinking import parse_completion
from dunwu.rewards.make import make_reward
from dunwu.rewards.scope import look_at
from dunwu.rewards.strict import strictly_right
from dunwu.tasks.make import make_task
from dunwu.text.answer_forms import DEFAULT, FORMS, as_read, form_of, in_form
from dunwu.types import AnswerForm, Completion, Problem, Prompt, Reward, Rollout, TokenSequence
from dunwu.verifiers.problem import problem_fault
from dunwu.verifiers.unread import why_unread
from dunwu.verifiers.verify import candidate, verify

FIVE = Problem("p", "t", "2+3?", "number", answer="5")
ANSWERS: list[tuple[AnswerForm, str, str | None]] = [
    ("tags-or-boxed", "<answer>5</answer>", "5"),
    ("tags-or-boxed", r"\boxed{5}", "5"),
    ("tags-or-boxed", r"\boxed{6} <answer>5</answer>", "5"),
    ("tags", "<answer>5</answer>", "5"),
    ("tags", r"\boxed{5}", None),
    ("boxed", r"so \boxed{5}.", "5"),
    ("boxed", "<answer>5</answer>", None),
    ("boxed", r"<answer>\boxed{5}</answer>", "5"),
    ("boxed", r"\boxed{4} or \boxed{5}", None),
    ("boxed", r"\boxed{4}, no, \boxed{5}", "5"),
    ("####", "2 + 3 = 5\n#### 5", "5"),
    ("####", "#### Step 1\nadd\n####  5  \n", "5"),
    ("####", "##### 5", None),
    ("####", "the answer is 5", None),
    ("####", "5\n####", None),
    ("last-number", "The sum of 2 and 3 is 5.", "5"),
    ("last-number", "It costs $1,234.50 in all", "1,234.50"),
    ("last-number", "x = -5", "-5"),
    ("last-number", "10-5", "5"),
    ("last-number", "that is 3/4 of it", "3/4"),
    ("last-number", "答案是5。", "5"),
    ("last-number", "it is **5**", "5"),
    ("last-number", "about 1e5", "1e5"),
    ("last-number", "1.5E-3.", "1.5E-3"),
    ("last-number", "5 euros", "5"),
    ("last-number", "no digits", None),
    ("last-number", "4 or 5", None),
    ("last-number", "3, 4, 5", None),
    ("last-number", "4\n5", None),
    ("last-number", "5, 5", "5"),
    ("last-number", "first 4, but then 5", "5"),
    ("boxed-or-last-number", r"so \boxed{5}, not 6", "5"),
    ("boxed-or-last-number", "The answer is 5.", "5"),
    ("boxed-or-last-number", r"\boxed{4} or \boxed{5}, 5", None),
    ("boxed-or-last-number", "4 or 5", None),
]


@pytest.mark.parametrize(("form", "text", "answer"), ANSWERS)
def test_what_is_read(form: AnswerForm, text: str, answer: str | None) -> None:
    assert parse_completion(text, "", form).answer == answer
    assert parse_completion(f"<think>\\boxed{{9}} <answer>9</answer> #### 9</think>{text}", "", form).answer == answer
    assert parse_completion(f"<think>{text}", "", form).answer is None


@pytest.mark.parametrize("form", get_args(AnswerForm))
def test_a_right_answer_in_its_form_is_right_for_everything_that_follows_it(form: AnswerForm) -> None:
    problem = in_form(FIVE, form)
    text = {"tags": "<think>2+3</think><answer>5</answer>", "boxed": r"<think>2+3</think>\boxed{5}", "####": "2+3\n#### 5"}
    good = text.get(form, "<think>2+3</think><answer>5</answer>" if form == DEFAULT else "2+3 is 5")
    bad = good.replace("5", "six")
    config = load_config(ZeroConfig, None, [f"answer_form={form}"])
    reward = make_reward(config.reward)
    assert reward(problem, good).parts == {"accuracy": 1.0, "format": 1.0}
    assert reward(problem, "five").parts == {"accuracy": 0.0, "format": 0.0}
    assert strictly_right(problem, look_at(good, "", form_of(problem).name)) == 1.0
    assert dunwu.reward(FIVE, good, answer_form=form)[0].parts == reward(problem, good).parts
    assert dunwu.verify("5", good, answer_form=form).reason == "correct"
    assert dunwu.verify("5", "five", answer_form=form).reason == "unparsable"
    assert dunwu.verify("5", bad, answer_form=form).reason != "correct"


@pytest.mark.parametrize(
    ("form", "text", "well_formed"),
    [
        ("boxed", r"\boxed{5}", True),
        ("boxed", r"<think>a</think>\boxed{5}", True),
        ("boxed", r"a <think>b</think>\boxed{5}", False),
        ("boxed", r"</think>\boxed{5}", False),
        ("boxed", r"\boxed{4} \boxed{5}", False),
        ("tags", "<answer>5</answer>", False),
        ("tags", "<think>a</think><answer>5</answer>", True),
        (DEFAULT, r"<think>a</think>\boxed{5}", False),
        ("last-number", "it is 5", True),
    ],
)
def test_well_formed(form: AnswerForm, text: str, well_formed: bool) -> None:
    assert parse_completion(text, "", form).well_formed is well_formed


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("last-number", "1 2 3 4 5"),
        ("last-number", "maybe 4, maybe 5"),
        ("last-number", "2 3"),
        ("####", "#### 4 #### 5"),
        ("####", "#### 4\n#### 5"),
        ("boxed", r"\boxed{4}, no, \boxed{5}"),
    ],
)
def test_candidates_side_by_side_do_not_pass_the_strict_check(form: AnswerForm, text: str) -> None:
    problem = in_form(FIVE, form)
    assert strictly_right(problem, look_at(text, "", form)) == 0.0


@pytest.mark.parametrize(
    ("form", "why"),
    [(DEFAULT, r"no <answer> or \boxed{}"), ("tags", "no <answer>"), ("boxed", r"no \boxed{}"), ("####", "no line with ####")],
)
def test_what_was_not_read_is_named(form: AnswerForm, why: str) -> None:
    problem = in_form(FIVE, form)
    verdict = verify(problem, candidate(problem, parse_completion("five", "", form)))
    completion = Completion(TokenSequence.drawn((1,), (0.0,), 0), "five", "stop")
    assert why_unread(Rollout(Prompt(problem, "", (1,)), completion, Reward(0.0, {}, verdict))) == why


@pytest.mark.parametrize(
    ("form", "example"),
    [
        ("tags", "<answer>7</answer>"),
        ("boxed", r"\boxed{7}"),
        ("####", "#### 7"),
        ("last-number", "7"),
        ("boxed-or-last-number", r"\boxed{7}"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_full_wording_asks_for_it(form: AnswerForm, example: str, language: str) -> None:
    task = make_task(ArithmeticTask(wording="full", languages=(language,)), form)
    problem = task.train(0, 0)
    assert example in problem.text
    assert (form == "tags") == ("<answer>" in problem.text)
    assert form_of(problem).name == form


def test_the_default_changes_no_problem() -> None:
    for config in (CountdownTask(wording="full"), Game24Task(), ArithmeticTask()):
        assert make_task(config).train(3, 1) == make_task(config, DEFAULT).train(3, 1)
        assert "answer_form" not in make_task(config).train(3, 1).data


@pytest.mark.parametrize("config", [CountdownTask(), Game24Task()])
def test_a_number_is_no_expression(config: TaskConfig) -> None:
    with pytest.raises(ConfigError, match="last-number"):
        make_task(config, "last-number").train(0, 0)


def test_evaluations_follow_training_unless_they_have_their_own() -> None:
    config = load_config(ZeroConfig, None, ["answer_form=####", "evaluations=[{}, {answer_form: tags}]"])
    assert [each.answer_form for each in config.evaluations] == ["####", "tags"]
    assert [each.answer_form for each in load_config(ZeroConfig, None, []).evaluations] == [None]
    assert load_config(EvalConfig, None, ["answer_form=last-number"]).answer_form == "last-number"
    with pytest.raises(ConfigError, match="tags-or-boxed, tags, boxed, ####, last-number"):
        load_config(EvalConfig, None, ["answer_form=box"])


def test_a_problem_of_an_unknown_form_is_a_fault() -> None:
    for name in ("boxes", 7, ["tags"]):
        problem = Problem("p", "t", "?", "number", answer="5", data={"answer_form": name})
        assert "answer_form" in str(problem_fault(problem))
    with pytest.raises(DataError, match="answer_form"):
        dunwu.verify("5", "5", answer_form="boxes")  # type: ignore[arg-type]


@pytest.mark.parametrize("piece", ["9", "9 ", "9, ", " ", "-", "$9", "9.", "#", "####", "#### 9\n", "9/", "\\boxed{", "<answer>", "or "])
def test_hostile_texts_take_little_time(piece: str) -> None:
    began = time.perf_counter()
    for form in FORMS.values():
        text = piece * (200_000 // len(piece))
        form.find(text)
        form.once(text)
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(("text", "right"), [("First, 2 + 3 = 5", False), (r"It is \boxed{5}, since", True)])
def test_a_text_that_was_cut_off_has_no_last_number_where_a_box_was_asked_for(text: str, right: bool) -> None:
    asked = in_form(FIVE, "boxed-or-last-number")
    assert verify(asked, parse_completion(text, "", form_of(as_read(asked, cut=True)).name).answer).score == float(right)
    assert as_read(asked, cut=False) == asked
    for other in (FIVE, in_form(FIVE, "last-number"), in_form(FIVE, "####")):
        assert as_read(other, cut=True) == other
