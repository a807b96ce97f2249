"""Dunwu (顿悟): reasoning models the way DeepSeek-R1 was made. What `import dunwu` gives is in `docs/python.md`.

Names are imported when they are first used, so that `import dunwu` loads neither torch nor transformers.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from dunwu.isa import cap_torch
from dunwu.version import VERSION

if TYPE_CHECKING:
    from dunwu.analysis.rundir import read_run
    from dunwu.api import Engine, evaluate, load_model, problems, reward, run_pipeline, train_grpo, train_reward_model, train_sft, verify
    from dunwu.types import Problem

__all__ = [
    "Engine",
    "Problem",
    "evaluate",
    "load_model",
    "problems",
    "read_run",
    "reward",
    "run_pipeline",
    "train_grpo",
    "train_reward_model",
    "train_sft",
    "verify",
]

# Both are read when torch is loaded, so they are set before. OpenMP threads wait at barriers by spinning. With libgomp's default, which
# spins for milliseconds, one other busy process beside two torch threads slowed the engine from 25,000 to 1,800 tokens/s.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
cap_torch()

__version__ = VERSION
_ELSEWHERE = {"Problem": "dunwu.types", "read_run": "dunwu.analysis.rundir"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'dunwu' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(_ELSEWHERE.get(name, "dunwu.api")), name)
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__", "errors"]
