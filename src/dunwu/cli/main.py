"""`dunwu COMMAND ...`: finds the command, and is the only place that turns errors into messages and exit codes.

Exit codes: 0 success; 1 failure; 2 a mistake in the input; 130 or 143 stopped by Ctrl-C or SIGTERM, with everything saved.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from dunwu.cli.show import printable, show
from dunwu.errors import DunwuError, Interrupted, UserError
from dunwu.isa import levels_in_force
from dunwu.text.translate import check_language

COMMANDS = {
    "zero": "train a base model by pure reinforcement learning (R1-Zero)",
    "r1": "run all four stages of R1, from the base model to the final one",
    "sft": "fine-tune a model on conversations, including their reasoning",
    "distill": "give a small model the reasoning of a large one",
    "compare": "compare distillation with reinforcement learning at equal compute",
    "reproduce": "test the paper's claims again at the tiny scale, with three seeds",
    "reward-model": "train a reward model on preferences or on safety labels",
    "data": "show what a data file holds and how each command reads it",
    "run": "run a pipeline of stages; resumable at any time",
    "status": "show the finished, running and waiting stages of a pipeline",
    "review": "review rows by hand: keep, reject or edit each",
    "import": "make a Hugging Face folder of a GGUF file",
    "export": "write a model folder with a card, ready for the Hugging Face hub",
    "pretrain": "make the tiny base model again",
    "eval": "evaluate a model: pass@1 with its interval, pass@k, majority@k",
    "elo": "rate a model by programming contests, or replay a contest's ratings, offline",
    "verify": "check answers and programs, and explain a rollout's reward: verify math | code | rollout",
    "serve": "serve models over HTTP, with their chains of thought, as OpenAI's clients expect them",
    "chat": "talk to a model at the terminal, its thinking shown",
    "sandbox": "serve this machine's sandbox to other machines over HTTP",
    "report": "write the HTML report of a run",
    "lab": "analyse how a run's model thinks, from its stored completions",
    "explain": "show how a checkpoint was made",
    "doctor": "check this machine and this installation",
    "keys": "list the configuration keys of a command: type, default, meaning",
    "completion": "print the completion script of a shell: bash, zsh or fish",
}
"""Name and purpose; `dunwu.cli.<name>_command` has `run(arguments) -> exit code`."""

MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)
"""A full disk, a file that is too large or a forbidden folder gives one line; any other OSError is a bug and keeps its traceback."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except Interrupted as error:
        return _fail(error, 128 + error.number)
    except UserError as error:
        return _fail(error, 2)
    except DunwuError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader (`| head`) has closed the pipe. Python would complain again when it closes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in MACHINE_ERRORS:
            raise
        return _fail(f"{error.filename or 'writing'}: {error.strerror}", 1)


def _dispatch(argv: list[str]) -> int:
    check_language()
    if not argv or argv[0] in ("-h", "--help", "help"):
        show(usage())
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
    return "\n".join(
        [head, "commands:", *lines, "", "dunwu COMMAND --help shows the options of a command, dunwu keys COMMAND [WORD] its keys."]
    )


def _fail(message: object, code: int) -> int:
    show(printable(f"dunwu: {' '.join(str(message).split())}"), sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
