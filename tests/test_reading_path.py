"""The reading path of a GRPO step in docs/house.md: short, and complete for what a real step executes."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "dunwu"
LONGEST = 20


def read_map() -> tuple[list[str], tuple[str, ...]]:
    """The numbered files of the path, and the rooms and files that are not on it."""
    text = (ROOT / "docs" / "house.md").read_text(encoding="utf-8").partition("## One GRPO step")[2].partition("\n## ")[0]
    (leaves,) = re.findall(r"^Not on the path:.*$", text, re.MULTILINE)
    return re.findall(r"^\d+\. `([\w/]+\.py)`", text, re.MULTILINE), tuple(re.findall(r"`([\w/.]+)`", leaves))


@contextmanager
def executed() -> Iterator[set[str]]:
    """The files of `dunwu` whose functions are called, in any thread of this process."""
    import dunwu

    root, found = f"{Path(dunwu.__file__).parent}/", set[str]()

    def record(frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(root) and frame.f_code.co_name != "<module>":
            found.add(name.removeprefix(root))

    threading.setprofile(record)
    sys.setprofile(record)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def test_the_path_is_short_and_its_files_exist() -> None:
    files, leaves = read_map()
    assert 10 <= len(files) == len(set(files)) <= LONGEST
    assert [name for name in (*files, *leaves) if not (SOURCE / name).exists()] == []


@pytest.mark.parametrize(
    "overrides",
    [(), ("matmul_precision=float32",), ("grpo.algorithm=dapo", "grpo.minibatches=2"), ("grpo.beta=0.01", "grpo.reference_every=1")],
    ids=["default", "torch", "dapo", "kl"],
)
def test_a_real_step_stays_on_the_path(
    overrides: tuple[str, ...], open_trainer: Callable[..., Any], zero_config: Callable[..., Any], tmp_path: Path
) -> None:
    files, leaves = read_map()
    with open_trainer(tmp_path, zero_config(*overrides)) as trainer, RewardPool(rule_reward(), workers=1, timeout=5.0) as pool:
        trainer.pool = pool  # in a process of its own, as in a run
        trainer.step(1)
        with executed() as found:
            trainer.step(2)
    on_it = {name for name in found if not name.startswith(leaves)}
    assert on_it <= set(files), f"not on the path: {sorted(on_it - set(files))}"
    elsewhere = {"rewards/compose.py", "verifiers/verify.py", "models/logprobs.py"}  # in workers, and in torch alone
    assert set(files) - found <= elsewhere, "on the path and not executed"
