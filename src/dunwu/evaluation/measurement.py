"""What `dunwu eval` measures, and what it says about it, whatever the model is. Imports no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dunwu.config.protocols import deviations
from dunwu.config.template import Template
from dunwu.config.zero import EvalConfig
from dunwu.run.reporter import Reporter

if TYPE_CHECKING:
    from dunwu.data.usable import HeldOutProblems


@dataclass(frozen=True)
class Measurement:
    """An eval set, the template of its prompts, and the folder for its completions and its summary, if any.

    ``reuse``: a finished evaluation in the folder is read, not repeated.
    """

    config: EvalConfig
    template: Template
    out: Path | None
    reuse: bool = False


def protocol_described(config: EvalConfig) -> dict[str, Any]:
    """The protocol of an evaluation and every departure from it, for ``summary.json``; empty without one."""
    if config.protocol is None:
        return {}
    found = [asdict(each) for each in deviations(config.protocol, config.model_dump(mode="json"))]
    return {"protocol": {"name": config.protocol, "deviations": found}}


def tell_rows(held_out: HeldOutProblems, config: EvalConfig, reporter: Reporter) -> None:
    """Say which rows are evaluated, and what is odd about them."""
    if held_out.splits:
        drawn = any(f"{split} by a hash of" in held_out.splits for split in ("split", config.split))
        few = drawn and not held_out.note and len(held_out.problems) < config.problems
        hint = "; to evaluate all rows, name the file test, such as my_test.jsonl" if few else ""
        reporter.facts((("rows", f"{held_out.splits}; evaluated: {len(held_out.problems):,}{hint}"),))
    for warning in filter(None, (held_out.note, *held_out.warnings)):
        reporter.warn(warning)
