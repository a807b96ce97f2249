"""reasoning-gym's own scorers; right is a score of exactly 1.0, as smaller scores are consolation prizes.

Several scorers run ``eval``, or sympy's ``parse_expr`` (which is ``eval``), on the answer. No model text gets there unscreened:
number puzzles are checked by our own parser, the others get plain literals or plain formulas only. Screening does not stop an
answer from being slow: give rewards a time limit (`dunwu.rewards.pool`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dunwu.types import Problem, Verdict
from dunwu.verifiers.attempt import attempt
from dunwu.verifiers.make_target import make_target

MAX_LENGTH = 20_000

# Their scorers look at the answer with eval (reasoning-gym 0.1.25); right answers consist of these characters.
_LITERALS = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
_LITERAL = re.compile(r"[\w\s\[\],'\"-]*", re.ASCII)
_FORMULAS = frozenset({"intermediate_integration", "polynomial_multiplication", "simple_integration"})
_FORMULA = re.compile(
    r"(?:[0-9\s+*/(),-]|(?<=[0-9])\.(?![A-Za-z])|(?<![A-Za-z])(?:[A-Za-z]|a?(?:sin|cos|tan)h?|exp|log|sqrt|pi|Integral)(?![A-Za-z]))*"
)
_NUMBER_PUZZLES = frozenset({"countdown", "puzzle24"})


def verify_reasoning_gym(problem: Problem, answer: str) -> Verdict:
    """Score ``answer`` for the item in ``problem.data`` (``name``, ``size``, ``seed``, ``index``, and the item's own fields).

    The item is made again, as JSON has lost its tuples; the stored fields serve where that gives another question.
    An exception inside the scorer is an error of the verifier: no score.
    """
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, "unparsable", f"{len(answer)} characters, at most {MAX_LENGTH}")
    return attempt(lambda: _verify(problem.data, answer), lambda message: Verdict(None, "error", message))


def _verify(data: Mapping[str, Any], answer: str) -> Verdict:
    name = data["name"]
    if name in _NUMBER_PUZZLES:
        return make_target(data["metadata"]["numbers"], data["metadata"].get("target", 24), answer)
    if (name in _LITERALS and not _LITERAL.fullmatch(answer)) or (name in _FORMULAS and not _FORMULA.fullmatch(answer)):
        return Verdict(0.0, "unparsable", "more than a plain literal or formula")
    dataset = _dataset(name, data["size"], data["seed"])
    made = _item(name, data["size"], data["seed"], data["index"])
    item = made if made["question"] == data["question"] else {key: data[key] for key in ("question", "answer", "metadata")}
    score = float(dataset.score_answer(answer=answer, entry=item))
    return Verdict(1.0, "correct") if score == 1.0 else Verdict(0.0, "wrong", f"score {score:g}")


@lru_cache(maxsize=16)
def _dataset(name: str, size: int, seed: int) -> Any:
    import reasoning_gym

    return reasoning_gym.create_dataset(name, size=size, seed=seed)


@lru_cache(maxsize=1024)
def _item(name: str, size: int, seed: int, index: int) -> Any:
    return _dataset(name, size, seed)[index]
