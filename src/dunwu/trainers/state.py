"""The trainer's state on disk without pickle: tensors as safetensors, everything else as JSON.

Saved beside the weights it makes a resumed run bit-equal to an uninterrupted one on a CPU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dunwu.errors import CheckpointError

TENSORS = "trainer/state.safetensors"
VALUES = "trainer/state.json"


def save_state(folder: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write ``trainer/state.safetensors`` and ``trainer/state.json`` under ``folder``; ``values`` must be JSON-able."""
    (folder / TENSORS).parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / TENSORS)
    (folder / VALUES).write_text(json.dumps(dict(values)), encoding="utf-8")


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_state`` wrote, tensors on the CPU; raises ``CheckpointError`` naming the file that cannot be read."""
    try:
        tensors: dict[str, Tensor] = load_file(folder / TENSORS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"trainer state {folder / TENSORS} cannot be read ({error})") from error
    try:
        values: dict[str, Any] = json.loads((folder / VALUES).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"trainer state {folder / VALUES} cannot be read ({error})") from error
    return tensors, values
