"""What both sides of the wall agree on.

A job is the header `JOB` with five descriptors: program, input, and the write ends of the pipes for output, errors and result.
The program is a sealed memfd: the function's name (empty for a script), a null byte and the source; or the binary to run.
The answer is `REPLY`: how the child ended, by ``wait4``. The result pipe begins with marks that the child writes
before a line of the program runs, so they cannot be forged: `CONFINED` once it is locked in, `STARTED` once the source is compiled.
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
"""In place of `STARTED`: a binary could not be run at all. One that runs leaves no second mark."""

EXIT_MEMORY = 250
"""The exit code after an uncaught MemoryError. A program may use it too, and is then told that it ran out of memory."""
