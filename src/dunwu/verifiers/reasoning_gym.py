"""reasoning-gym's own scorers; right is a score of exactly 1.0, as smaller scores are consolation prizes.

Of the 106 data sets of version 0.1.25 some score with ``eval``, or with sympy's ``parse_expr`` (which is ``eval``). No model text gets
there unscreened: number puzzles are checked by our own parser, the others get plain literals or plain formulas only, and an item whose
own text is evaluated must have been made by reasoning-gym here, not come out of a file. Some give 1.0 to what is no right answer (``nan``,
any text at all, the first digit, a list of guesses): there we compare ourselves, or screen. A test reads the source of all scorers and
fails when a new one evaluates.

Not stopped: an answer that is slow to score (give rewards a time limit, `dunwu.rewards.pool`); ``codeio`` runs programs of its own to make
its items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from dunwu.process.attempt import attempt
from dunwu.types import Problem, Verdict
from dunwu.verifiers.make_target import make_target
from dunwu.verifiers.number import NotOneNumber, Number, parse_number

MAX_LENGTH = 20_000

NUMBER_PUZZLES = frozenset({"countdown", "puzzle24"})

EVALUATE_THE_ITEM = frozenset(
    {"bitwise_arithmetic", "number_sorting", "intermediate_integration", "polynomial_multiplication", "simple_integration"}
)
"""Their scorers evaluate the gold answer or the metadata: an item of theirs that cannot be made again is not scored."""

_SCIENTIFIC = re.compile(r"\s*[0-9](?:\.[0-9]{1,20})?[eE]-[0-9]{1,2}\s*")
_LITERAL = re.compile(r"[\w\s\[\],'\"-]*", re.ASCII)
_FORMULA = re.compile(
    r"(?:[0-9\s+*/(),-]|(?<=[0-9])\.(?![A-Za-z])|(?<![A-Za-z])(?:[A-Za-z]|a?(?:sin|cos|tan)h?|exp|log|sqrt|pi|Integral)(?![A-Za-z]))*"
)
_TIME = r"[0-9]+:[0-9]+(?::[0-9]+(?:\.[0-9]+)?)?"
SHAPES: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(("binary_matrix", "n_queens", "spiral_matrix", "string_insertion"), _LITERAL),  # eval of the answer
    **dict.fromkeys(("intermediate_integration", "polynomial_multiplication", "simple_integration"), _FORMULA),  # parse_expr of it
    "advanced_geometry": re.compile(r"[0-9./°\s-]*|\s*\([0-9./\s-]*,[0-9./\s-]*\)\s*"),  # what follows the numbers is passed over
    "complex_arithmetic": re.compile(r"[0-9ij.+()\s-]*"),  # nan is at distance 0 from everything
    "fraction_simplification": re.compile(r"[\s$]*(?:[0-9]+\s*/\s*[0-9]+|\\d?frac\s*\{\s*[0-9]+\s*\}\s*\{\s*[0-9]+\s*\})[\s$]*"),
    "kakurasu": re.compile(r"[01\s]*"),  # whatever is no 0 or 1 is passed over
    "polynomial_equations": re.compile(r"[0-9.,eE+\s-]*"),  # words are no solutions, which is right where there is none
    "quantum_lock": re.compile(r"[A-Ca-c\s,→>-]*"),  # the letters A to C of any prose are pressed
    "sokoban": re.compile(r"[LRUDlrud\s]*"),
    "survo": re.compile(r"[0-9\s]*"),  # words are passed over, a "not" among them
    "time_intervals": re.compile(rf"\s*(?:[0-9]+(?: days?)?(?:,\s*{_TIME})?|{_TIME})\s*"),
    "tower_of_hanoi": re.compile(r"(?:\s*Move disk [0-9]+ from Peg [0-9]+ to Peg [0-9]+\.?)*\s*"),
}
"""What a right answer consists of; anything else is unparsable."""


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
    if name in NUMBER_PUZZLES:
        return make_target(data["metadata"]["numbers"], data["metadata"].get("target", 24), answer)
    if name in COMPARED:
        return Verdict(1.0, "correct") if COMPARED[name](str(data["answer"]), answer) else Verdict(0.0, "wrong", "another answer")
    if name in SHAPES and not SHAPES[name].fullmatch(answer):
        return Verdict(0.0, "unparsable", "more than an answer of this data set consists of")
    dataset = _dataset(name, data["size"], data["seed"])
    item = _item(name, data["size"], data["seed"], data["index"])
    if item["question"] != data["question"]:
        if name in EVALUATE_THE_ITEM:
            return Verdict(None, "error", "the item cannot be made again, and its scorer would evaluate what is stored")
        item = {key: data[key] for key in ("question", "answer", "metadata")}
    return attempt(lambda: _scored(dataset, item, answer), lambda message: _failed(dataset, item, message))


def _scored(dataset: Any, item: Any, answer: str) -> Verdict:
    score = float(dataset.score_answer(answer=answer, entry=item))
    return Verdict(1.0, "correct") if score == 1.0 else Verdict(0.0, "wrong", f"score {score:g}")


def _failed(dataset: Any, item: Any, message: str) -> Verdict:
    """The answer is to blame where the scorer can do with an empty one; else breaking the scorer would be a way out of a bad reward."""
    return attempt(
        lambda: Verdict(0.0 * float(dataset.score_answer(answer="", entry=item)), "unparsable", message),
        lambda _: Verdict(None, "error", message),
    )


def _same_words(gold: str, answer: str) -> bool:
    return re.findall(r"[^\s,]+", gold.casefold()) == re.findall(r"[^\s,]+", answer.casefold())


def _same_roles(gold: str, answer: str) -> bool:
    """``Zoe is a knight, and Ann is a knave``: the same pairs, and no word more, as a "not" would be passed over."""
    said, wanted = (re.findall(r"(?!(?:is|an?|and)\b)\b\w+", text.casefold()) for text in (answer, gold))
    pairs = [set(zip(words[::2], words[1::2], strict=False)) for words in (said, wanted)]
    return re.fullmatch(r"[\w\s,.()]*", answer) is not None and len(said) == len(wanted) and pairs[0] == pairs[1]


def _same_number(gold: str, answer: str) -> bool:
    found = _number(answer)
    return found is not None and found.equals(parse_number(gold))


def _same_probability(gold: str, answer: str) -> bool:
    """To 0.0001, as the data set has it, and to a hundredth of the gold, which may be as small as 0.00003."""
    right = Fraction(gold)
    if _SCIENTIFIC.fullmatch(answer):
        value = Fraction(answer.strip())
    elif number := _number(answer):
        value = number.value / (100 if number.percent else 1)
    else:
        return False
    return abs(value - right) <= min(Fraction(1, 10_000), right / 100)


def _number(text: str) -> Number | None:
    try:
        return parse_number(text)
    except NotOneNumber:
        return None


COMPARED: dict[str, Callable[[str, str], bool]] = {
    "coin_flip": _same_probability,  # its scorer: 1.0 for the first digit of the right answer
    "game_of_life_halting": _same_words,  # 1.0 for any text
    "gsm_symbolic": _same_number,  # 1.0 for the right number among several, with any sign
    "knights_knaves": _same_roles,  # 1.0 for "it is not so that" before the right answer
    "letter_jumble": _same_words,  # 1.0 for a text that begins with the right answer
    "word_sorting": _same_words,  # the same
}
"""Data sets whose answers we compare with the gold answer ourselves."""


@lru_cache(maxsize=16)
def _dataset(name: str, size: int, seed: int) -> Any:
    import reasoning_gym

    return reasoning_gym.create_dataset(name, size=size, seed=seed)


@lru_cache(maxsize=1024)
def _item(name: str, size: int, seed: int, index: int) -> Any:
    return _dataset(name, size, seed)[index]
