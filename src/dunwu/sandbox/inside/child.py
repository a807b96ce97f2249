"""One case, in a separate process that never returns to the server's loop."""

from __future__ import annotations

import atexit
import builtins
import ctypes
import fcntl
import json
import os
import platform
import sys
import threading
import traceback
import types
from types import TracebackType
from typing import NoReturn

from dunwu.sandbox.inside.confinement import Bounds, Confinement
from dunwu.sandbox.inside.kernel import AT_EMPTY_PATH, system_call
from dunwu.sandbox.inside.protocol import BINARY, CONFINED, EXIT_MEMORY, FUNCTION, NOT_EXECUTED, STARTED
from dunwu.sandbox.inside.system_calls import ARCHITECTURES, EXECUTABLE, EXECVEAT
from dunwu.sandbox.values import decode_value, encode_value

NAME = "program.py"
RESULT = 3
LAST_DESCRIPTOR = 256


def run_case(mode: int, bounds: Bounds, descriptors: list[int], confinement: Confinement) -> NoReturn:
    """Run a case, from right after the fork to the end of the process."""
    with _Ending():
        program = _arrange(descriptors, mode == BINARY)
        os.setsid()
        confinement.apply(bounds, mode == BINARY)
        os.closerange(RESULT + 1, program)
        os.closerange(program + 1, LAST_DESCRIPTOR)
        os.write(RESULT, CONFINED)
        if mode == BINARY:
            _execute(program)
        _interpret(program, mode == FUNCTION)
    raise AssertionError("a case ended but its process did not")


def _arrange(descriptors: list[int], binary: bool) -> int:
    """Move input, output, errors and result to descriptors 0 to 3; returns the program's descriptor, which is above them."""
    program, given, output, errors, result = descriptors
    moved = fcntl.fcntl(program, fcntl.F_DUPFD, EXECUTABLE)
    for source, target in ((given, 0), (output, 1), (errors, 2), (result, RESULT)):
        os.dup2(source, target, inheritable=target != RESULT)
    os.set_inheritable(moved, not binary)
    return moved


def _execute(program: int) -> NoReturn:
    assert program == EXECUTABLE, "the filter knows this number"
    number = EXECVEAT[list(ARCHITECTURES).index(platform.machine())]
    arguments = (ctypes.c_char_p * 2)(b"program", None)
    try:
        system_call(number, program, b"", arguments, (ctypes.c_char_p * 1)(None), AT_EMPTY_PATH)
    finally:
        os.write(RESULT, NOT_EXECUTED)
        os._exit(1)


def _interpret(program: int, function: bool) -> None:
    entry, source = _content(program)
    os.close(program)
    _open_standard_streams()
    module = types.ModuleType("program" if function else "__main__")
    sys.modules[module.__name__] = module
    sys.argv = [NAME]
    # The only line that executes text, in a process confined for it.
    code = builtins.compile(source, NAME, "exec", dont_inherit=True)
    os.write(RESULT, STARTED)
    if not function:
        os.close(RESULT)
    sys.set_int_max_str_digits(0)  # judges have no such limit; the time limit bounds the work
    builtins.exec(code, module.__dict__)
    if function:
        _call(module, entry.decode())


def _content(program: int) -> tuple[bytes, bytes]:
    content = os.pread(program, os.fstat(program).st_size, 0)
    entry, _, source = content.partition(b"\0")
    return entry, source


def _open_standard_streams() -> None:
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115 (held to the end)
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]


def _call(module: types.ModuleType, entry: str) -> None:
    """Call the module's function, or the method of its class Solution, and write the return value to the result pipe."""
    given = json.loads(sys.stdin.read())
    arguments = [decode_value(item) for item in given.get("args", [])]
    keywords = {name: decode_value(item) for name, item in given.get("kwargs", {}).items()}
    found = getattr(module, entry, None)
    if found is None and hasattr(module, "Solution"):
        found = getattr(module.Solution(), entry, None)
    if found is None:
        raise NameError(f"neither a function {entry!r} nor a method {entry!r} of a class Solution")
    _write_all(json.dumps(encode_value(found(*arguments, **keywords))).encode())


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(RESULT, data) :]


class _Ending:
    """Ends the process as Python ends a script, even after an exception: `with` instead of `except`, so that nothing bypasses it."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> NoReturn:
        if isinstance(error, MemoryError):
            os.write(2, b"MemoryError\n")
            os._exit(EXIT_MEMORY)
        ends_with = 1
        try:
            code = _exit_code(error)
            if error is not None and not isinstance(error, SystemExit):
                traceback.print_exception(kind, error, _from_the_program(trace))
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            _flush()
            ends_with = code
        finally:
            os._exit(ends_with)


def _flush() -> None:
    """Flush what Python flushes at exit: the standard streams, and files that only the program's own names hold."""
    for stream in (sys.stdout, sys.__stdout__, sys.stderr):
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()
    if "__main__" in sys.modules:
        vars(sys.modules["__main__"]).clear()


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        return 1
    if error.code is None or isinstance(error.code, int):
        return int(error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _from_the_program(trace: TracebackType | None) -> TracebackType | None:
    """The trace without our own frames, whose source is not available in the sandbox."""
    while trace is not None and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    return trace
