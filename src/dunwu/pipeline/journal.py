"""``progress.json`` of a pipeline run: the state and the current artefact of each stage, for display only. The artefacts' own manifests
decide what is finished. Imports no torch.
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
    """One stage. ``identity`` is empty until all its inputs exist."""

    state: State = "waiting"
    identity: str = ""
    began: float = 0.0
    """Unix time of its current start; 0 before."""
    message: str = ""
    """Why it runs, or why it failed."""


class Journal:
    """The entries of a run, saved at every change."""

    def __init__(self, run: Path) -> None:
        self._path = run / PROGRESS
        self.entries = read_journal(run)

    def begin(self, stages: Iterable[str]) -> None:
        """Start a process: resets running and failed ``stages`` of the recipe, and drops entries of other stages."""
        old = {name: self.entries.get(name, Entry()) for name in stages}
        self.entries = {name: entry if entry.state == "done" else Entry(identity=entry.identity) for name, entry in old.items()}
        self._write()

    def note(self, stage: str, state: State, identity: str = "", message: str = "") -> None:
        """Record a stage's new state; without ``identity`` the old one is kept."""
        old = self.entries.get(stage, Entry())
        began = time.time() if state == "running" else old.began
        self.entries[stage] = Entry(state, identity or old.identity, began, message)
        self._write()

    def _write(self) -> None:
        with atomic_file(self._path) as file:
            file.write(json.dumps({name: asdict(entry) for name, entry in self.entries.items()}, indent=2).encode() + b"\n")


def read_journal(run: Path) -> dict[str, Entry]:
    """The entries by stage; empty without a file. Raises `RunError` if the file is corrupt."""
    path = run / PROGRESS
    try:
        return {name: Entry(**entry) for name, entry in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path} is corrupt ({type(error).__name__}): delete it; it will be rewritten") from error
