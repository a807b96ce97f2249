"""How problems of the built-in tasks are worded.

``short`` is the tiny world's wording, which the bundled base model was pre-trained on;
``full`` states the rules and where the answer goes, for any other model.
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
            f"Write an expression that equals {target} and uses each of the numbers {listed} exactly once. "
            "You may use +, -, *, / and parentheses. "
            "Put only the expression, without an equals sign, inside <answer> </answer>, for example <answer>(1+2)*3</answer>."
        )
    return (
        f"请用{listed}这几个数列出结果为{target}的算式，每个数必须用且只能用一次，可以使用+、-、*、/和括号。"
        "请只把算式写在<answer> </answer>里，不写等号，例如<answer>(1+2)*3</answer>。"
    )


def compute(expression: str, language: Language, wording: Wording) -> str:
    """Ask for the value of ``expression``."""
    if wording == "short":
        return f"Compute {expression}." if language == "en" else f"计算{expression}。"
    if language == "en":
        return f"Compute {expression}. Put only the number inside <answer> </answer>, for example <answer>7</answer>."
    return f"请计算{expression}，只把得数写在<answer> </answer>里，例如<answer>7</answer>。"
