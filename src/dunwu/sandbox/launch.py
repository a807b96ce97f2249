"""Starts a worker: the user, the Python and the isolation that it runs under."""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import IO, Any

from dunwu.errors import UserError
from dunwu.sandbox.inside.confinement import DEVICES

UNPRIVILEGED = 64_917
"""User and group of everything in a sandbox that root starts. Root would keep rights in its namespace and is exempt from some limits."""
ENVIRONMENT = {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1"}
"""A program's whole environment. One malloc arena, because each reserves 64 MiB of address space, which the memory limit counts."""
LIBRARIES = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives")
INSIDE = ("", "child", "confinement", "kernel", "landlock", "protocol", "server", "system_calls")
SYSTEM_PYTHON = "/usr/bin/python3"
TRIAL_SECONDS = 20.0


def identity() -> dict[str, Any]:
    """Arguments of Popen: root drops its privileges, other users stay as they are."""
    if os.geteuid() != 0:
        return {}
    return {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}


@functools.cache
def interpreter() -> tuple[str, str]:
    """The worker's Python and its prefix: ours if the worker's user can run it, else the system's."""
    tried = dict.fromkeys((os.path.realpath(sys.executable), SYSTEM_PYTHON))
    for path in tried:
        try:
            answer = subprocess.run(
                [path, "-S", "-c", "import ctypes, sys; assert sys.version_info >= (3, 9); print(sys.base_prefix)"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd="/",
                env={},
                timeout=TRIAL_SECONDS,
                check=True,
                **identity(),
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if Path(answer.stdout.strip()) != Path("/"):
            return path, answer.stdout.strip()
    raise UserError(
        f"no Python that an unprivileged user can run ({', '.join(tried)}): install python3, or make Dunwu's readable for other users"
    )


@functools.cache
def archive() -> bytes:
    """The modules of `dunwu.sandbox.inside` as a runnable zip file, because the worker's user may be unable to read our files."""
    package = resources.files("dunwu")
    files = {
        "__main__.py": "from dunwu.sandbox.inside.server import main\n\nmain()\n",
        "dunwu/__init__.py": "",
        "dunwu/sandbox/__init__.py": "",
    }
    for name in ("values", *(f"inside/{part or '__init__'}" for part in INSIDE)):
        files[f"dunwu/sandbox/{name}.py"] = package.joinpath(f"sandbox/{name}.py").read_text(encoding="utf-8")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return buffer.getvalue()


def server_command(level: int, archive_descriptor: int, socket_descriptor: int) -> list[str]:
    """The command of a worker at a level. Raises `UserError` if bubblewrap or a usable Python is missing."""
    python, _ = interpreter()
    options = {"socket": socket_descriptor, "archive": archive_descriptor, "level": level, "readable": readable()}
    if level > 1:
        options["parent"] = os.getpid()
    command = [python, "-s", "-S", "-B", "-X", "utf8", f"/dev/fd/{archive_descriptor}", json.dumps(options)]
    return [*namespaces("--as-pid-1"), *command] if level == 1 else command


def namespaces(*more: str) -> list[str]:
    """A bubblewrap command whose file system has only what Python and a compiler need to read."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise UserError("bubblewrap is missing: install the package bubblewrap")
    _, prefix = interpreter()
    arguments = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--hostname", "sandbox"]
    arguments += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dir", "/dev"]
    for path in LIBRARIES:
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            arguments += ["--ro-bind", path, path]
    for path in SYSTEM_FILES:
        arguments += ["--ro-bind-try", path, path]
    if not _below_usr(prefix):
        arguments += ["--ro-bind", prefix, prefix]
    for path in DEVICES:
        arguments += ["--dev-bind", path, path]
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        arguments += ["--symlink", f"/proc/self/{target}", f"/dev/{name}"]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    return [bwrap, *arguments, *more, "--remount-ro", "/", "--chdir", "/"]


def readable() -> list[str]:
    """The paths that a program may open, for Landlock."""
    _, prefix = interpreter()
    return ["/usr", *LIBRARIES, *SYSTEM_FILES, *([] if _below_usr(prefix) else [prefix])]


def start(command: Sequence[str], descriptors: Sequence[int], errors: IO[bytes], **streams: Any) -> subprocess.Popen[bytes]:
    """Start a process from a permanent thread, because bubblewrap dies with the *thread* that started it. Raises `OSError`."""

    def popen() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams},
            stderr=errors,
            pass_fds=tuple(descriptors),
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            **identity(),
        )

    starter = _starter()
    return starter.submit(popen).result()


def _below_usr(path: str) -> bool:
    return Path("/usr") in (Path(path), *Path(path).parents)


@functools.cache
def _starter() -> ThreadPoolExecutor:
    os.register_at_fork(after_in_child=_starter.cache_clear)  # a fork does not copy the thread
    return ThreadPoolExecutor(1, "dunwu-sandbox")
