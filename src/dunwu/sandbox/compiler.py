"""Compiles C++ to a binary, in a separate sandbox that ends with the compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections import OrderedDict

from dunwu.errors import UserError
from dunwu.sandbox.ending import SHOWN_ERRORS, lost
from dunwu.sandbox.launch import namespaces, start
from dunwu.sandbox.outcome import Outcome, Program
from dunwu.sandbox.sealed import new_file, sealed

SECONDS = 10
MEMORY_KIB = 2 << 20
FILE_BLOCKS = 128 << 10
"""In units of 512 bytes: 64 MiB."""
COMPILERS = ("g++", "clang++")
REFUSED = 66
"""Exit code for a compile error, as opposed to any other failure."""
REMEMBERED = 32

SCRIPT = f"""
export PATH=/usr/bin:/bin TMPDIR=/tmp
ulimit -t {SECONDS} -v {MEMORY_KIB} -f {FILE_BLOCKS} -c 0
timeout -s KILL {SECONDS} "$0" -std=c++20 -O2 -pipe -x c++ -o /tmp/program - || exit {REFUSED}
exec cat /tmp/program
"""


class Compiler:
    """Caches the last few binaries, because each program runs on many inputs."""

    def __init__(self, level: int) -> None:
        """Only level 1 has a folder that a compiler may write to."""
        self._level = level
        self._lock = threading.Lock()
        self._built: OrderedDict[str, bytes | Outcome] = OrderedDict()

    def build(self, program: Program) -> bytes | Outcome:
        """The binary, or the outcome (``compile_error``, ``sandbox_error``) of all its cases."""
        with self._lock:
            if program.source in self._built:
                self._built.move_to_end(program.source)
                return self._built[program.source]
        built = self._build(program.source)
        if isinstance(built, Outcome) and built.status == "sandbox_error":
            return built
        with self._lock:
            self._built[program.source] = built
            if len(self._built) > REMEMBERED:
                self._built.popitem(last=False)
        return built

    def _build(self, source: str) -> bytes | Outcome:
        compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
        if compiler is None:
            return lost("no C++ compiler: install g++ or clang++")
        if self._level != 1:
            return lost(f"C++ needs a sandbox of level 1, but this one has level {self._level}: see dunwu doctor, or use a remote worker")
        try:
            command = [*namespaces("--tmpfs", "/tmp"), "sh", "-c", SCRIPT, compiler]
            return _compile(command, source.encode(errors="surrogatepass"))
        except (OSError, UserError) as error:
            return lost(f"the compiler did not start: {error}")


def _compile(command: list[str], source: bytes) -> bytes | Outcome:
    binary = new_file()
    try:
        with tempfile.TemporaryFile() as errors, sealed(source) as given:
            process = start(command, (), errors, stdin=given, stdout=binary)
            try:
                code = process.wait(SECONDS + 2)
            except subprocess.TimeoutExpired:
                code = REFUSED
            finally:
                process.kill()
                process.wait()
            errors.seek(0)
            complaint = errors.read(SHOWN_ERRORS).decode(errors="replace").strip()
        if code == 0:
            return os.pread(binary, os.fstat(binary).st_size, 0)
        if code == REFUSED:
            return Outcome("compile_error", "", 0.0, 0.0, 0, complaint or f"the compiler took more than {SECONDS} seconds")
        return lost(f"the compiler ended with {code}: {complaint}")
    finally:
        os.close(binary)
