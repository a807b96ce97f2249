"""`dunwu verify math | code | rollout`: runs the verifiers and the reward on files."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from dunwu.cli.show import show
from dunwu.errors import UserError

KINDS = {
    "math": "verdicts on pairs of gold answer and prediction in a JSONL file",
    "code": "programs against the tests of a problem, in the sandbox",
    "rollout": "the reward of one completion, part by part",
}
"""Name and purpose; `dunwu.cli.verify_<name>` has `run(arguments) -> exit code`."""


def run(arguments: Sequence[str]) -> int:
    """Runs the kind of verification that the first word names."""
    kind = arguments[0] if arguments else ""
    if kind in KINDS:
        code: int = importlib.import_module(f"dunwu.cli.verify_{kind}").run(arguments[1:])
        return code
    usage = ["usage: dunwu verify KIND [options]", "", "kinds:", *(f"  {name:<9}{purpose}" for name, purpose in KINDS.items())]
    if kind in ("", "-h", "--help"):
        show("\n".join([*usage, "", "dunwu verify KIND --help shows its options."]))
        return 0
    raise UserError(f"verify: there is no {kind!r}: choose from {', '.join(KINDS)}")
