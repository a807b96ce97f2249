import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from dunwu.config.tasks import CountdownTask
from dunwu.errors import ConfigError
from dunwu.tasks.countdown import LEVELS, Countdown
from dunwu.tasks.splits import GAME24_HELD_OUT
from tests.tasks.solver import solutions

ALL = CountdownTask(levels=(1, 2, 3, 4, 5))


def multiset(problem):
    return tuple(sorted(problem.data["numbers"]))


@pytest.fixture(scope="module")
def by_split():
    """20,000 problems of all splits, heavy on level 4, where reserved multisets would turn up (about 1 in 20)."""
    task, level4 = Countdown(ALL), Countdown(CountdownTask(levels=(4,)))
    return {
        "train": [task.train(i, 0) for i in range(6000)] + [level4.train(i, 1) for i in range(10_000)],
        "validation": task.held_out("validation", 1000) + level4.held_out("validation", 1500),
        "test": task.held_out("test", 1000) + level4.held_out("test", 1500),
    }


def test_no_reserved_multiset(by_split):
    assert sum(map(len, by_split.values())) > 20_000
    for problems in by_split.values():
        assert not {multiset(p) for p in problems} & GAME24_HELD_OUT


def test_splits_share_no_multiset(by_split):
    train, validation, test = ({multiset(p) for p in by_split[split]} for split in ("train", "validation", "test"))
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_problems_obey_their_level(by_split):
    for problem in by_split["train"][:6000] + by_split["test"]:
        level = LEVELS[problem.data["level"]]
        assert len(problem.data["numbers"]) == level.count
        assert all(1 <= n <= level.largest for n in problem.data["numbers"])
        assert level.lowest_target <= problem.data["target"] <= level.highest_target
        assert problem.difficulty == problem.data["level"]


def test_every_sampled_problem_is_solvable(by_split):
    for problem in by_split["train"][:300] + by_split["test"][:100] + by_split["validation"][:100]:
        assert solutions(problem.data["numbers"], problem.data["target"], 1), problem.text


def test_held_out_is_distinct_and_balanced():
    problems = Countdown(CountdownTask()).held_out("test", 200)
    assert len({(multiset(p), p.data["target"]) for p in problems}) == 200
    assert len({p.id for p in problems}) == 200
    assert set(Counter((p.data["level"], p.language) for p in problems).values()) == {25}
    assert Countdown(CountdownTask()).held_out("test", 80) == problems[:80]
    assert Countdown(CountdownTask()).held_out("test", 200, seed=1) != problems


def test_exhausted_level_ends():
    problems = Countdown(CountdownTask(levels=(1,))).held_out("test", 100_000)
    assert 50 < len(problems) < 2000
    mixed = Countdown(CountdownTask(levels=(1, 2))).held_out("test", 600)
    assert len(mixed) == 600


def test_training_draws_levels_and_languages_equally():
    problems = [Countdown(CountdownTask()).train(i, 3) for i in range(4000)]
    assert all(900 < count < 1100 for count in Counter(p.data["level"] for p in problems).values())
    assert 1850 < sum(p.language == "zh" for p in problems) < 2150


def test_all_operations_are_needed():
    """Targets come from all four operations: without division, or with sums alone, some problems have no solution."""
    problems = [Countdown(CountdownTask(levels=(1,))).train(i, 0) for i in range(300)]
    found = [solutions(p.data["numbers"], p.data["target"], 1000) for p in problems]
    for operation in "+-*/":
        assert any(all(operation in expression for expression in expressions) for expressions in found)


def test_wording():
    english, chinese = (Countdown(CountdownTask(levels=(1,), languages=(lang,))).train(4, 2) for lang in ("en", "zh"))
    listed = ",".join(map(str, english.data["numbers"]))
    assert english.text == f"Use {listed} to make {english.data['target']}."
    assert chinese.text == f"用{','.join(map(str, chinese.data['numbers']))}算出{chinese.data['target']}。"
    full = Countdown(CountdownTask(levels=(1,), languages=("en",), wording="full")).train(4, 2)
    assert full.data == english.data
    assert listed in full.text
    assert "exactly once" in full.text


def test_unknown_level():
    with pytest.raises(ConfigError, match="no level 9: choose from 1, 2, 3, 4, 5"):
        Countdown(CountdownTask(levels=(1, 9)))


def test_speed():
    task = Countdown(CountdownTask())
    start = time.process_time()
    for index in range(1000):
        task.train(index, 9)
    assert time.process_time() - start < 0.2


PRINT_STREAM = """
import json
from dunwu.config.tasks import *
from dunwu.tasks.make import make_task
for config in (CountdownTask(), Game24Task(), ArithmeticTask()):
    task = make_task(config)
    problems = [task.train(i, 7) for i in (0, 1, 5000)] + task.held_out("test", 5) + task.held_out("validation", 5, 2)
    print(json.dumps([[p.id, p.text, p.answer, dict(p.data)] for p in problems]))
"""


def test_same_in_every_process():
    outputs = set()
    for hash_seed in ("0", "12345"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", PRINT_STREAM], env=environment, capture_output=True, text=True, check=True)
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == 3


def test_global_random_state_is_neither_used_nor_touched():
    import random

    random.seed(1)
    before = random.getstate()
    first = Countdown(CountdownTask()).train(0, 0)
    assert random.getstate() == before
    random.seed(2)
    assert Countdown(CountdownTask()).train(0, 0) == first
    assert json.loads(json.dumps(first.data)) == first.data
