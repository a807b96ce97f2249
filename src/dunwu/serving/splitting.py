"""The two parts of a completion while it is still being written: the chain of thought and the answer that follows it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPEN, _CLOSE = "<think>", "</think>"
_ANSWER = ("<answer>", "</answer>")


@dataclass(frozen=True, slots=True)
class Parts:
    """What is new in either part; one of them is usually empty."""

    reasoning: str = ""
    content: str = ""

    def __add__(self, other: Parts) -> Parts:
        return Parts(self.reasoning + other.reasoning, self.content + other.content)


class Splitter:
    """Splits text that comes in pieces; of a whole completion it makes what `dunwu.models.thinking.parse_completion` does.

    ``opened``: the prompt ends with ``<think>``. Both parts lose outer white space, and the answer its ``<answer>`` tags. Differences from
    the parser, because what was sent cannot be taken back: text before ``<think>`` is part of the answer, and so is text before a
    ``</think>`` that nothing opened. Tags after the end of the chain of thought are text.
    """

    def __init__(self, opened: bool = False) -> None:
        self._state = "thinking" if opened else "start"
        self._thought = opened
        self._held = ""
        self._reasoning, self._content = _Outer(), _Outer()

    @property
    def thinking(self) -> bool:
        """True within the chain of thought."""
        return self._state == "thinking"

    def feed(self, text: str) -> Parts:
        """What is certain now. A piece that may be the start of a tag, and white space that may be the last, waits."""
        self._held += text
        found = Parts()
        while "<" in self._held and (match := self._pattern().search(self._held)):
            before, self._held = self._held[: match.start()], self._held[match.end() :]
            found += self._written(before)
            self._pass(match.group())
        ready = len(self._held) - _start_of_tag(self._held, self._tags())
        before, self._held = self._held[:ready], self._held[ready:]
        return found + self._written(before)

    def end(self) -> Parts:
        """What was waiting: no more text comes."""
        held, self._held = self._held, ""
        return self._written(held)

    def _tags(self) -> tuple[str, ...]:
        if self.thinking:
            return (_CLOSE,)
        return _ANSWER if self._thought else (_OPEN, _CLOSE, *_ANSWER)

    def _pattern(self) -> re.Pattern[str]:
        return _PATTERNS[self._tags()]

    def _pass(self, tag: str) -> None:
        if tag == _OPEN:
            self._state, self._thought = "thinking", True
        elif tag == _CLOSE:
            self._state, self._thought = "answering", True

    def _written(self, text: str) -> Parts:
        if not text:
            return Parts()
        return Parts(reasoning=self._reasoning.feed(text)) if self.thinking else Parts(content=self._content.feed(text))


class _Outer:
    """Removes outer white space from text that comes in pieces."""

    def __init__(self) -> None:
        self._begun, self._space = False, ""

    def feed(self, text: str) -> str:
        if not self._begun:
            text = text.lstrip()
        inner = text.rstrip()
        if not inner:
            self._space += text
            return ""
        shown, self._space, self._begun = self._space + inner, text[len(inner) :], True
        return shown


def _start_of_tag(text: str, tags: tuple[str, ...]) -> int:
    """The length of the longest end of ``text`` that is the start of a tag."""
    at = text.rfind("<")
    if at < 0:
        return 0
    end = text[at:]
    return len(end) if any(tag.startswith(end) for tag in tags) else 0


def without_reasoning(text: str) -> str:
    """An earlier answer as a client may replay it, without its chain of thought, which is never fed back, and without answer tags."""
    splitter = Splitter(opened="<think>" not in text.partition("</think>")[0] and "</think>" in text)
    return (splitter.feed(text) + splitter.end()).content


_PATTERNS: dict[tuple[str, ...], re.Pattern[str]] = {
    tags: re.compile("|".join(map(re.escape, tags))) for tags in ((_CLOSE,), _ANSWER, (_OPEN, _CLOSE, *_ANSWER))
}
