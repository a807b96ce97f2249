"""All benchmarks of a CPU, one after another: ``python -m benchmarks [--long] [--out FOLDER]``; about ten minutes in the short version."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import (
    distillation_memory,
    distillation_step,
    engine,
    loss_memory,
    machine,
    mismatch,
    sandbox,
    scaling,
    sft_memory,
    step,
    verify_math,
)

ALL = (machine, engine, step, scaling, mismatch, loss_memory, distillation_memory, distillation_step, sft_memory, verify_math, sandbox)


def main(argv: Sequence[str] | None = None) -> None:
    """Each with the same options."""
    for benchmark in ALL:
        print(f"## {benchmark.__name__.removeprefix('benchmarks.')}\n", flush=True)
        benchmark.main(argv)


if __name__ == "__main__":
    main()
