"""The Game of 24: four numbers make 24. The test split is the published one, ranks 901-1000."""

from __future__ import annotations

from functools import cache
from random import Random

from dunwu.config.tasks import Game24Task
from dunwu.tasks.base import HeldOut, permuted
from dunwu.tasks.game24_puzzles import TARGET, Puzzle, load_puzzles
from dunwu.tasks.splits import GAME24_TEST_RANKS, is_reserved, split_of
from dunwu.tasks.wording import reach_target
from dunwu.text.answer_forms import DEFAULT, in_form
from dunwu.types import AnswerForm, Language, Problem, Split


class Game24:
    """Puzzles of the Game of 24; ``difficulty`` is the rank, ``data`` holds the numbers, solving times and solve rates."""

    name = "game24"

    def __init__(self, config: Game24Task, answer_form: AnswerForm = DEFAULT) -> None:
        self.config, self.answer_form = config, answer_form

    def train(self, index: int, seed: int) -> Problem:
        """An epoch is one pass over the training puzzles in a random order; the language is drawn each time."""
        puzzles = puzzles_of("train")
        _, position = permuted(index, len(puzzles), seed)
        return self._problem(puzzles[position], Random(f"{seed}-{index}-game24").choice(self.config.languages))

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """Puzzles of ``split`` in rank order, or a random sample of ``limit`` if there are more; languages alternate."""
        puzzles = puzzles_of(split)
        if limit < len(puzzles):
            chosen = Random(f"{seed}-{split}-game24").sample(puzzles, max(limit, 0))
            puzzles = tuple(sorted(chosen, key=lambda puzzle: puzzle.rank))
        languages = self.config.languages
        return [self._problem(puzzle, languages[i % len(languages)]) for i, puzzle in enumerate(puzzles)]

    def _problem(self, puzzle: Puzzle, language: Language) -> Problem:
        problem = Problem(
            id=f"game24-{puzzle.rank}",
            task=self.name,
            text=reach_target(puzzle.numbers, TARGET, language, self.config.wording, self.answer_form),
            verifier="expression",
            language=language,
            difficulty=float(puzzle.rank),
            data={
                "numbers": list(puzzle.numbers),
                "target": TARGET,
                "rank": puzzle.rank,
                "human_seconds": puzzle.human_seconds,
                "human_solve_rate": puzzle.human_solve_rate,
            },
        )
        return in_form(problem, self.answer_form)


@cache
def puzzles_of(split: Split) -> tuple[Puzzle, ...]:
    """The puzzles of a split in rank order. Puzzles whose multiset is ``test`` but whose rank is not 901-1000 are in no split."""
    if split == "test":
        return tuple(puzzle for puzzle in load_puzzles() if puzzle.rank in GAME24_TEST_RANKS)
    return tuple(puzzle for puzzle in load_puzzles() if split_of(puzzle.numbers) == split and not is_reserved(puzzle.numbers))
