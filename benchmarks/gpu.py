"""On a GPU: a random model in the shape of Qwen2.5-0.5B, and the step beside TRL: ``python -m benchmarks.gpu``.

The engine's share of the memory's bandwidth counts what a decoding step must read: the weights once, and every sequence's keys and values.
Where there is no GPU it says so and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks import engine, step
from benchmarks.peers import Contender
from benchmarks.results import Options, Result, finish, parse, table

LOADS = {f"0.5B-{count}": engine.Load("0.5B", count, slots=count) for count in (64, 256, 1024)}
STEP = {"0.5B": step.Load("0.5B", stop=False, trl_batch=32)}
KINDS, PRECISION = ("dunwu", "transformers"), "bfloat16"


def has_gpu() -> bool:
    """Whether torch sees one."""
    import torch

    return torch.cuda.is_available()


def decoding(options: Options) -> Result:
    """Tokens per second, and the share of the bandwidth."""
    found = {**engine.measure(LOADS, engine.contenders(KINDS, (PRECISION,)), options), "benchmark": "gpu-engine"}
    lines = []
    for row in found["rows"]:
        for who, rate in row["tokens_per_second"].items():
            lines.append([row["load"], row["sequences"], row["mean_length"], who, rate, rate / row["limits"][PRECISION]["memory"]])
    columns = ["load", "sequences", "mean length", "engine", "tokens/s", "share of the bandwidth"]
    return finish(found, table(columns, lines), options)


def main(argv: Sequence[str] | None = None) -> Result | None:
    """The command line."""
    options = replace(parse(__doc__, argv), device="cuda")
    if not has_gpu():
        print("no GPU that torch can use: these benchmarks are left out")
        return None
    decoding(options)
    found = step.measure(STEP, [Contender(kind, PRECISION) for kind in ("dunwu", "trl")], options, "gpu-step")
    return finish(found, step.as_table(found), options)


if __name__ == "__main__":
    main()
