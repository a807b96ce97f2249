"""The wording of problems of the built-in tasks.

``short`` is the tiny world's wording, on which the bundled base model was pre-trained;
``full`` states the rules and the place of the answer, for any other model.
"""

from __future__ import annotations

from collections.abc import Sequence

from dunwu.config.tasks import Wording
from dunwu.types import Language


def reach_target(numbers: Sequence[int], target: int, language: Language, wording: Wording) -> str:
    """Ask for an expression that uses ``numbers`` and equals ``target``."""
    listed = ",".join(map(str, numbers))
    if wording == "short":
        return f"Use {listed} to make {target}." if language == "en" else f"用{listed}算出{target}。"
    if language == "en":
        return (
            f"Make {target} from the numbers {listed}. Use each number exactly once. "
            "You may add (+), subtract (-), multiply (*), divide (/) and write parentheses. "
            "Inside <answer> </answer> put the expression only, without an equals sign: <answer>(1+2)*3</answer>."
        )
    return (
        f"请用数字{listed}算出{target}。每个数字恰好用一次，可以用加(+)、减(-)、乘(*)、除(/)和括号。"
        "<answer> </answer>里只写算式，不写等号，例如<answer>(1+2)*3</answer>。"
    )


def compute(expression: str, language: Language, wording: Wording) -> str:
    """Ask for the value of ``expression``."""
    if wording == "short":
        return f"Compute {expression}." if language == "en" else f"计算{expression}。"
    if language == "en":
        return f"Compute {expression}. Inside <answer> </answer> put the number only: <answer>7</answer>."
    return f"请计算{expression}。<answer> </answer>里只写一个数，例如<answer>7</answer>。"
