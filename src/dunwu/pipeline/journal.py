"""``progress.json`` of a pipeline's run: which artefact is each stage's present one, and how far it is. For people to look at:

what is finished is decided by the artefacts' own manifests. Imports no torch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from dunwu.errors import RunError
from dunwu.run.atomic import atomic_file

PROGRESS = "progress.json"

State = Literal["waiting", "running", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Entry:
    """One stage. ``identity`` is empty before it is known, which is when all inputs are there."""

    state: State = "waiting"
    identity: str = ""
    began: float = 0.0
    """Unix time at which its present start began; 0 before."""
    message: str = ""
    """Why it runs, or why it failed."""


class Journal:
    """The entries of a run, written at every change."""

    def __init__(self, run: Path) -> None:
        self._path = run / PROGRESS
        self.entries = read_journal(run)

    def begin(self, stages: Iterable[str]) -> None:
        """A process begins: none of the recipe's ``stages`` runs or has failed yet; others are forgotten."""
        old = {name: self.entries.get(name, Entry()) for name in stages}
        self.entries = {name: entry if entry.state == "done" else Entry(identity=entry.identity) for name, entry in old.items()}
        self._write()

    def note(self, stage: str, state: State, identity: str = "", message: str = "") -> None:
        """A stage's new state; an identity that is not given stays."""
        old = self.entries.get(stage, Entry())
        began = time.time() if state == "running" else old.began
        self.entries[stage] = Entry(state, identity or old.identity, began, message)
        self._write()

    def _write(self) -> None:
        with atomic_file(self._path) as file:
            file.write(json.dumps({name: asdict(entry) for name, entry in self.entries.items()}, indent=2).encode() + b"\n")


def read_journal(run: Path) -> dict[str, Entry]:
    """The entries by stage; empty where there is none. Raises `RunError` when the file is damaged."""
    path = run / PROGRESS
    try:
        return {name: Entry(**entry) for name, entry in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path} is damaged ({type(error).__name__}): delete it; it will be rewritten") from error
