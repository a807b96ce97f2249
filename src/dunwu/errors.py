"""The error tree.

DunwuError                 everything we raise on purpose
|-- UserError              the user's mistake: one line with the value and the remedy, exit code 2
|   |-- ConfigError        a key or value of the configuration
|   |-- DataError          a data set or file of the user
|   |-- ModelError         a model folder or hub id
|   `-- RunError           a run directory: locked, from another configuration, not resumable
|-- CheckpointError        a checkpoint that is corrupt or does not match its manifest (the previous one is used)
|-- TrainingError          training cannot continue (too many non-finite steps in a row), exit code 1
`-- Interrupted            Ctrl-C or SIGTERM, after everything was saved, exit code 130 or 143; a KeyboardInterrupt too
"""

from __future__ import annotations

import signal


class DunwuError(Exception):
    """Everything Dunwu raises on purpose; the message is one line for a person."""


class UserError(DunwuError):
    """The user's mistake. The message contains the offending value and the remedy."""


class ConfigError(UserError):
    """A key or value of the configuration."""


class DataError(UserError):
    """A data set or file of the user."""


class ModelError(UserError):
    """A model folder or hub id."""


class RunError(UserError):
    """A run directory that is locked, belongs to another configuration, or cannot be resumed."""


class CheckpointError(DunwuError):
    """A checkpoint that is corrupt or does not match its manifest."""


class TrainingError(DunwuError):
    """Training cannot continue."""


class Interrupted(DunwuError, KeyboardInterrupt):
    """The user or the system stopped the run by a signal, and everything is saved."""

    def __init__(self, message: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number
