"""Documents about make-a-target puzzles (Countdown, the Game of 24): mostly poor dialogues, and mostly good worked solutions.

A model trained on them behaves like a base model: in a dialogue it guesses, makes mistakes and gives up, as most dialogues in the corpus
do, but it has learned to search from the worked solutions and from a few careful dialogues.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from dunwu.data.tiny_world.reduction import LIMIT, State, reachable
from dunwu.data.tiny_world.search import GIVE_UP, Searched, answer_of, careful, random_path, recap, wild_guess
from dunwu.tasks.splits import is_reserved, split_of


@dataclass(frozen=True)
class Puzzle:
    """Numbers in the order of the prompt, and a target that they can reach."""

    numbers: tuple[int, ...]
    target: int

    @property
    def state(self) -> State:
        return tuple(sorted(self.numbers))

    def text(self, language: str) -> str:
        numbers = ",".join(map(str, self.numbers))
        return f"Use {numbers} to make {self.target}." if language == "en" else f"用{numbers}算出{self.target}。"


SHAPES: tuple[tuple[float, int, int, int, int], ...] = (
    # weight, how many numbers, largest number, smallest and largest target
    (0.06, 2, 100, 1, LIMIT),
    (0.10, 3, 10, 10, 50),
    (0.16, 3, 20, 10, 99),
    (0.06, 3, 60, 24, 24),
    (0.12, 4, 10, 10, 50),
    (0.18, 4, 13, 10, 99),
)
GAME_OF_24 = 0.32


def draw_puzzle(rng: random.Random) -> Puzzle:
    """A solvable puzzle whose number multiset is in the training split (and is not reserved for the Game of 24's ranks 901-1000)."""
    while True:
        puzzle = _game_of_24(rng) if rng.random() < GAME_OF_24 else _countdown(rng)
        if puzzle and not is_reserved(puzzle.numbers) and (len(puzzle.numbers) == 2 or split_of(puzzle.numbers) == "train"):
            return puzzle


def _game_of_24(rng: random.Random) -> Puzzle | None:
    numbers = tuple(rng.randint(1, 13) for _ in range(4))
    return Puzzle(numbers, 24) if reachable(tuple(sorted(numbers)), 24) else None


def _countdown(rng: random.Random) -> Puzzle | None:
    _, size, largest, low, high = rng.choices(SHAPES, weights=[shape[0] for shape in SHAPES])[0]
    numbers = tuple(rng.randint(1, largest) for _ in range(size))
    if low == high:
        return Puzzle(numbers, low) if reachable(tuple(sorted(numbers)), low) else None
    target = random_path(rng, tuple(sorted(numbers)))[-1].result
    return Puzzle(numbers, target) if low <= target <= high else None


def tagged(thought: str, answer: str) -> str:
    return f"<think>{thought}</think><answer>{answer}</answer>"


def _language(rng: random.Random) -> tuple[str, str]:
    """Languages of the question and of the thought; one thought in twelve is in the other language."""
    asked = rng.choice(("en", "zh"))
    other = "zh" if asked == "en" else "en"
    return asked, other if rng.random() < 1 / 12 else asked


def _budget(rng: random.Random) -> int:
    return rng.choice((6, 10, 16, 24, 32, 40))


def dialogue(rng: random.Random) -> str:
    """A question and a reply of mixed quality: mostly a wild guess, sometimes a careful search."""
    puzzle = draw_puzzle(rng)
    asked, language = _language(rng)
    return f"User: {puzzle.text(asked)}\nAssistant:{_reply(rng, puzzle, language)}"


def _reply(rng: random.Random, puzzle: Puzzle, language: str) -> str:
    kind = rng.choices(("guess", "tries", "give_up", "bare", "sloppy", "careful"), weights=(44, 16, 9, 9, 8, 14))[0]
    state, target = puzzle.state, puzzle.target
    if kind == "careful":
        return _careful_reply(rng, puzzle, language)
    if kind == "sloppy":
        found = careful(rng, state, target, language, insight=0.1, budget=rng.choice((2, 4, 6, 9)))
        path = found.path or random_path(rng, state)
        return tagged(found.text, answer_of(path))
    if kind == "give_up":
        thought = careful(rng, state, target, language, insight=0.0, budget=rng.choice((1, 2, 3))).text
        surrender = rng.choice(GIVE_UP[language])
        return tagged(thought + surrender, surrender) if rng.random() < 0.5 else f"<think>{thought}{surrender}"
    if kind == "bare":
        answer = answer_of(random_path(rng, state))
        return rng.choice((f"<answer>{answer}</answer>", f" {answer}", f" {answer}={target}", f"<think>{answer}</answer>"))
    guess = wild_guess(rng, state, target, language, tries=1 if kind == "guess" else rng.choice((2, 3, 4)))
    assert guess.path is not None
    return tagged(guess.text, answer_of(guess.path))


def _careful_reply(rng: random.Random, puzzle: Puzzle, language: str) -> str:
    found = careful(rng, puzzle.state, puzzle.target, language, insight=rng.uniform(0.1, 0.8), budget=_budget(rng))
    if found.path is None:
        return tagged(found.text + rng.choice(GIVE_UP[language]), answer_of(random_path(rng, puzzle.state)))
    thought = found.text + (recap(rng, found.path, language) if rng.random() < 0.85 else "")
    return tagged(thought, answer_of(found.path))


def worked_solution(rng: random.Random) -> str:
    """A worked solution: the search, its path in one line, and the expression."""
    puzzle = draw_puzzle(rng)
    asked, language = _language(rng)
    while True:
        found: Searched = careful(rng, puzzle.state, puzzle.target, language, insight=rng.uniform(0.1, 0.9), budget=_budget(rng))
        if found.path:
            break
    head = "Solution:" if asked == "en" else "解:"
    thought = found.text + recap(rng, found.path, language)
    return f"{puzzle.text(asked)}\n{head}{thought}\n{answer_of(found.path)}={puzzle.target}"
