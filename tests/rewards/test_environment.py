import pytest

from dunwu.errors import ConfigError
from dunwu.rewards.environment import EnvironmentScore, load_environment
from dunwu.rewards.scope import look_at
from dunwu.types import Problem

PROBLEM = Problem(id="p", task="env", text="2 + 2?", verifier="text", answer="4", data={"info": {"bonus": 3}})
HEAD = """
class Rubric:
    def __init__(self, funcs=(), weights=(), rubrics=(), **objects):
        self.funcs, self.weights, self.rubrics, self.class_objects = list(funcs), list(weights), list(rubrics), objects
class Environment:
    def __init__(self, rubric): self.rubric = rubric
"""


@pytest.fixture
def environment(tmp_path):
    def write(body):
        path = tmp_path / "env.py"
        path.write_text(HEAD + body, encoding="utf-8")
        return f"{path}:load_environment"

    return write


def test_weighted_functions_plain_and_coroutine_with_what_they_name(environment):
    function = environment(
        "def right(completion, answer): return float(answer in completion[-1]['content'])\n"
        "async def bonus(info, prompt, **kwargs): return info['bonus'] * len(prompt) * len(kwargs['state'])\n"
        "def parsed(parser, task): return float(parser == 'P' and task == 'env')\n"
        "def metric(completion): raise ValueError('weight 0 is not called')\n"
        "def load_environment():\n"
        "    inner = Rubric([parsed], [100.0], parser='P')\n"
        "    return Environment(Rubric([right, bonus, metric], [1.0, 0.5, 0.0], [inner]))\n"
    )
    assert EnvironmentScore(function)(PROBLEM, look_at("It is 4.")) == 1.0 + 0.5 * 3 * 1 * 5 + 100.0
    assert EnvironmentScore(function)(PROBLEM, look_at("It is 5.")) == 107.5


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("def load_environment(): return 3\n", "returns a int without a rubric"),
        (
            "def f(completions): return [1]\ndef load_environment(): return Environment(Rubric([f], [1.0]))\n",
            "f takes completions, a whole group",
        ),
    ],
)
def test_an_environment_that_cannot_be_used(environment, body, told):
    with pytest.raises(ConfigError, match=told):
        load_environment(environment(body))
