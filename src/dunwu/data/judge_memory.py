"""A judge that remembers: what it said is on disk, so that a builder that was stopped, or whose endpoint went down, loses no answer."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from dunwu.data.judging import Judge, JudgeRequest


class RememberedJudge:
    """Asks ``judge`` for what is not in ``file`` yet, ``chunk`` requests at a time, and adds each chunk's answers to it."""

    def __init__(self, judge: Judge, file: Path, chunk: int = 64) -> None:
        self._judge, self._file, self._chunk = judge, file, chunk
        self._known = _read(file)

    def __call__(self, requests: Sequence[JudgeRequest]) -> list[str]:
        """The answers, in the order of the requests."""
        keys = [_key(request) for request in requests]
        asked = {key: request for key, request in zip(keys, requests, strict=True) if key not in self._known}
        fresh = list(asked.items())
        for start in range(0, len(fresh), self._chunk):
            part = fresh[start : start + self._chunk]
            answers = self._judge([request for _, request in part])
            self._add({key: answer for (key, _), answer in zip(part, answers, strict=True)})
        return [self._known[key] for key in keys]

    def _add(self, answers: dict[str, str]) -> None:
        """To disk, then to memory. The first newline ends a line that a kill may have cut."""
        lines = "".join(f"{json.dumps({'request': key, 'answer': answer})}\n" for key, answer in answers.items())
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"\n{lines}")
            file.flush()
            os.fsync(file.fileno())
        self._known |= answers


def _key(request: JudgeRequest) -> str:
    return sha256(f"{request.seed} {request.text}".encode("utf-8", "surrogatepass")).hexdigest()


def _read(file: Path) -> dict[str, str]:
    """What was remembered; a line that was cut short is asked for again."""
    known = {}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else ():
        try:
            row = json.loads(line)
            known[str(row["request"])] = str(row["answer"])
        except (ValueError, TypeError, KeyError):
            continue
    return known
