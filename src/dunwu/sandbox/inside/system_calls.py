"""The seccomp filter: the system calls that a program may make. Everything not listed is refused.

Allowed is what Python and the C++ library need to compute, read, print, sleep, and run threads. Refused, among others: new processes,
other programs, sockets, ptrace and the memory of other processes, memfd_create, mounts and namespaces, io_uring, keys, bpf,
timers that outlive a case, everything that changes a file's name or mode, and the limits or priority of another process.
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import NamedTuple

EXECUTABLE = 200
"""The descriptor of the binary to run. It is above RLIMIT_NOFILE, so once exec has closed it no other file can get its number."""

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000
CLONE_THREAD = 0x10000
CLONE3 = 435
"""On every architecture. A filter cannot read its flags, which are in memory; if it is reported missing, the C library uses clone."""

_NONE = -1

ALWAYS = {
    # files and pipes
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "pwrite64": (18, 68),
    "open": (2, _NONE), "openat": (257, 56), "close": (3, 57), "close_range": (436, 436), "lseek": (8, 62),
    "stat": (4, _NONE), "lstat": (6, _NONE), "fstat": (5, 80), "newfstatat": (262, 79), "statx": (332, 291),
    "access": (21, _NONE), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, _NONE), "readlinkat": (267, 78),
    "statfs": (137, 43), "fstatfs": (138, 44), "getdents64": (217, 61), "getcwd": (79, 17), "chdir": (80, 49),
    "dup": (32, 23), "dup2": (33, _NONE), "dup3": (292, 24), "pipe": (22, _NONE), "pipe2": (293, 59),
    # waiting
    "poll": (7, _NONE), "ppoll": (271, 73), "select": (23, _NONE), "pselect6": (270, 72), "epoll_create": (213, _NONE),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, _NONE), "epoll_pwait": (281, 22), "pause": (34, _NONE),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "alarm": (37, _NONE), "setitimer": (38, 103), "getitimer": (36, 102),
    "wait4": (61, 260), "waitid": (247, 95), "sendto": (44, 206), "recvfrom": (45, 207),
    # memory and threads
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233), "brk": (12, 214),
    "msync": (26, 227), "mincore": (27, 232), "futex": (202, 98), "futex_waitv": (449, 449), "membarrier": (324, 283),
    "set_robust_list": (273, 99), "set_tid_address": (218, 96), "rseq": (334, 293), "arch_prctl": (158, _NONE),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "getcpu": (309, 168),
    # signals to oneself
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    # identity and time
    "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178), "getpgrp": (111, _NONE), "getpgid": (121, 155),
    "getsid": (124, 156), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158), "uname": (63, 160), "sysinfo": (99, 179),
    "getrlimit": (97, 163), "setrlimit": (160, 164), "getrusage": (98, 165), "times": (100, 153), "time": (201, _NONE),
    "gettimeofday": (96, 169), "clock_gettime": (228, 113), "clock_getres": (229, 114), "getrandom": (318, 278),
    "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
"""Numbers by name, on x86_64 and on aarch64, which lacks some."""


class Condition(NamedTuple):
    """The lower 32 bits of ``argument & mask`` must be one of ``values``."""

    argument: int
    mask: int
    values: tuple[int, ...]


WHOLE = 0xFFFFFFFF
CLONE = (56, 220)
IOCTL, FCNTL, PRCTL, PRLIMIT, SOCKETPAIR = (16, 29), (72, 25), (157, 167), (302, 261), (53, 199)
KILL, TGKILL, EXECVEAT = (62, 129), (234, 131), (322, 281)
IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Is it a terminal, its size, bytes to read, blocking, close on exec."""
FCNTLS = (0, 1, 2, 3, 4, 1030, 1032)
"""Duplicate, flags, the size of a pipe; not F_SETOWN, which makes the kernel send signals."""
PRCTLS = (15, 16)
"""The name of a thread."""
AF_UNIX, SOCK_STREAM, SOCK_TYPE_MASK = 1, 1, 0xF

_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x54, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16


def supported() -> bool:
    """True if there are tables for this processor."""
    return platform.machine() in ARCHITECTURES and struct.calcsize("P") == 8


def conditional(pid: int, binary: bool) -> dict[tuple[int, int], tuple[Condition, ...]]:
    """System calls that the process ``pid`` may make only with certain arguments."""
    rules = {
        CLONE: (Condition(0, CLONE_THREAD, (CLONE_THREAD,)),),
        IOCTL: (Condition(1, WHOLE, IOCTLS),),
        FCNTL: (Condition(1, WHOLE, FCNTLS),),
        PRCTL: (Condition(0, WHOLE, PRCTLS),),
        PRLIMIT: (Condition(0, WHOLE, (0, pid)),),
        KILL: (Condition(0, WHOLE, (0, pid)),),
        TGKILL: (Condition(0, WHOLE, (pid,)),),
        # For asyncio. A datagram pair could send to any address, a stream is tied to its other end.
        SOCKETPAIR: (Condition(0, WHOLE, (AF_UNIX,)), Condition(1, SOCK_TYPE_MASK, (SOCK_STREAM,))),
    }
    if binary:
        rules[EXECVEAT] = (Condition(0, WHOLE, (EXECUTABLE,)),)
    return rules


def filter_program(pid: int, binary: bool = False, machine: str = "") -> bytes:
    """The filter of the process ``pid`` as kernel packet filter instructions (Documentation/userspace-api/seccomp_filter.rst)."""
    machine = machine or platform.machine()
    column = list(ARCHITECTURES).index(machine)
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_JUMP_EQUAL, CLONE3, 0, 1),
        _step(_RETURN, _ERROR | errno.ENOSYS),
    ]
    for first, last in _ranges(sorted(number for pair in ALWAYS.values() for number in pair[column : column + 1] if number != _NONE)):
        code += [_step(_JUMP_AT_LEAST, first, 0, 2), _step(_JUMP_GREATER, last, 1, 0), _step(_RETURN, _ALLOW)]
    for numbers, conditions in conditional(pid, binary).items():
        block = _block(conditions)
        code += [_step(_JUMP_EQUAL, numbers[column], 0, len(block)), *block]
    # x32 calls have a bit that none of the numbers above has, so they are refused here too.
    return b"".join([*code, _step(_RETURN, _ERROR | errno.EPERM)])


def _block(conditions: tuple[Condition, ...]) -> list[bytes]:
    """Instructions that always return: allowed if all conditions hold."""
    code: list[bytes] = []
    for condition in conditions:
        code += [_step(_LOAD, _ARGUMENTS + 8 * condition.argument), _step(_AND, condition.mask)]
        for index, value in enumerate(condition.values):
            code.append(_step(_JUMP_EQUAL, value, len(condition.values) - index, 0))
        code.append(_step(_RETURN, _ERROR | errno.EPERM))
    return [*code, _step(_RETURN, _ALLOW)]


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number <= found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value & WHOLE)
