from collections import Counter
from random import Random

import pytest

from dunwu.config.tasks import ArithmeticTask
from dunwu.tasks.arithmetic import Arithmetic, draw_chain, signed_products
from dunwu.tasks.splits import GAME24_HELD_OUT, split_of


@pytest.mark.parametrize(
    ("numbers", "operators", "summands"),
    [((3, 4, 5), "+*", [3, 20]), ((3, 4, 5, 6), "-*+", [3, -20, 6]), ((2, 3, 4), "**", [24]), ((9, 2, 3), "--", [9, -2, -3])],
)
def test_precedence(numbers, operators, summands):
    assert signed_products(numbers, operators) == summands


def test_answers_are_right_and_in_range():
    task = Arithmetic(ArithmeticTask(max_terms=8))
    for index in range(1000):
        problem = task.train(index, 0)
        assert problem.answer == str(eval(problem.data["expression"]))
        assert 0 <= int(problem.answer) <= 999
        assert problem.difficulty == len(problem.data["numbers"])
        assert problem.verifier == "plain_number"


def test_splits_are_disjoint_and_reserved_multisets_absent():
    task = Arithmetic(ArithmeticTask())
    train = {tuple(sorted(task.train(i, 0).data["numbers"])) for i in range(2000)}
    test = {tuple(sorted(p.data["numbers"])) for p in task.held_out("test", 300)}
    validation = {tuple(sorted(p.data["numbers"])) for p in task.held_out("validation", 300)}
    assert not train & test
    assert not train & validation
    assert not test & validation
    assert not (train | test | validation) & GAME24_HELD_OUT


def test_a_reserved_draw_is_refused():
    """Reserved multisets count as test for `split_of`, so only the explicit check keeps them out of the test split."""
    rng = Random(0)
    chains = [draw_chain(4, "test", rng) for _ in range(3000)]
    assert not {tuple(sorted(c.numbers)) for c in chains} & GAME24_HELD_OUT
    assert all(split_of(c.numbers) == "test" for c in chains)


def test_held_out_is_distinct_balanced_and_ends():
    problems = Arithmetic(ArithmeticTask()).held_out("test", 300)
    assert len({p.data["expression"] for p in problems}) == 300
    assert set(Counter((p.difficulty, p.language) for p in problems).values()) == {50}
    assert len(Arithmetic(ArithmeticTask(max_terms=2)).held_out("test", 10_000)) < 10_000


def test_wording():
    english, chinese = (Arithmetic(ArithmeticTask(languages=(lang,))).train(0, 0) for lang in ("en", "zh"))
    assert english.text == f"Compute {english.data['expression']}."
    assert chinese.text == f"计算{chinese.data['expression']}。"
    full = Arithmetic(ArithmeticTask(languages=("zh",), wording="full")).train(0, 0)
    assert full.text != chinese.text
    assert chinese.data["expression"] in full.text
