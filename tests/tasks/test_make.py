import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from dunwu.config.tasks import ArithmeticTask, CountdownTask, DatasetTask, Game24Task, ReasoningGymTask, WeightedTask
from dunwu.tasks.make import make_mixture, make_task


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (CountdownTask(), "countdown"),
        (Game24Task(), "game24"),
        (ArithmeticTask(), "arithmetic"),
        (ReasoningGymTask(name="chain_sum", size=100), "chain_sum"),
    ],
)
def test_make_task(config, name):
    task = make_task(config)
    assert task.name == name
    assert task.train(0, 0).task == name
    assert len(task.held_out("validation", 2)) == 2


def test_make_dataset(tmp_path):
    (tmp_path / "test.jsonl").write_text('{"problem": "1+1?", "answer": 2}\n')
    assert make_task(DatasetTask(path=str(tmp_path / "test.jsonl"))).held_out("test", 1)[0].answer == "2"


def test_make_mixture():
    both = make_mixture([WeightedTask(task=CountdownTask()), WeightedTask(task=Game24Task(), weight=2.0)])
    assert {both.train(i, 0).task for i in range(20)} == {"countdown", "game24"}
    assert make_mixture([WeightedTask(task=CountdownTask())]).name == "countdown"


@pytest.mark.parametrize("options", [{"languages": ()}, {"languages": ("fr",)}, {"levels": ()}, {"wording": "long"}, {"level": 1}])
def test_impossible_configurations(options):
    with pytest.raises(ValidationError):
        CountdownTask(**options)


def test_light():
    """Making the built-in tasks imports no heavy package."""
    code = (
        "import sys; from dunwu.tasks.make import make_task; from dunwu.config.tasks import CountdownTask;"
        "make_task(CountdownTask()).train(0, 0);"
        "print([m for m in ('torch', 'transformers', 'datasets', 'pyarrow', 'reasoning_gym', 'numpy') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout == "[]\n"
