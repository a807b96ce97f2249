import pytest

from dunwu.errors import ConfigError
from dunwu.process.own_code import load_function
from dunwu.rewards.compose import ComposedReward, Part
from dunwu.rewards.outcome import decode, encode
from dunwu.rewards.own import OwnFunction
from dunwu.rewards.scope import Reasoning, Whole
from dunwu.types import Problem

PROBLEM = Problem(id="p7", task="mine", text="How many?", verifier="number", answer="24", language="zh", data={"level": 3, "not a name": 1})


@pytest.fixture
def own(tmp_path):
    def write(body, name="score", file="mine.py"):
        path = tmp_path / file
        path.write_text(body, encoding="utf-8")
        return f"{path}:{name}"

    return write


def score(function, text="<think>abc</think><answer>24</answer>", scope=Whole):
    return ComposedReward(0.0, (Part("mine", scope, OwnFunction(function)),))(PROBLEM, text)


def test_trl_signature_with_columns(own):
    body = (
        "def score(prompts, completions, answer, level, **columns):\n"
        "    assert (prompts, answer, level) == (['How many?'], ['24'], [3])\n"
        "    assert columns == {'id': ['p7'], 'task': ['mine'], 'language': ['zh']}\n"
        "    return [float(len(c)) for c in completions]\n"
    )
    assert score(own(body)).total == 37.0
    assert score(own(body), scope=Reasoning).total == 3.0


def test_a_function_without_catch_all_gets_the_columns_it_names(own):
    assert score(own("def score(completions, prompts, level):\n    return [level[0] / 2]\n")).total == 1.5


def test_none_means_that_it_does_not_apply(own):
    found = score(own("def score(prompts, completions, **c):\n    return [None]\n"))
    assert (found.total, found.parts["mine"], found.verdict.reason) == (None, None, "correct")


@pytest.mark.parametrize(
    "result",
    [
        "numpy.array([0.5])",
        "numpy.array(0.5)",
        "numpy.float32(0.5)",
        "torch.tensor([0.5])",
        "torch.tensor(0.5, requires_grad=True)",
        "(0.5,)",
        "[torch.tensor(0.5)]",
        "[numpy.float64(0.5)]",
    ],
)
def test_arrays_tensors_and_tuples_are_lists(own, result):
    assert score(own(f"import numpy, torch\ndef score(prompts, completions, **c):\n    return {result}\n")).total == 0.5


def test_a_failure_is_named_by_its_part(own):
    found = score(own("def score(prompts, completions, **c):\n    return c['gone']\n"))
    assert found.failures.keys() == {"mine"}
    assert decode(encode([found])) == [found]


@pytest.mark.parametrize(
    "result", ["1.0", "torch.ones(2)", "numpy.ones((1, 1))", "[1.0, 1.0]", "[]", "[float('nan')]", "['much']", "None", "1 / 0"]
)
def test_a_wrong_number_of_rewards_is_an_error_and_never_spread_over_others(own, result):
    found = score(own(f"import numpy, torch\ndef score(prompts, completions, **c):\n    return {result}\n"))
    assert (found.total, found.verdict.reason) == (None, "error")
    assert found.verdict.detail.startswith("part mine: ")


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("mine.py", "write path/to/file.py:function"),
        ("mine:score", "write path/to/file.py:function"),
        ("nowhere/mine.py:score", "there is no file nowhere/mine.py"),
    ],
)
def test_a_function_that_is_not_there(function, told):
    with pytest.raises(ConfigError, match=told):
        load_function(function)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("def other(): pass\n", "has no function score; it has other"),
        ("score = 3\n", "has no function score; it has none"),
        ("import nowhere_at_all\n", "cannot be run .*nowhere_at_all"),
        ("def score(:\n", "cannot be run .*SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_used(own, body, told):
    with pytest.raises(ConfigError, match=told):
        load_function(own(body))


@pytest.mark.parametrize(
    "result", ["['1.0']", "['nan']", "[b'1']", "[[1.0]]", "[1j]", "[{}]", "['']", "[numpy.array(['1.0'])]", "numpy.array(['1'])"]
)
def test_what_is_no_number_is_a_mistake_of_the_function(own, result):
    found = score(own(f"import numpy\ndef score(prompts, completions, **c):\n    return {result}\n"))
    assert (found.total, found.verdict.reason) == (None, "error")


@pytest.mark.parametrize("result", ["[True]", "[numpy.bool_(True)]", "[1]", "[numpy.int64(1)]", "[fractions.Fraction(1)]"])
def test_numbers_of_all_kinds_and_truth_values_are_scores(own, result):
    assert score(own(f"import fractions, numpy\ndef score(prompts, completions, **c):\n    return {result}\n")).total == 1.0
