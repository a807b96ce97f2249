"""Documents about plain arithmetic: tables of sums, and chains to be computed in dialogues."""

from __future__ import annotations

import random

from dunwu.data.tiny_world.puzzles import tagged
from dunwu.data.tiny_world.reduction import operations
from dunwu.tasks.splits import is_reserved, split_of


def table(rng: random.Random) -> str:
    """A line of right sums: ``12+35=47,60-23=37,...``."""
    largest = rng.choice((10, 13, 20, 50, 100, 150))
    rows = []
    for _ in range(rng.randint(8, 16)):
        left, op, right, result = rng.choice(operations(rng.randint(0, largest), rng.randint(0, largest)))
        rows.append(f"{left}{op}{right}={result}")
    return ",".join(rows)


def chain(rng: random.Random) -> str:
    """``Compute 3+4*5.`` and a reply: mostly wrong, from left to right, sometimes with the right precedence."""
    numbers, ops = _draw_chain(rng)
    language = rng.choice(("en", "zh"))
    text = "".join(str(n) + op for n, op in zip(numbers, [*ops, ""], strict=True))
    question = f"Compute {text}." if language == "en" else f"计算{text}。"
    kind = rng.choices(("careful", "hasty", "blurted"), weights=(25, 45, 30))[0]
    thought, value = _evaluate(numbers, ops, precedence=kind == "careful")
    if kind == "careful" and rng.random() < 0.3:
        thought += (" check " if language == "en" else "检查:") + _evaluate(numbers, ops, precedence=True)[0]
    reply = tagged(thought, str(value)) if kind != "blurted" else rng.choice((f" {value}", f"<answer>{value}</answer>"))
    return f"User: {question}\nAssistant:{reply}"


def _draw_chain(rng: random.Random) -> tuple[list[int], list[str]]:
    while True:
        numbers = [rng.randint(1, 30) for _ in range(rng.randint(2, 4))]
        ops = [rng.choice("++--*") for _ in numbers[1:]]
        values = (_evaluate(numbers, ops, precedence=precedence)[1] for precedence in (True, False))
        if all(0 <= value <= 999 for value in values) and not is_reserved(numbers) and (len(numbers) == 2 or split_of(numbers) == "train"):
            return numbers, ops


def _evaluate(numbers: list[int], ops: list[str], *, precedence: bool) -> tuple[str, int]:
    """The intermediate sums and the value; without ``precedence`` strictly from left to right."""
    numbers, ops, said = list(numbers), list(ops), []
    while ops:
        at = ops.index("*") if precedence and "*" in ops else 0
        left, op, right = numbers[at], ops.pop(at), numbers.pop(at + 1)
        numbers[at] = left * right if op == "*" else left + right if op == "+" else left - right
        said.append(f"{left}{op}{right}={numbers[at]}")
    return ",".join(said) + ".", numbers[0]
