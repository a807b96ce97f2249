"""Makes the virtual environment at a path with the Python that runs this file, or says in one line what that Python lacks.

The file must be readable for any Python, 2 included: only then can an old one be named.
"""

# ruff: noqa: UP031

import os
import shutil
import sys

OLDEST = (3, 11)
NEEDED = ("venv", "ensurepip", "ssl", "zlib", "ctypes")
"""Modules of the standard library that distributions split off, or that a build without their headers lacks."""


def lacking():
    """What makes this Python unusable, with the remedy, or an empty text."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < OLDEST:
        return "%s is Python %s, and 3.11 or newer is needed: make demo PYTHON=python3.12 (or another)" % (sys.executable, version)
    for name in NEEDED:
        try:
            __import__(name)
        except ImportError:
            return "%s lacks the module %s; %s" % (sys.executable, name, remedy(name))
    return ""


def remedy(name):
    """How to get a module, or another Python."""
    if name in ("venv", "ensurepip"):
        package = "python%d.%d-venv" % sys.version_info[:2]
        return "on Debian and Ubuntu: apt install %s; then the same make again" % package
    return "install a complete Python and give it: make demo PYTHON=python3.12 (or another)"


def make(path):
    """The environment; nothing stays of one that could not be made."""
    import venv

    if os.path.isdir(path) and os.listdir(path) and not os.path.exists(os.path.join(path, "pyvenv.cfg")):
        return "%s holds other files than an environment; give another folder: make demo VENV=.venv" % path
    try:
        venv.create(path, with_pip=True, clear=True, symlinks=os.name != "nt")
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if not isinstance(error, Exception):
            raise
        return "%s cannot make the environment %s (%s); give another: make demo PYTHON=python3.12" % (sys.executable, path, error)
    return ""


if __name__ == "__main__":
    sys.exit(lacking() or make(sys.argv[1]) or None)
