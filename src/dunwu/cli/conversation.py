"""A conversation at the terminal: what was said, what is asked next, and the answer as it is written."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from dunwu.errors import UserError
from dunwu.run.atomic import atomic_file
from dunwu.run.reporter import clean
from dunwu.serving.client import Piece
from dunwu.text.translate import translate

Ask = Callable[[list[dict[str, str]]], Iterable[Piece]]


@dataclass
class Turn:
    """A question and its answer; ``how`` says why an answer is not whole."""

    question: str
    reasoning: str = ""
    content: str = ""
    how: str = ""
    seconds: float = 0.0


@dataclass
class Conversation:
    """The turns, and the system prompt."""

    model: str
    system: str = ""
    turns: list[Turn] = field(default_factory=list)

    def messages(self, question: str) -> list[dict[str, str]]:
        """What is sent: no chain of thought, and no turn that has no answer."""
        found = [{"role": "system", "content": self.system}] if self.system else []
        for turn in self.turns:
            if turn.content:
                found += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": turn.content}]
        return [*found, {"role": "user", "content": question}]

    def save(self, path: Path) -> None:
        """Write all turns as Markdown (`.md`), else as JSON. Raises ``UserError`` if the file exists or cannot be written."""
        if path.exists():
            raise UserError(f"{path} exists: give another name")
        text = self._as_markdown() if path.suffix == ".md" else json.dumps(self._as_json(), ensure_ascii=False, indent=2) + "\n"
        try:
            with atomic_file(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise UserError(f"{path} cannot be written ({error.strerror}): give another name") from error

    def _as_json(self) -> Mapping[str, Any]:
        turns = [
            {"question": each.question, "reasoning": each.reasoning, "content": each.content, "finish": each.how} for each in self.turns
        ]
        return {"model": self.model, "system": self.system, "turns": turns}

    def _as_markdown(self) -> str:
        parts = [f"# {self.model}"]
        for turn in self.turns:
            thought = "\n".join(f"> {line}" for line in turn.reasoning.splitlines())
            parts += [f"## {turn.question.splitlines()[0][:80]}", turn.question, thought, turn.content]
        return "\n\n".join(filter(None, parts)) + "\n"


class Screen:
    """Shows an answer as it comes: thoughts dimmed, then the answer. Without a terminal the thoughts go to stderr."""

    def __init__(self, answers: Console, thoughts: Console) -> None:
        self._answers, self._thoughts = answers, thoughts
        self._within: Console | None = None

    @classmethod
    def of_process(cls) -> Screen:
        """On stdout and stderr."""
        answers = Console(highlight=False, soft_wrap=True)
        return cls(answers, answers if answers.is_terminal else Console(stderr=True, highlight=False, soft_wrap=True))

    def answer(self, ask: Ask, conversation: Conversation, question: str) -> Turn:
        """Ask, show, and keep the turn, also if it is interrupted or fails, with what came until then."""
        turn, began = Turn(question, how="stopped"), time.monotonic()
        try:
            for piece in ask(conversation.messages(question)):
                if piece.reasoning:
                    turn.reasoning += piece.reasoning
                    self._write(self._thoughts, piece.reasoning, "dim")
                if piece.content:
                    turn.content += piece.content
                    self._say_time(turn, began)
                    self._write(self._answers, piece.content, "")
                turn.how = piece.finish or turn.how
        finally:
            self._say_time(turn, began)
            self._end_line()
            conversation.turns.append(turn)
        return turn

    def _say_time(self, turn: Turn, began: float) -> None:
        """Once, when the thinking is over."""
        if turn.reasoning and not turn.seconds:
            turn.seconds = max(time.monotonic() - began, 0.01)
            self._end_line()
            self._thoughts.print(Text(translate(f"thought for {turn.seconds:.1f} s"), style="dim italic"))

    def _write(self, console: Console, text: str, style: str) -> None:
        if self._within is not console:
            self._end_line()
        self._within = console
        if console.is_terminal:
            console.print(Text(clean(text), style=style), end="")
        else:
            console.file.write(clean(text))
        console.file.flush()

    def _end_line(self) -> None:
        if self._within is not None:
            self._within.print()
        self._within = None


def lines_of(stream: Iterable[str]) -> Iterable[str]:
    """Questions that are not typed: one a line."""
    return (line.strip() for line in stream if line.strip())


def typed() -> Iterable[str]:
    """Questions that are typed, until Ctrl-D; Ctrl-C gives up the line."""
    import readline  # noqa: F401  # the line can be edited, and earlier ones come back

    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print("\n" + translate("/quit or Ctrl-D ends"), file=sys.stderr)
            continue
        if line:
            yield line
