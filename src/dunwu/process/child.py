"""Helper processes that end with their parent and stay within a memory limit. This is not a sandbox."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

MEMORY_BYTES = 1 << 30
PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """End this process once ``parent`` has ended, even in the middle of work: by the kernel on Linux, elsewhere by a polling thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def limit_memory(size: int = MEMORY_BYTES) -> None:
    """Limit the address space to ``size`` bytes, never above the current limit, and write no core file."""
    if sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
