"""A journal of completions, written as they arrive, so that a resumed stage does not request (and pay for) any of them twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol, runtime_checkable

from dunwu.data.generators.base import Generator, OnCompletion, Request, TextCompletion, plain


class Progress:
    """Receives the state of a call; this class drops it."""

    def begin(self, missing: Sequence[Request], total: int) -> None:
        """Called before anything is requested, with the requests of ``total`` that the journal does not have."""

    def advance(self, done: int, total: int) -> None:
        """Called after each completion with the number of completed requests, those of the journal included."""


AT_ONCE = 512
"""Requests in one call of a generator that is not independent, rounded up so that no prompt is split."""


@runtime_checkable
class Recalls(Protocol):
    """A generator that takes the completions of earlier starts into account."""

    def recall(self, request: Request, completion: TextCompletion) -> None:
        """Register a completion from the journal."""


class Journalled:
    """A generator that takes completions from its journal if they are there.

    If completions depend on the other requests of a call, calls are divided by index only, and an incomplete call is repeated as a whole:
    the texts are those of an uninterrupted stage.
    """

    def __init__(self, generator: Generator, path: Path, progress: Progress | None = None, earlier: Sequence[Path] = ()) -> None:
        """``earlier``: journals of the same generator whose completions count as well."""
        self._generator, self._path, self._progress = generator, path, progress or Progress()
        self.name, self.independent = generator.name, generator.independent
        self._known, self._marks = dict[str, TextCompletion](), dict[str, str]()
        for file in (*earlier, path):
            for key, text, mark in _read(file):
                self._known[key], self._marks[key] = text, mark
        self.mark = ""
        """Written beside each completion that is requested from now on."""
        self.refused: dict[str, str] = {}
        """Why the model refused prompts, by their ids."""
        self._recall = generator.recall if isinstance(generator, Recalls) else lambda request, completion: None

    def complete(self, requests: Sequence[Request], on_completion: OnCompletion) -> list[TextCompletion]:
        """See `Generator`."""
        keys, parts = _keys(self.name, requests), [range(len(requests))] if self.independent else list(_calls(requests))
        asked = [self._asked(part, keys) for part in parts]
        missing = [requests[place] for places in asked for place in places]
        done = len(requests) - len(missing)

        def advance() -> None:
            nonlocal done
            done += 1
            self._progress.advance(done, len(requests))

        for place, key in enumerate(keys):
            if key in self._known:
                self._recall(requests[place], self._known[key])
        if missing:
            self._progress.begin(missing, len(requests))
        for places in filter(None, asked):
            self._request([requests[place] for place in places], [keys[place] for place in places], advance)
        completions = [self._known[key] for key in keys]
        for place, text in enumerate(completions):
            on_completion(place, text)
            if text.refused:
                self.refused.setdefault(requests[place].id, text.refused)
        return completions

    def mark_of(self, request: Request) -> str | None:
        """The mark under which the completion of ``request`` was requested; ``None`` if it was not."""
        return self._marks.get(_keys(self.name, [request])[0])

    def _asked(self, part: range, keys: Sequence[str]) -> list[int]:
        """The places of a call that must be requested."""
        missing = [place for place in part if keys[place] not in self._known]
        return missing if self.independent or not missing else list(part)

    def _request(self, requests: Sequence[Request], keys: Sequence[str], advance: Callable[[], None]) -> None:
        lines = bytearray()
        with self._path.open("ab") as file:
            if file.tell() and not _ends_with_newline(self._path):
                file.write(b"\n")  # the last line was cut off by a kill

            def write() -> None:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
                lines.clear()

            def keep(place: int, text: TextCompletion) -> None:
                self._known[keys[place]], self._marks[keys[place]] = text, self.mark
                line = {"key": keys[place], "text": text.text, "finished": text.finished}
                if text.refused:
                    line |= {"refused": text.refused, "id": requests[place].id}
                lines.extend(json.dumps({**line, **({"mark": self.mark} if self.mark else {})}).encode() + b"\n")
                if self.independent:
                    write()
                advance()

            self._generator.complete(requests, keep)
            write()  # a call whose completions depend on each other is written as a whole


def _calls(requests: Sequence[Request]) -> Iterator[range]:
    """Indices of the requests of each call: `AT_ONCE` or a few more, so that no prompt's requests are split."""
    start = end = 0
    for _, members in groupby(requests, key=lambda request: request.chat):
        end += len(list(members))
        if end - start >= AT_ONCE:
            yield range(start, end)
            start = end
    if start < end:
        yield range(start, end)


def _keys(name: str, requests: Sequence[Request]) -> list[str]:
    """The hash of each request, numbered if it occurs again."""
    seen: dict[str, int] = {}
    keys = []
    for request in requests:
        asked = [name, plain(request.chat), request.sampling.model_dump(mode="json"), request.seed]
        key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        seen[key] = seen.get(key, 0) + 1
        keys.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    return keys


def _read(path: Path) -> Iterator[tuple[str, TextCompletion, str]]:
    """Key, completion and mark of the complete lines; a truncated line is skipped, and its completion is requested again."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        try:
            entry = json.loads(line)
            text = TextCompletion(str(entry["text"]), bool(entry["finished"]), str(entry.get("refused") or ""))
            yield str(entry["key"]), text, str(entry.get("mark") or "")
        except (ValueError, TypeError, KeyError):
            continue


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
