"""The protocol between a worker and its client.

A job is the header `JOB` with five descriptors: program, input, and the write ends of the pipes for output, errors and result.
The program is a sealed memfd: the function's name (empty for a script), a null byte and the source; or the binary to run.
The answer is `REPLY`: the child's ending, from ``wait4``. The result pipe starts with marks that the child writes
before any line of the program runs, so they cannot be forged: `CONFINED` once it is confined, `STARTED` once the source is compiled.
"""

from __future__ import annotations

import struct

JOB = struct.Struct("<BIII")
"""Mode, CPU seconds, memory in MiB, bytes of the largest file."""
REPLY = struct.Struct("<iqq")
"""Wait status, CPU microseconds, peak memory in KiB."""

SCRIPT, FUNCTION, BINARY = range(3)
DESCRIPTORS = 5
READY = b"ready"

CONFINED = b"c"
STARTED = b"s"
NOT_EXECUTED = b"x"
"""Written instead of `STARTED` if a binary could not be executed. A binary that runs writes no second mark."""

EXIT_MEMORY = 250
"""The exit code after an uncaught MemoryError. A program that uses it itself is reported as out of memory."""
