import random
import re
from collections.abc import Callable, Iterator

import pytest

from dunwu.data.tiny_world.reduction import Step, reachable
from dunwu.data.tiny_world.search import BACKTRACK, GIVE_UP, Searched, after, answer_of, careful, random_path, recap, slip, wild_guess
from dunwu.models.reflection import count_reflections
from dunwu.verifiers.make_target import make_target

ITEM = re.compile(r"(\d+)([-+*/])(\d+)=(\d+)((?:,\d+)*)([:;.])")
PATH = [Step(7, "*", 3, 21, (8, 21)), Step(21, "+", 8, 29, (29,))]

Search = tuple[tuple[int, ...], int, Searched]


def searches(number: int, language: str = "en") -> Iterator[Search]:
    """Careful searches of solvable puzzles of 2 to 4 numbers, of every insight and budget."""
    rng = random.Random(f"search-{language}")
    while number:
        numbers = tuple(sorted(rng.randint(1, 13) for _ in range(rng.choice((2, 3, 4, 4)))))
        target = random_path(rng, numbers)[-1].result
        yield numbers, target, careful(rng, numbers, target, language, insight=rng.random(), budget=rng.choice((1, 6, 16, 40)))
        number -= 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_careful_path_is_right_and_uses_every_number_once(language: str, wrong_equations: Callable[[str], list[str]]) -> None:
    found = 0
    for numbers, target, searched in searches(2000, language):
        assert wrong_equations(searched.text) == []
        if searched.path is not None:
            found += 1
            assert searched.path[-1].result == target
            assert make_target(numbers, target, answer_of(searched.path)).reason == "correct"
            assert wrong_equations(recap(random.Random(0), searched.path, language)) == []
    assert 1000 < found < 2000, "some searches end without a path"


def test_a_search_says_truly_which_numbers_are_left() -> None:
    for numbers, target, searched in searches(1500):
        current: dict[int, tuple[int, ...]] = {len(numbers): numbers}
        for match in ITEM.finditer(searched.text):
            result, rest = int(match[4]), [int(number) for number in match[5].split(",") if number]
            size = len(rest) + 2
            assert sorted([int(match[1]), int(match[3]), *rest]) == sorted(current[size]), searched.text
            current[size - 1] = (result, *rest)
            if match[6] == ":":
                assert reachable(tuple(sorted(current[size - 1])), target) or size > 3
        if searched.path is not None:
            assert current[1] == (target,)


def test_the_budget_bounds_a_search() -> None:
    longest = {}
    for budget in (1, 10, 40):
        rng = random.Random(5)
        texts = [careful(rng, (5, 7, 11, 13), 24, "en", insight=0.0, budget=budget).text for _ in range(200)]
        longest[budget] = max(len(ITEM.findall(text)) for text in texts)
    assert longest[1] <= 1 + 6 + 1, "one first step, six second ones, and the last"
    assert longest[1] < longest[10] < longest[40] <= 40 + 6 + 1


def test_insight_finds_more() -> None:
    def found(insight: float) -> int:
        rng = random.Random(6)
        return sum(careful(rng, (3, 5, 7, 13), 24, "en", insight=insight, budget=6).path is not None for _ in range(200))

    assert found(1.0) == 200
    assert found(0.0) < 150


def test_the_notation() -> None:
    assert after(Step(6, "*", 4, 24, (3, 5, 24))) == "6*4=24,3,5"
    assert after(Step(5, "*", 1, 5, (5, 5))) == "5*1=5,5"
    assert recap(random.Random(0), PATH, "en").endswith(" 7*3=21,21+8=29.")
    assert recap(random.Random(0), PATH, "zh").endswith("7*3=21,21+8=29.")


def test_a_slip_takes_the_last_result_for_the_target() -> None:
    assert [step.equation for step in slip(random.Random(0), PATH, 30)] == ["7*3=21", "21+8=30"]
    assert PATH[-1].result == 29


def test_a_wild_guess_uses_every_number_and_is_mostly_wrong() -> None:
    rng = random.Random(7)
    right = slips = 0
    for _ in range(2000):
        guessed = wild_guess(rng, (4, 6, 7, 9), 24, "en", tries=1)
        assert guessed.path is not None
        verdict = make_target((4, 6, 7, 9), 24, answer_of(guessed.path))
        assert verdict.reason == "correct" or verdict.detail == "not the target"
        right += verdict.score == 1.0
        slips += verdict.score != 1.0 and guessed.path[-1].result == 24
    assert 0 < right < 300
    assert 400 < slips < 1000


def test_words_are_in_their_language_and_only_some_are_reflective() -> None:
    for words in (BACKTRACK, GIVE_UP):
        assert all(text.isascii() for text in words["en"])
        assert not any(re.search("[A-Za-z]", text) for text in words["zh"])
    for language in ("en", "zh"):
        counted = [count_reflections(word) for word in BACKTRACK[language]]
        assert 0 < sum(counted) < len(counted)
        assert sum(map(count_reflections, GIVE_UP[language])) == 0
