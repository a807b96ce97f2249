"""The first documents of the corpus, and what tests read out of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import pytest

from dunwu.data.tiny_world.corpus import documents
from dunwu.models.thinking import parse_completion
from dunwu.verifiers.make_target import make_target

QUESTION = re.compile(r"(?:Use |用)([0-9]+(?:,[0-9]+)*)(?: to make |算出)([0-9]+)[.。]\n")
EQUATION = re.compile(r"(?<![0-9)])(-?[0-9]+)([-+*/])(-?[0-9]+)=(-?[0-9]+)")
NUMBER = 20_000


@dataclass(frozen=True)
class PuzzleText:
    """A puzzle document: its question as asked, the numbers in it, the target, and all that follows the question's line."""

    question: str
    numbers: tuple[int, ...]
    target: int
    reply: str

    @property
    def right(self) -> bool:
        """Whether the reply of a dialogue would be rewarded for its answer."""
        answer = parse_completion(self.reply.removeprefix("Assistant:")).answer
        return answer is not None and make_target(self.numbers, self.target, answer).score == 1.0


def read_puzzle(text: str) -> PuzzleText:
    question = QUESTION.search(text)
    assert question is not None, text
    numbers = tuple(map(int, question[1].split(",")))
    return PuzzleText(question[0].strip(), numbers, int(question[2]), text[question.end() :])


def is_right(left: int, op: str, right: int, result: int) -> bool:
    if op == "/":
        return right != 0 and left == right * result
    return {"+": left + right, "-": left - right, "*": left * right}[op] == result


@pytest.fixture(scope="session")
def wrong_equations() -> Callable[[str], list[str]]:
    """Equations ``a op b=c`` of a text that are not so."""

    def find(text: str) -> list[str]:
        return [match[0] for match in EQUATION.finditer(text) if not is_right(int(match[1]), match[2], int(match[3]), int(match[4]))]

    return find


@pytest.fixture(scope="session")
def corpus() -> list[tuple[str, str]]:
    """The first 20,000 documents of seed 0: ``(source, text)``."""
    return list(islice(documents(0), NUMBER))


@pytest.fixture(scope="session")
def by_source(corpus: list[tuple[str, str]]) -> dict[str, list[str]]:
    """The texts of each source."""
    sources: dict[str, list[str]] = {}
    for source, text in corpus:
        sources.setdefault(source, []).append(text)
    return sources


@pytest.fixture(scope="session")
def dialogues(by_source: dict[str, list[str]]) -> list[PuzzleText]:
    return [read_puzzle(text) for text in by_source["puzzle_dialogues"]]


@pytest.fixture(scope="session")
def solutions(by_source: dict[str, list[str]]) -> list[PuzzleText]:
    return [read_puzzle(text) for text in by_source["puzzle_solutions"]]
