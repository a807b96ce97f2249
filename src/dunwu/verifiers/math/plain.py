"""Unmodified math-verify, to compare with our verifier: ``python -m dunwu.verifiers.math.plain`` judges lines ``[gold, text]`` on stdin.

For comparisons only. It runs in its own process because it takes seconds on power towers, can limit time only in the main thread and passes
arithmetic to ``parse_expr``; if a row takes longer than `ROW_SECONDS`, its process is killed.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ROW_SECONDS = 15.0
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class PlainVerdict:
    """``equal`` is ``None`` if the process had to be killed."""

    equal: bool | None
    seconds: float


def plain_verdicts(pairs: Sequence[tuple[str, str]]) -> Iterator[PlainVerdict]:
    """math-verify's verdict on each ``(gold, text)``, in order."""
    process: subprocess.Popen[bytes] | None = None
    try:
        for gold, text in pairs:
            process = process or _start()
            began = time.perf_counter()
            line = _ask(process, json.dumps([gold, text]).encode() + b"\n", ROW_SECONDS)
            yield PlainVerdict(None if line is None else json.loads(line), time.perf_counter() - began)
            if line is None:
                _stop(process)
                process = None
    finally:
        _stop(process)


def _start() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-P", "-m", "dunwu.verifiers.math.plain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    _ask(process, b'["1", "1"]\n', START_SECONDS)
    return process


def _ask(process: subprocess.Popen[bytes], line: bytes, seconds: float) -> bytes | None:
    """The answer to one line; ``None`` if the process gives none in time."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(line)
        process.stdin.flush()
    except BrokenPipeError:
        return None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return (process.stdout.readline() or None) if ready else None


def _stop(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.kill()
        process.communicate()


def main() -> None:
    """Judge until stdin ends."""
    import logging

    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        gold, text = json.loads(line)
        # Expressions are marked, as its documentation advises; a bare answer is read with and without the mark.
        marked = [text] if "$" in text or "\\boxed" in text or "\n" in text else [text, f"${text}$"]
        expected = parse(f"${gold}$")
        print(json.dumps(any(verify(expected, parse(one)) for one in marked)), flush=True)


if __name__ == "__main__":
    main()
