"""Immutable files in memory that are passed to a worker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator

MFD_EXEC = 0x10


@contextlib.contextmanager
def sealed(data: bytes, executable: bool = False) -> Iterator[int]:
    """A descriptor of a sealed file with ``data``, at position 0."""
    descriptor = new_file(executable)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        seal(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def new_file(executable: bool = False) -> int:
    """An empty file that is not yet sealed; an unnamed file on disk if the system has no memory files."""
    if sys.platform != "linux":
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    if executable:
        with contextlib.suppress(OSError):  # kernels before 6.3 neither know nor need the flag
            return os.memfd_create("program", flags | MFD_EXEC)
    return os.memfd_create("program", flags)


def seal(descriptor: int) -> None:
    """Forbid writes and changes of length."""
    if sys.platform == "linux":
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
