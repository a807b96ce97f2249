"""The wording of problems of the built-in tasks.

``short`` is the tiny world's wording, on which the bundled base model was pre-trained;
``full`` states the rules and the place of the answer, for any other model.
"""

from __future__ import annotations

from collections.abc import Sequence

from dunwu.config.tasks import Wording
from dunwu.text.answer_forms import DEFAULT, FORMS
from dunwu.types import AnswerForm, Language


def reach_target(numbers: Sequence[int], target: int, language: Language, wording: Wording, answer_form: AnswerForm = DEFAULT) -> str:
    """Ask for an expression that uses ``numbers`` and equals ``target``."""
    listed = ",".join(map(str, numbers))
    if wording == "short":
        return f"Use {listed} to make {target}." if language == "en" else f"用{listed}算出{target}。"
    if language == "en":
        return (
            f"Make {target} from the numbers {listed}. Use each number exactly once. "
            "You may add (+), subtract (-), multiply (*), divide (/) and write parentheses. "
            + _place(answer_form, language, "the expression only, without an equals sign", "(1+2)*3")
        )
    rules = f"请用数字{listed}算出{target}。每个数字恰好用一次，可以用加(+)、减(-)、乘(*)、除(/)和括号。"
    return rules + _place(answer_form, language, "算式，不写等号", "(1+2)*3")


def compute(expression: str, language: Language, wording: Wording, answer_form: AnswerForm = DEFAULT) -> str:
    """Ask for the value of ``expression``."""
    if wording == "short":
        return f"Compute {expression}." if language == "en" else f"计算{expression}。"
    if language == "en":
        return f"Compute {expression}. {_place(answer_form, language, 'the number only', '7')}"
    return f"请计算{expression}。{_place(answer_form, language, '一个数', '7')}"


def _place(answer_form: AnswerForm, language: Language, what: str, example: str) -> str:
    """Says where the answer goes."""
    return FORMS[answer_form].place[language].format(what=what, example=example)
