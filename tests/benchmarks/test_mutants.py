"""The one-character changes of the mutants benchmark."""

import ast

from benchmarks.mutants import mutant, mutants
from dunwu.types import Problem

SOURCE = "def f(a, *b, c=1):\n    # 1 + 1\n    return a // 2 + 10 if a <= 3 else a == 'x1 + 1'\n"


def test_each_mutant_differs_in_one_character_and_parses_to_another_tree():
    found = list(mutants(SOURCE))
    assert len(found) == len(set(found)) == 7
    for changed in found:
        assert sum(left != right for left, right in zip(SOURCE, changed, strict=True)) == 1
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(SOURCE))


def test_the_choice_is_the_same_each_time_and_may_be_none():
    problem = Problem("p", "t", "?", "code")
    assert mutant(problem, SOURCE) == mutant(problem, SOURCE)
    assert mutant(problem, "def f(x):\n    return x\n") is None
