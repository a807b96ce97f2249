"""System calls for which Python has no function."""

from __future__ import annotations

import ctypes
import os
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
AT_EMPTY_PATH = 0x1000

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, argument: Any = 0, second: Any = 0) -> None:
    """Raises `OSError` when the kernel refuses."""
    _checked(_libc.prctl(option, _word(argument), _word(second), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def system_call(number: int, *arguments: Any) -> int:
    """Raises `OSError` when the kernel refuses."""
    return _checked(_libc.syscall(ctypes.c_long(number), *map(_word, arguments)))


def install_filter(program: bytes) -> None:
    """Install a seccomp filter for this thread and its descendants; needs PR_SET_NO_NEW_PRIVS."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Program(len(program) // 8, program)))


def _word(argument: Any) -> Any:
    return ctypes.c_ulong(argument & (2**64 - 1)) if isinstance(argument, int) else argument


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
