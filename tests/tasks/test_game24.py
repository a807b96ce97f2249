import json
from collections import Counter

import pytest

from dunwu.config.tasks import Game24Task
from dunwu.tasks.game24 import Game24, puzzles_of
from dunwu.tasks.game24_puzzles import load_puzzles
from dunwu.tasks.splits import GAME24_HELD_OUT
from tests.tasks.solver import solutions


def test_puzzles():
    puzzles = load_puzzles()
    assert [p.rank for p in puzzles] == list(range(1, 1363))
    assert len({tuple(sorted(p.numbers)) for p in puzzles}) == 1362
    assert all(len(p.numbers) == 4 and all(1 <= n <= 13 for n in p.numbers) for p in puzzles)
    assert all(p.human_seconds > 0 and 0 < p.human_solve_rate <= 1 for p in puzzles)
    assert (puzzles[0].numbers, puzzles[0].human_seconds, puzzles[0].human_solve_rate) == ((1, 1, 4, 6), 4.4, 0.992)


def test_sample_is_solvable():
    assert all(solutions(p.numbers, 24, 1) for p in load_puzzles()[::10])


@pytest.mark.slow
def test_all_are_solvable():
    assert all(solutions(p.numbers, 24, 1) for p in load_puzzles())


def test_test_split_is_the_published_one():
    problems = Game24(Game24Task()).held_out("test", 100)
    assert [p.data["rank"] for p in problems] == list(range(901, 1001))
    assert Counter(p.language for p in problems) == {"en": 50, "zh": 50}
    assert Game24(Game24Task()).held_out("test", 1000) == problems


def test_smaller_limits_sample_the_split():
    task = Game24(Game24Task())
    ranks = [p.data["rank"] for p in task.held_out("test", 30)]
    assert ranks == sorted(set(ranks))
    assert len(ranks) == 30
    assert max(ranks) > 950
    assert ranks != [p.data["rank"] for p in task.held_out("test", 30, seed=1)]
    assert task.held_out("test", 0) == []


def test_splits_share_no_multiset_and_hold_no_reserved_one():
    multisets = {split: {tuple(sorted(p.numbers)) for p in puzzles_of(split)} for split in ("train", "validation", "test")}
    assert multisets["test"] == GAME24_HELD_OUT
    assert not multisets["train"] & (multisets["validation"] | GAME24_HELD_OUT)
    assert not multisets["validation"] & GAME24_HELD_OUT
    assert len(multisets["train"]) > 900
    assert len(multisets["validation"]) > 90


def test_training_stream_holds_no_reserved_multiset():
    task = Game24(Game24Task())
    seen = {tuple(sorted(task.train(i, 0).data["numbers"])) for i in range(3000)}
    assert not seen & GAME24_HELD_OUT


def test_an_epoch_is_a_permutation():
    task = Game24(Game24Task())
    size = len(puzzles_of("train"))
    first = [task.train(i, 5).data["rank"] for i in range(size)]
    second = [task.train(i, 5).data["rank"] for i in range(size, 2 * size)]
    assert sorted(first) == sorted(second) == [p.rank for p in puzzles_of("train")]
    assert first != second


def test_problem_fields():
    problem = Game24(Game24Task(languages=("en",))).held_out("test", 100)[0]
    assert problem.text == f"Use {','.join(map(str, problem.data['numbers']))} to make 24."
    assert (problem.verifier, problem.difficulty, problem.data["target"], problem.id) == ("expression", 901.0, 24, "game24-901")
    assert set(problem.data) == {"numbers", "target", "rank", "human_seconds", "human_solve_rate"}
    assert json.loads(json.dumps(problem.data)) == problem.data
