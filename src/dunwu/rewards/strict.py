"""The tripwire's built-in check: stricter than the verifiers, and with other code if there is any.

The answer must be a short plain line, given once; an arithmetic expression is parsed by Python's parser instead of ours. The check does not
see an answer that is right by luck, or reasoning that is unrelated to it.
"""

from __future__ import annotations

import ast
from fractions import Fraction

from dunwu.rewards.scope import Whole
from dunwu.text.answer_forms import form_of
from dunwu.types import Problem
from dunwu.verifiers.verify import candidate, verify

MAX_ANSWER = 200
_SHORT = ("expression", "plain_number", "number", "math", "choice")
_SPELLING = str.maketrans({"×": "*", "÷": "/", "−": "-", "（": "(", "）": ")"})


def strictly_right(problem: Problem, whole: Whole) -> float | None:
    """1 or 0; ``None`` if the verifier fails."""
    answer = candidate(problem, whole.completion)
    verdict = verify(problem, answer)
    if verdict.score is None:
        return None
    right = answer is not None and verdict.score == 1.0
    if right and answer is not None and problem.verifier in _SHORT:
        right = _plain(answer) and form_of(problem).once(whole.completion.visible)
    if right and answer is not None and problem.verifier == "expression":
        right = _evaluates(answer, problem)
    return float(right)


def _plain(answer: str) -> bool:
    return len(answer) <= MAX_ANSWER and "\n" not in answer


def _evaluates(answer: str, problem: Problem) -> bool:
    """True if, by Python's parser, the answer uses whole numbers and the four operations, each given number once, and equals the target."""
    left, equals, right = answer.translate(_SPELLING).partition("=")
    try:
        tree = ast.parse(left.strip(), mode="eval").body
        value = _value(tree)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return False
    used = sorted(node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, int))
    target = Fraction(problem.data["target"])
    return value == target and used == sorted(problem.data["numbers"]) and (not equals or right.strip() == str(target))


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int(number)) if type(number) is int:
            return Fraction(number)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left) + _value(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left) - _value(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left) * _value(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _value(left) / _value(right)
    raise ValueError(f"{type(node).__name__} is not arithmetic")
