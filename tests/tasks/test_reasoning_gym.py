import json
import re

import pytest
import reasoning_gym

from dunwu.config.load import load_config, validate
from dunwu.config.recipes import bundled_recipes
from dunwu.config.tasks import ReasoningGymTask, task_title
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from dunwu.jobs.measure import set_names
from dunwu.tasks.reasoning_gym import ReasoningGym, split_of_entry
from dunwu.tasks.splits import GAME24_HELD_OUT, split_of, split_of_text
from dunwu.verifiers.reasoning_gym import verify_reasoning_gym


@pytest.fixture(scope="module")
def task():
    return ReasoningGym(ReasoningGymTask(name="spell_backward", size=400))


def test_items_can_be_scored_later(task):
    problem = task.train(3, 0)
    data = json.loads(json.dumps(problem.data))
    assert data == problem.data
    scorer = reasoning_gym.create_dataset(data["name"], size=data["size"], seed=data["seed"])
    assert scorer[data["index"]]["question"] == problem.text == data["question"]
    assert scorer.score_answer(problem.answer, data) == 1.0
    assert scorer.score_answer("wrong", data) < 1.0
    assert problem.verifier == "reasoning_gym"


def test_splits_share_no_question(task):
    train = {task.train(i, 0).text for i in range(800)}
    validation = {p.text for p in task.held_out("validation", 400)}
    test = {p.text for p in task.held_out("test", 400)}
    assert train.isdisjoint(validation | test)
    assert validation.isdisjoint(test)
    assert 20 < len(test) < 70
    assert len(train) > 280


def test_held_out_is_distinct_and_deterministic(task):
    problems = task.held_out("test", 20)
    assert len({p.text for p in problems}) == 20
    assert ReasoningGym(ReasoningGymTask(name="spell_backward", size=400)).held_out("test", 20) == problems
    assert task.held_out("test", 20, seed=1) != problems
    assert task.held_out("test", 0) == []


def test_training_is_deterministic_and_rarely_repeats(task):
    ids = [task.train(i, 0).id for i in range(64)]
    assert ids == [task.train(i, 0).id for i in range(64)]
    assert len(set(ids)) > 50


@pytest.mark.parametrize("name", ["countdown", "puzzle24"])
def test_number_puzzles_share_the_splits_by_multiset(name):
    task = ReasoningGym(ReasoningGymTask(name=name, size=40))
    assert all(split_of(task.train(i, 0).data["metadata"]["numbers"]) == "train" for i in range(12))
    assert all(split_of(p.data["metadata"]["numbers"]) == "test" for p in task.held_out("test", 2))


def test_reserved_multisets_belong_to_no_split():
    reserved = list(min(GAME24_HELD_OUT))
    assert split_of_entry({"question": "q", "metadata": {"numbers": reserved}}) is None
    assert split_of_entry({"question": "q", "metadata": {"numbers": [*reserved, 1]}}) is not None
    assert split_of_entry({"question": "q", "metadata": {"numbers": ["1", "2"]}}) == split_of_text("q")


def test_unknown_name_gets_the_nearest():
    with pytest.raises(ConfigError, match="no data set 'spel_backwards': did you mean spell_backward"):
        ReasoningGym(ReasoningGymTask(name="spel_backwards"))
    with pytest.raises(ConfigError, match="cannot be made"):
        ReasoningGym(ReasoningGymTask(name="composite"))


def test_parameters_grade_a_data_set():
    easy = ReasoningGymTask(name="chain_sum", size=200, parameters={"min_terms": 2, "max_terms": 2, "max_digits": 1}, title="easy")
    task = ReasoningGym(easy)
    problem = task.train(0, 0)
    assert problem.task == task_title(easy) == "easy"
    assert problem.id.startswith("easy-")
    assert problem.data["name"] == "chain_sum"
    assert problem.data["parameters"] == easy.parameters
    assert verify_reasoning_gym(problem, problem.answer).score == 1.0
    assert verify_reasoning_gym(problem, "99").score == 0.0
    assert all(len(re.findall(r"\d", task.train(i, 0).text)) == 2 for i in range(20))


def test_default_items_name_no_parameters(task):
    assert "parameters" not in task.train(0, 0).data


@pytest.mark.parametrize(
    ("parameters", "hint"),
    [({"max_term": 2}, "did you mean max_terms"), ({"seed": 1}, "has no parameter"), ({"min_terms": 9, "max_terms": 2}, "cannot be made")],
)
def test_parameters_that_a_data_set_lacks(parameters, hint):
    with pytest.raises(ConfigError, match=hint):
        ReasoningGym(ReasoningGymTask(name="chain_sum", parameters=parameters))


@pytest.mark.parametrize("model", ["smollm2-135m", "qwen2.5-0.5b", "qwen3-0.6b", "llama-3.2-1b"])
def test_the_grades_of_the_recipes(model):
    config = load_config(ZeroConfig, bundled_recipes()[f"{model}/zero"], [])
    assert len(set(set_names(config.evaluations))) == len(config.tasks) == 3
    for source in config.tasks:
        assert ReasoningGym(source.task.model_copy(update={"size": 100})).train(0, 0).task == source.task.title


def test_a_mixture_of_grades_is_measured_grade_by_grade():
    grades = [
        {"kind": "reasoning_gym", "name": "chain_sum", "title": title, "parameters": {"max_terms": n}} for title, n in (("a", 2), ("b", 3))
    ]
    config = validate(ZeroConfig, {"tasks": grades})
    assert set_names(config.evaluations) == ["a", "b"]
    assert len({each.task for each in config.tasks}) == 2
    with pytest.raises(ConfigError):
        validate(ZeroConfig, {"tasks": [{**grades[0], "parameters": {"data_file": "/etc/passwd"}}]})
