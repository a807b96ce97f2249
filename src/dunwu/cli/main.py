"""`dunwu COMMAND ...`: finds the command, and is the one place where errors become lines and exit codes.

Exit codes: 0 done, or stopped with all saved; 1 failed; 2 the user's mistake; 130 interrupted at once.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from dunwu.errors import DunwuError, Interrupted, UserError
from dunwu.isa import levels_in_force

# OpenMP threads wait at barriers by spinning. With libgomp's default, which spins for milliseconds, one other busy process
# beside two torch threads slowed the engine from 25,000 to 1,800 tokens/s. Read when torch is loaded, so it is set before.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

COMMANDS = {
    "zero": "train a base model by pure reinforcement learning (R1-Zero)",
    "r1": "do all four stages of R1, from a base to the final model",
    "sft": "fine-tune a model on conversations, its reasoning kept",
    "reward-model": "train a reward model on preferences or on safety labels",
    "run": "do a pipeline of stages, resumable at any moment",
    "status": "tell what of a pipeline is done, running and left",
    "review": "look through rows by hand: keep, reject or edit each",
    "pretrain": "make the tiny base model again",
    "eval": "measure a model: pass@1 with its interval, pass@k, majority@k",
    "verify": "check answers and programs, and explain a rollout's reward: verify math | code | rollout",
    "sandbox": "lend this machine's sandbox for programs to others over HTTP",
    "report": "write report.html of a run",
    "explain": "tell where a checkpoint came from",
    "doctor": "look at this machine and this installation",
}
"""Name and purpose; `dunwu.cli.<name>_command` holds `run(arguments) -> exit code`."""

MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)
"""A full disk, a file too large for it or a forbidden folder is told in one line; any other OSError is ours and keeps its traceback."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except Interrupted as error:
        return _tell(error, 0)
    except UserError as error:
        return _tell(error, 2)
    except DunwuError as error:
        return _tell(error, 1)
    except KeyboardInterrupt:
        return _tell("interrupted", 130)
    except BrokenPipeError:
        # The reader (`| head`) has gone. Python would complain once more when it closes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in MACHINE_ERRORS:
            raise
        return _tell(f"{error.filename or 'writing'}: {error.strerror}", 1)


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"dunwu {version('dunwu')}")
        return 0
    levels_in_force()  # a bad DUNWU_ISA is refused before any work
    name, *arguments = argv
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"the commands are {', '.join(COMMANDS)}"
        raise UserError(f"unknown command {name!r}: {hint}")
    code: int = importlib.import_module(f"dunwu.cli.{name.replace('-', '_')}_command").run(arguments)
    return code


def usage() -> str:
    """The text of `dunwu --help`."""
    lines = [f"  {name:<14}{purpose}" for name, purpose in COMMANDS.items()]
    head = "usage: dunwu COMMAND [options] [key=value ...]\n\nDunwu trains reasoning models the way DeepSeek-R1 was made.\n"
    return "\n".join([head, "commands:", *lines, "", "dunwu COMMAND --help tells the options of a command."])


def _tell(message: object, code: int) -> int:
    print(f"dunwu: {' '.join(str(message).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
