import json

import pytest

from dunwu.config.tasks import ArithmeticTask, ChatTask, WeightedTask
from dunwu.errors import DataError
from dunwu.rewards.rules import rule_reward
from dunwu.tasks.chat import Chat
from dunwu.tasks.make import make_mixture


@pytest.fixture
def chat(tmp_path):
    def make(*rows, file="train.jsonl", **keys):
        (tmp_path / file).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return Chat(ChatTask(path=str(tmp_path), **keys))

    return make


def test_a_row_is_a_problem_without_a_verifier(chat):
    row = {"prompt": " Write a poem. ", "category": "writing", "reference": "Roses", "language": "zh", "harmful": True, "other": 1}
    problem = chat(row).train(0, 0)
    assert (problem.text, problem.task, problem.verifier, problem.answer, problem.language) == ("Write a poem.", "chat", "none", None, "zh")
    assert problem.data == {"reference": "Roses", "category": "writing", "harmful": True, "source": "train.jsonl", "row": 1}


@pytest.mark.parametrize(
    ("row", "reference"),
    [
        ({"prompt": "Hello?"}, None),
        ({"prompt": [{"role": "user", "content": "Hello?"}]}, None),
        ({"messages": [{"role": "user", "content": "Hello?"}]}, None),
        ({"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]}, "Hello."),
        ({"prompt": "Hello?", "messages": [{"role": "user", "content": "Other"}], "reference": "Own"}, "Own"),
    ],
)
def test_prompts_and_messages(chat, row, reference):
    problem = chat(row, name="general", language="zh").train(0, 0)
    assert (problem.text, problem.task, problem.language) == ("Hello?", "general", "zh")
    assert (problem.data.get("reference"), problem.data["harmful"]) == (reference, False)


def test_no_prompt_is_on_two_sides(chat):
    task = chat(*({"prompt": f"Tell me of {n}."} for n in range(80)), file="rows.jsonl")
    held_out = task.held_out("test", 99) + task.held_out("validation", 99)
    train = {task.train(index, 0).text for index in range(80)}
    assert len(train) + len(held_out) == 80
    assert train.isdisjoint(problem.text for problem in held_out)
    assert task.held_out("test", 2) == task.held_out("test", 2)
    assert len(task.held_out("test", 2)) == 2


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"sentence": "Hi?"}, "row 1: messages must be text"),
        ({"prompt": " "}, "row 1: nothing instead of text"),
        ({"prompt": 3}, "row 1: prompt must be text"),
        ({"prompt": "Hi?", "harmful": "no"}, "row 1: harmful is 'no': give true or false"),
        ({"prompt": "Hi?", "language": "xx"}, "row 1: language is 'xx': give en or zh"),
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]}, "row 1: messages must be text"),
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}] * 2}, "row 1: messages must be text"),
        ({"messages": [{"role": "user", "content": None}]}, "row 1: messages must be text"),
    ],
)
def test_what_is_no_general_prompt(chat, row, told):
    with pytest.raises(DataError, match=told):
        chat(row)


def test_a_split_without_rows_is_told(chat):
    with pytest.raises(DataError, match="has no test rows \\(test 0, validation 0, train 1\\): add rows"):
        chat({"prompt": "Hello over there?"}, file="train.jsonl").held_out("test", 3)


def test_in_a_mixture_accuracy_applies_to_the_others_only(chat, tmp_path):
    chat(*({"prompt": f"Tell me of {n}."} for n in range(5)))
    sources = (WeightedTask(task=ArithmeticTask(), weight=3.0), WeightedTask(task=ChatTask(path=str(tmp_path))))
    problems = [make_mixture(sources).train(index, 0) for index in range(1000)]
    assert sum(problem.task == "chat" for problem in problems) == 250
    for problem in problems[:40]:
        reward = rule_reward()(problem, "<think>x</think><answer>none</answer>")
        general = problem.verifier == "none"
        assert reward.parts == {"accuracy": None if general else 0.0, "format": 1.0}
        assert reward.total == 1.0  # not excluded
        assert (reward.verdict.reason == "unverified") == general


@pytest.mark.parametrize(
    ("row", "text", "reference"),
    [
        ({"question": "Who?", "answer": "Me."}, "Who?", "Me."),
        ({"instruction": "Say it.", "input": "hi", "output": "hi"}, "Say it.\n\nhi", "hi"),
        ({"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Me."}]}, "Who?", "Me."),
        ({"question": "Who?"}, "Who?", None),
    ],
)
def test_other_forms_of_one_question(tmp_path, row, text, reference):
    (tmp_path / "test.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (problem,) = Chat(ChatTask(path=str(tmp_path))).held_out("test", 9)
    assert (problem.text, problem.data.get("reference")) == (text, reference)
