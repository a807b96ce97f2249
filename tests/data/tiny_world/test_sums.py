import random
import re
from collections.abc import Callable
from fractions import Fraction

from dunwu.data.tiny_world.reduction import LIMIT
from dunwu.data.tiny_world.sums import chain, table
from dunwu.models.thinking import parse_completion
from dunwu.tasks.splits import is_reserved, split_of
from dunwu.tasks.wording import compute
from dunwu.verifiers.expression import parse_expression

CHAIN = re.compile(r"User: ((?:Compute |计算)([-+*0-9]+)[.。])\nAssistant:(.*)", re.DOTALL)


def from_left_to_right(text: str) -> int:
    first, *rest = re.findall(r"[-+*]?[0-9]+", text)
    value = int(first)
    for part in rest:
        number = int(part[1:])
        value = value * number if part[0] == "*" else value + number if part[0] == "+" else value - number
    return value


def test_a_table_holds_right_sums(wrong_equations: Callable[[str], list[str]]) -> None:
    rng = random.Random(1)
    for _ in range(500):
        text = table(rng)
        assert wrong_equations(text) == []
        assert 8 <= len(re.findall(r"\d+[-+*/]\d+=\d+", text)) <= 16
        assert all(int(number) <= LIMIT for number in re.findall(r"\d+", text))


def test_the_check_sees_wrong_sums(wrong_equations: Callable[[str], list[str]]) -> None:
    assert wrong_equations("3+4=8,9/0=0,7-9=-2,-2+8=6,8/3=2,(3*7)+8=29") == ["3+4=8", "9/0=0", "8/3=2"]


def test_chains_are_computed_with_and_without_care(wrong_equations: Callable[[str], list[str]]) -> None:
    rng = random.Random(2)
    careful = hasty = told = 0
    for _ in range(4000):
        match = CHAIN.fullmatch(chain(rng))
        assert match is not None
        question, expression, reply = match.groups()
        assert question in [compute(expression, language, "short") for language in ("en", "zh")]
        numbers = [int(number) for number in re.findall("[0-9]+", expression)]
        assert not is_reserved(numbers)
        assert len(numbers) == 2 or split_of(numbers) == "train"
        assert wrong_equations(reply) == []
        answer = parse_completion(reply).answer
        if answer is None:
            continue
        right, quick = parse_expression(expression).value, from_left_to_right(expression)
        assert int(answer) in (right, quick)
        if right != quick:
            told += 1
            careful += Fraction(answer) == right
            hasty += int(answer) == quick
    assert told > 200
    assert 0.15 < careful / told < 0.45
    assert hasty > careful
