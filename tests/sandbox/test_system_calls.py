"""The filter, run instruction by instruction on paper for both processors."""

from __future__ import annotations

import errno
import struct

import pytest

from dunwu.sandbox.inside.system_calls import (
    ALWAYS,
    ARCHITECTURES,
    CLONE,
    CLONE3,
    CLONE_THREAD,
    EXECUTABLE,
    EXECVEAT,
    FCNTL,
    IOCTL,
    KILL,
    PRCTL,
    PRLIMIT,
    SOCKETPAIR,
    TGKILL,
    X32_BIT,
    filter_program,
)

ALLOW, KILL_PROCESS, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
REFUSED = ERROR | errno.EPERM
PID = 4711
MACHINES = list(ARCHITECTURES)

FORBIDDEN = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "socket": (41, 198), "connect": (42, 203), "bind": (49, 200),
    "sendmsg": (46, 211), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "unshare": (272, 97),
    "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "memfd_create": (319, 279), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138), "sched_setaffinity": (203, 122), "setpriority": (141, 140), "shmget": (29, 194),
    "mq_open": (180, 180), "timer_create": (222, 107), "unlinkat": (263, 35), "mkdirat": (258, 34), "renameat2": (316, 276),
    "fchmodat": (268, 53), "setuid": (105, 146), "seccomp": (317, 277), "landlock_create_ruleset": (444, 444),
    "open_by_handle_at": (304, 265),
    "flock": (73, 32), "kexec_load": (246, 104), "reboot": (169, 142), "personality": (135, 92),
}  # fmt: skip


def judged(machine: str, number: int, *arguments: int, binary: bool = False, architecture: int | None = None) -> int:
    """What the filter returns; the kernel's interpreter for the eight instructions that it uses."""
    data = struct.pack("<iIQ6Q", number, architecture or ARCHITECTURES[machine], 0, *arguments, *[0] * (6 - len(arguments)))
    code = list(struct.iter_unpack("<HBBI", filter_program(PID, binary, machine)))
    accumulator = place = 0
    while True:
        operation, if_true, if_false, value = code[place]
        place += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value}[operation]
            place += if_true if holds else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_exactly_the_named_calls_are_always_allowed(machine: str) -> None:
    named = {pair[MACHINES.index(machine)] for pair in ALWAYS.values()} - {-1}
    conditional = {pair[MACHINES.index(machine)] for pair in (CLONE, IOCTL, FCNTL, PRCTL, PRLIMIT, SOCKETPAIR, KILL, TGKILL)}
    never = 0xDEAD
    allowed = {number for number in range(600) if judged(machine, number, never, never, never) == ALLOW}
    # 0xDEAD has no CLONE_THREAD, is no ioctl, and so on: none of the conditional ones is allowed by it.
    assert allowed == named
    assert not allowed & conditional


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_dangerous_ones_are_refused(machine: str, name: str) -> None:
    number = FORBIDDEN[name][MACHINES.index(machine)]
    if number is not None:
        assert judged(machine, number, binary=True) == REFUSED


@pytest.mark.parametrize("machine", MACHINES)
def test_some_depend_on_their_arguments(machine: str) -> None:
    column = MACHINES.index(machine)

    def call(numbers: tuple[int, int], *arguments: int, binary: bool = False) -> bool:
        return judged(machine, numbers[column], *arguments, binary=binary) == ALLOW

    assert call(CLONE, CLONE_THREAD | 0x100)
    assert not call(CLONE, 0x10000000)  # a new user namespace
    assert not call(CLONE, 17)  # fork
    assert call(KILL, PID, 9)
    assert call(KILL, 0, 9)
    assert not call(KILL, 1, 9)
    assert not call(KILL, 2**32 - 1, 9)
    assert call(TGKILL, PID, PID, 6)
    assert not call(TGKILL, 1, 1, 6)
    assert call(PRLIMIT, 0, 7)
    assert not call(PRLIMIT, 1, 7)
    assert call(PRCTL, 15)
    assert not call(PRCTL, 4, 0)
    assert call(FCNTL, 5, 1030)
    assert not call(FCNTL, 5, 8)  # F_SETOWN
    assert call(IOCTL, 1, 0x5401)
    assert not call(IOCTL, 1, 0x5412)  # TIOCSTI
    assert call(SOCKETPAIR, 1, 1 | 0o2000000)
    assert not call(SOCKETPAIR, 1, 2)
    assert not call(SOCKETPAIR, 2, 1)
    assert call(EXECVEAT, EXECUTABLE, binary=True)
    assert not call(EXECVEAT, 3, binary=True)
    assert not call(EXECVEAT, EXECUTABLE)


@pytest.mark.parametrize("machine", MACHINES)
def test_other_tables_of_system_calls_are_no_way_round(machine: str) -> None:
    assert judged(machine, 0, architecture=0x40000003) == KILL_PROCESS  # the 32-bit calls of a 64-bit processor
    assert judged(machine, X32_BIT) == REFUSED
    assert judged(machine, X32_BIT | 59) == REFUSED
    assert judged(machine, CLONE3) == ERROR | errno.ENOSYS
