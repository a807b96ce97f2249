import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dunwu.data.tiny_world.puzzles import GAME_OF_24, SHAPES, draw_puzzle, tagged
from dunwu.data.tiny_world.reduction import reachable
from dunwu.data.tiny_world.search import CHECK, GIVE_UP
from dunwu.models.thinking import parse_completion
from dunwu.tasks.splits import is_reserved, split_of
from dunwu.tasks.templates import TEMPLATES, render
from dunwu.tasks.wording import reach_target
from dunwu.types import Problem
from dunwu.verifiers.make_target import make_target

RECAP = re.compile(rf"(?:{'|'.join(map(re.escape, (*CHECK['en'], *CHECK['zh'])))})\d")


def share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)


def test_a_drawn_puzzle_is_solvable_and_for_training() -> None:
    rng = random.Random(3)
    puzzles = [draw_puzzle(rng) for _ in range(3000)]
    for puzzle in puzzles:
        assert reachable(puzzle.state, puzzle.target)
        assert not is_reserved(puzzle.numbers)
        assert len(puzzle.numbers) == 2 or split_of(puzzle.numbers) == "train"
    assert {len(puzzle.numbers) for puzzle in puzzles} == {2, 3, 4}
    assert share([len(puzzle.numbers) == 4 and puzzle.target == 24 for puzzle in puzzles]) > 0.5 * GAME_OF_24
    assert max(puzzle.target for puzzle in puzzles) <= max(shape[4] for shape in SHAPES)


def test_every_worked_solution_verifies(solutions: list[Any], wrong_equations: Callable[[str], list[str]]) -> None:
    assert len(solutions) > 5000
    for text in solutions:
        thought, answer = text.reply.rsplit("\n", 1)
        assert make_target(text.numbers, text.target, answer).reason == "correct", text
        assert answer.endswith(f"={text.target}")
        assert wrong_equations(thought) == []
        assert re.match("Solution:|解:", thought)


def test_a_dialogue_that_checks_is_right(dialogues: list[Any], wrong_equations: Callable[[str], list[str]]) -> None:
    checked = [text for text in dialogues if RECAP.search(text.reply)]
    assert len(checked) > 500
    for text in checked:
        assert text.right, text
        assert wrong_equations(text.reply) == []


def test_dialogues_are_of_a_base_model(dialogues: list[Any]) -> None:
    """Of the puzzles that are measured (three and four numbers) few are answered rightly; those of two numbers are the easy ones."""
    right = {size: share([text.right for text in dialogues if len(text.numbers) == size]) for size in (2, 3, 4)}
    assert 0.10 <= share([text.right for text in dialogues if len(text.numbers) > 2]) <= 0.25
    assert right[4] < right[3] < right[2] < 0.7
    assert share([text.right for text in dialogues]) < 0.30


def test_dialogues_fail_in_many_ways(dialogues: list[Any], wrong_equations: Callable[[str], list[str]]) -> None:
    replies = [text.reply.removeprefix("Assistant:") for text in dialogues]
    parsed = [parse_completion(reply) for reply in replies]
    given_up = tuple(GIVE_UP["en"] + GIVE_UP["zh"])
    assert 0.75 < share([each.well_formed for each in parsed]) < 0.95
    assert 0.04 < share([bool(wrong_equations(reply)) for reply in replies]) < 0.3, "slips"
    assert 0.04 < share([any(words in reply for words in given_up) for reply in replies]) < 0.2
    assert share([each.problem == "the reasoning is not closed" for each in parsed]) > 0.01
    assert share(["<" not in reply for reply in replies]) > 0.01


def test_a_dialogue_begins_as_the_template_asks(dialogues: list[Any], by_source: dict[str, list[str]]) -> None:
    for text, document in zip(dialogues, by_source["puzzle_dialogues"], strict=True):
        wordings = [reach_target(text.numbers, text.target, language, "short") for language in ("en", "zh")]
        assert text.question in wordings
        problem = Problem(id="p", task="countdown", text=text.question, verifier="expression")
        assert document.startswith(render(problem, "tiny")[0])
    assert TEMPLATES["tiny"].prefill == ""


def test_english_chinese_and_mixed_thoughts(dialogues: list[Any]) -> None:
    kinds: Counter[tuple[str, str]] = Counter()
    for text in dialogues:
        asked = "en" if text.question.startswith("Use") else "zh"
        thought = text.reply.removeprefix("Assistant:")
        words = re.sub("</?(?:think|answer)>", "", thought)
        if re.search("[A-Za-z]", words):
            kinds[asked, "en"] += 1
        if re.search("[一-鿿]", words):
            kinds[asked, "zh"] += 1
    assert min(kinds["en", "en"], kinds["zh", "zh"]) > 500
    for asked, other in (("en", "zh"), ("zh", "en")):
        assert 0.04 < kinds[asked, other] / kinds[asked, asked] < 0.2, "now and then a thought is in the other language"


@pytest.mark.parametrize("thought", ["", "3*7=21."])
def test_tagged_is_well_formed(thought: str) -> None:
    assert parse_completion(tagged(thought, "1+2")).well_formed
