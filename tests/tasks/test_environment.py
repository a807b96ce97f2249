import pytest

from dunwu.config.tasks import EnvironmentTask
from dunwu.errors import ConfigError, DataError
from dunwu.tasks.environment import Environment

ROWS = [{"question": f"{n} + 1?", "answer": str(n + 1), "info": {"n": n}} for n in range(60)]


@pytest.fixture
def environment(tmp_path):
    def make(body):
        path = tmp_path / "env.py"
        path.write_text(f"class E: pass\ndef load_environment():\n    e = E()\n    {body}\n    return e\n", encoding="utf-8")
        return Environment(EnvironmentTask(function=f"{path}:load_environment", name="plus"))

    return make


def test_rows_are_problems_and_no_text_is_on_two_sides(environment):
    task = environment(f"e.dataset = {ROWS}")
    held_out = task.held_out("test", 99) + task.held_out("validation", 99)
    train = {task.train(index, 0).text for index in range(60)}
    assert len(train) + len(held_out) == 60
    assert train.isdisjoint(problem.text for problem in held_out)
    problem = task.train(0, 0)
    assert (problem.task, problem.verifier, problem.text) == ("plus", "text", f"{problem.data['info']['n']} + 1?")
    assert problem.data["prompt"] == [{"role": "user", "content": problem.text}]


def test_an_evaluation_set_that_is_the_training_set_is_none(environment):
    task = environment(f"e.dataset = {ROWS}; e.get_eval_dataset = lambda: {ROWS}")  # what the library does without one
    assert 0 < len(task.held_out("test", 99)) < 60


def test_an_evaluation_set_is_the_test_split(environment):
    task = environment(f"e.dataset = {ROWS}; e.get_eval_dataset = lambda: {ROWS[:2]}")
    assert [problem.text for problem in task.held_out("test", 9)] == ["0 + 1?", "1 + 1?"]
    assert "0 + 1?" not in {task.train(index, 0).text for index in range(60)}


def test_a_prompt_of_messages(environment):
    rows = [{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": f"q{n}"}]} for n in range(40)]
    problem = environment(f"e.dataset = {rows}").train(0, 0)
    assert problem.text.startswith("q")
    assert problem.data["prompt"][0] == {"role": "system", "content": "s"}
    assert problem.answer is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("pass", "has no rows to train on"),
        ("e.dataset = [{'text': 1}]", "a row without question or prompt \\(text\\)"),
        ("e.dataset = 3", "dataset is a int: rows are needed"),
        ("e.dataset = [1]", "a row is a int"),
        ("e.dataset = {'question': ['a']}", "a row is a str"),
        ("e.dataset = [{'prompt': 5}]", "a row without question or prompt"),
        ("e.dataset = [{'prompt': [{'role': 'user'}]}]", "a row without question or prompt"),
        ("e.dataset = [{'prompt': [{'role': 'user', 'content': [{'type': 'image'}]}]}]", "a row without question or prompt"),
    ],
)
def test_what_is_no_environment(environment, body, told):
    with pytest.raises(DataError, match=told):
        environment(body)


@pytest.mark.parametrize("body", ["e.get_dataset = lambda: 1 / 0", "e.dataset = (1 / 0 for _ in 'ab')", "e.get_dataset = lambda n: []"])
def test_an_environment_whose_rows_cannot_be_read(environment, body):
    with pytest.raises(ConfigError, match="its dataset fails"):
        environment(body)
