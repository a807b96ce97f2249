"""Landlock: the files a process may open and the processes it may signal (Linux, Documentation/userspace-api/landlock.rst)."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Sequence

from dunwu.sandbox.inside.kernel import system_call

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # on every architecture
VERSION = 1
PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
"""All file rights that an ABI knows; a handled right is refused unless a rule grants it."""
TCP_RIGHTS = 3
SCOPES = 3
"""Abstract Unix sockets and signals, from ABI 6."""
LAST_KNOWN_ABI = 6


def abi() -> int:
    """The kernel's Landlock ABI; 0 without Landlock."""
    try:
        return system_call(CREATE_RULESET, 0, 0, VERSION)
    except OSError:
        return 0


def ruleset(readable: Sequence[str], writable: Sequence[str]) -> int:
    """A descriptor of rules that allow only reading and running files below ``readable``, and the devices ``writable``."""
    known = min(abi(), LAST_KNOWN_ABI)
    handled = struct.pack("<QQQ", FILE_RIGHTS[min(known, 5)], TCP_RIGHTS, SCOPES)[: 8 if known < 4 else 16 if known < 6 else 24]
    rules = system_call(CREATE_RULESET, handled, len(handled), 0)
    for path in readable:
        _allow(rules, path, EXECUTE | READ_FILE | READ_DIR)
    for path in writable:
        _allow(rules, path, READ_FILE | WRITE_FILE)
    return rules


def restrict_self(rules: int) -> None:
    """Apply the rules to this thread and its descendants; needs PR_SET_NO_NEW_PRIVS."""
    system_call(RESTRICT_SELF, rules, 0)


def _allow(rules: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            rights &= ~READ_DIR
        system_call(ADD_RULE, rules, PATH_BENEATH, struct.pack("<Qi", rights, target), 0)
        os.close(target)
