"""One completion as the client sees it: tokens become text, text becomes reasoning and content, until a stop string or the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dunwu.serving.backend import News
from dunwu.serving.model import ServedModel
from dunwu.serving.splitting import Parts, Splitter

LEAST_LOGPROB = -9999.0
"""OpenAI's number for a token that was next to impossible: JSON has no infinity."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A sampled token with its log-probability."""

    token: str
    logprob: float
    reasoning: bool


@dataclass(slots=True)
class Delta:
    """What is new of a choice."""

    parts: Parts = field(default_factory=Parts)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    finish: str | None = None


class Choice:
    """Reads the news of one completion. ``whole``: a text without parts, as `/v1/completions` continues it."""

    def __init__(self, model: ServedModel, opened: bool, stop: Sequence[str], logprobs: bool, whole: bool = False) -> None:
        self._reader = model.reader()
        self._splitter = None if whole else Splitter(opened)
        self._stop, self._logprobs = StopStrings(stop), logprobs
        self.tokens = self.reasoning_tokens = self.cached = 0
        self.finish: str | None = None

    def take(self, news: News, stop_ids: Sequence[int]) -> Delta:
        """What these tokens add; nothing once it has finished."""
        delta = Delta()
        self.cached = max(self.cached, news.cached)
        for place, token in enumerate(news.token_ids):
            if self.finish is not None:
                return delta
            ending = news.finish == "stop" and place == len(news.token_ids) - 1 and token in stop_ids
            self._read(token, news.logprobs[place] if news.logprobs else 0.0, ending, delta)
        if news.finish is not None and self.finish is None:
            delta.parts += self._rest()
            self.finish = self.finish or news.finish
        delta.finish = self.finish
        return delta

    def cut(self, finish: str) -> Delta:
        """End it as it is."""
        delta = Delta(self._rest())
        delta.finish = self.finish = self.finish or finish
        return delta

    def _read(self, token: int, logprob: float, ending: bool, delta: Delta) -> None:
        self.tokens += 1
        delta.token_ids.append(token)
        thinking = self._splitter is not None and self._splitter.thinking
        delta.parts += self._shown(self._split("" if ending else self._reader.read(token)))
        # Tags that open or close a chain of thought count as part of it.
        thought = self._splitter is not None and (thinking or self._splitter.thinking)
        self.reasoning_tokens += thought
        if self._logprobs and not ending:
            delta.logprobs.append(TokenLogprob(self._reader.piece(token), max(logprob, LEAST_LOGPROB), thought))
        if self._stop.found:
            self.finish = delta.finish = "stop"

    def _split(self, text: str) -> Parts:
        return Parts(content=text) if self._splitter is None else self._splitter.feed(text)

    def _shown(self, parts: Parts) -> Parts:
        return Parts(parts.reasoning, self._stop.feed(parts.content))

    def _rest(self) -> Parts:
        last = Parts() if self._splitter is None else self._splitter.end()
        shown = self._shown(last)
        if self._stop.found:
            self.finish = "stop"
            return shown
        return shown + Parts(content=self._stop.end())


class StopStrings:
    """Ends a text before the first of some strings, also where a string comes in pieces."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop, self._held, self.found = tuple(stop), "", False

    def feed(self, text: str) -> str:
        """The text that is certain not to be part of a stop string."""
        if not self._stop or not text:
            return text
        if self.found:
            return ""
        self._held += text
        places = [place for each in self._stop if (place := self._held.find(each)) >= 0]
        if places:
            shown, self._held, self.found = self._held[: min(places)], "", True
            return shown
        keep = max(_overlap(self._held, each) for each in self._stop)
        ready = len(self._held) - keep
        shown, self._held = self._held[:ready], self._held[ready:]
        return shown

    def end(self) -> str:
        """What was waiting."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of ``text`` that is the start of ``stop``."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if stop.startswith(text[-size:])), 0)
