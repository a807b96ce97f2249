"""Completions of an evaluation on disk as they arrive, so that one that was stopped samples only the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dunwu.rollout.base import OnCompletion, Sampler
from dunwu.types import Completion, Request, TokenSequence

UNFINISHED = "unfinished.jsonl"
"""The file in the folder of an evaluation, until that is written."""


@dataclass(frozen=True)
class Keeping:
    """A sampler that takes completions from the file ``path`` if they are there, and appends those that it samples.

    A completion is known by its model (``model``, which must change with the weights), prompt, sampling and seed. Of its tokens only the
    ids are kept, not the log-probabilities, which no evaluation uses.
    """

    sampler: Sampler
    path: Path
    model: str

    def generate(self, requests: Sequence[Request], on_completion: OnCompletion | None = None) -> list[Completion]:
        """See `Sampler`. Completions from the file come first."""
        keys, known = _keys(self.model, requests), dict(self._read())
        found = {place: known[key] for place, key in enumerate(keys) if key in known}
        for place, completion in found.items():
            if on_completion is not None:
                on_completion(place, completion)
        missing = [place for place in range(len(requests)) if place not in found]
        if missing:
            found |= self._sample(requests, keys, missing, on_completion)
        return [found[place] for place in range(len(requests))]

    def count(self) -> int:
        """Completions in the file."""
        return len(dict(self._read()))

    def _sample(
        self, requests: Sequence[Request], keys: Sequence[str], missing: Sequence[int], on_completion: OnCompletion | None
    ) -> dict[int, Completion]:
        cut_off = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        if cut_off:
            self._append(b"")

        def keep(index: int, completion: Completion) -> None:
            place = missing[index]
            line = {"key": keys[place], "ids": completion.tokens.ids, "text": completion.text, "finish": completion.finish_reason}
            self._append(json.dumps(line).encode())
            if on_completion is not None:
                on_completion(place, completion)

        sampled = self.sampler.generate([requests[place] for place in missing], keep)
        return dict(zip(missing, sampled, strict=True))

    def _append(self, line: bytes) -> None:
        """Write a line. The folder is made by the first completion: a request that is refused makes nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(line + b"\n")

    def _read(self) -> Iterator[tuple[str, Completion]]:
        """Key and completion of each whole line."""
        for line in self.path.read_bytes().split(b"\n") if self.path.exists() else ():
            try:
                entry = json.loads(line)
                yield str(entry["key"]), _completion(entry)
            except (ValueError, TypeError, KeyError):
                continue


def _completion(entry: dict[str, Any]) -> Completion:
    ids = [int(token) for token in entry["ids"]]
    return Completion(
        TokenSequence.drawn(ids, [0.0] * len(ids), 0), str(entry["text"]), "length" if entry["finish"] == "length" else "stop"
    )


def _keys(model: str, requests: Sequence[Request]) -> list[str]:
    """The hash of each request, numbered if it occurs again."""
    seen: dict[str, int] = {}
    keys = []
    for request in requests:
        asked = [model, request.token_ids, asdict(request.params), request.seed]
        key = sha256(json.dumps(asked).encode()).hexdigest()
        seen[key] = seen.get(key, 0) + 1
        keys.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    return keys
