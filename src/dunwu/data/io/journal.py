"""What a model has written, on disk as it comes in: a stage that was stopped asks for nothing twice, and what was paid for is kept."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol, runtime_checkable

from dunwu.data.generators.base import Generator, OnCompletion, Request, TextCompletion, plain

Progress = Callable[[int, int], None]
"""Is told how many of how many requests are written."""
AT_ONCE = 512
"""Requests in a call of a generator that is not independent, rounded up to whole prompts."""


@runtime_checkable
class Recalls(Protocol):
    """A generator that takes into account what it wrote before this start."""

    def recall(self, request: Request, completion: TextCompletion) -> None:
        """Take note of what the journal holds for a request."""


class Journalled:
    """A generator that looks into its journal first.

    Of a generator whose answers depend on what else is asked in the same call, the calls are cut by place alone, and one of which anything
    is missing is made again as a whole: the texts are those of a stage that was never stopped.
    """

    def __init__(self, generator: Generator, path: Path, progress: Progress = lambda done, total: None) -> None:
        self._generator, self._path, self._progress = generator, path, progress
        self.name, self.independent = generator.name, generator.independent
        self._known = dict(_read(path))
        self.refused: dict[str, str] = {}
        """Why the model refused prompts, by their ids."""
        self._recall = generator.recall if isinstance(generator, Recalls) else lambda request, completion: None

    def complete(self, requests: Sequence[Request], on_completion: OnCompletion) -> list[TextCompletion]:
        """See `Generator`."""
        keys, done = _keys(self.name, requests), 0

        def told() -> None:
            nonlocal done
            done += 1
            self._progress(done, len(requests))

        for part in [range(len(requests))] if self.independent else _calls(requests):
            missing = [place for place in part if keys[place] not in self._known]
            for place in set(part).difference(missing):
                self._recall(requests[place], self._known[keys[place]])
            asked = missing if self.independent or not missing else list(part)
            done += len(part) - len(asked)
            if asked:
                self._ask([requests[place] for place in asked], [keys[place] for place in asked], told)
        completions = [self._known[key] for key in keys]
        for place, text in enumerate(completions):
            on_completion(place, text)
            if text.refused:
                self.refused.setdefault(requests[place].id, text.refused)
        return completions

    def _ask(self, requests: Sequence[Request], keys: Sequence[str], told: Callable[[], None]) -> None:
        with self._path.open("ab") as file:
            if file.tell() and not _ends_with_newline(self._path):
                file.write(b"\n")  # the last line was cut off by a kill

            def keep(place: int, text: TextCompletion) -> None:
                self._known[keys[place]] = text
                line = {"key": keys[place], "text": text.text, "finished": text.finished}
                if text.refused:
                    line |= {"refused": text.refused, "id": requests[place].id}
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                if self.independent:
                    os.fsync(file.fileno())
                told()

            self._generator.complete(requests, keep)
            os.fsync(file.fileno())


def _calls(requests: Sequence[Request]) -> Iterator[range]:
    """Places in calls of `AT_ONCE` requests, none of which parts the requests of one prompt."""
    start = end = 0
    for _, members in groupby(requests, key=lambda request: request.chat):
        end += len(list(members))
        if end - start >= AT_ONCE:
            yield range(start, end)
            start = end
    if start < end:
        yield range(start, end)


def _keys(name: str, requests: Sequence[Request]) -> list[str]:
    """A request's hash, numbered where the same one occurs again."""
    seen: dict[str, int] = {}
    keys = []
    for request in requests:
        asked = [name, plain(request.chat), request.sampling.model_dump(mode="json"), request.seed]
        key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        seen[key] = seen.get(key, 0) + 1
        keys.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    return keys


def _read(path: Path) -> Iterator[tuple[str, TextCompletion]]:
    """Every whole line; one that was cut off is passed over, and what it held is asked for again."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        try:
            entry = json.loads(line)
            yield str(entry["key"]), TextCompletion(str(entry["text"]), bool(entry["finished"]), str(entry.get("refused") or ""))
        except (ValueError, TypeError, KeyError):
            continue


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
