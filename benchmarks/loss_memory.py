"""Memory of the loss with a vocabulary of 152k: ``python -m benchmarks.loss_memory``.

Completions of 2,048 tokens through a small model, forward and backward. A figure is the highest resident memory of a fresh process, less
what it held before the pass: activations, logits and gradients together. ``all logits at once`` is the plain computation in one piece; it
needs so much that it is measured on one row only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Worker
from benchmarks.results import Options, Result, Row, chosen, finish, parse, result, table, workplace

SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 4096,
    "vocab_size": 151_936,
}
TOKENS = 2048
IN_CHUNKS, AT_ONCE = "in chunks", "all logits at once"
GIB = 2**30


@dataclass(frozen=True)
class Load:
    """Completions of ``TOKENS`` tokens in one micro-batch, and whether their logits are made in one piece."""

    rows: int
    precision: str = "float32"
    whole: bool = False


LOADS = {
    "8": Load(8),
    "8-bfloat16": Load(8, "bfloat16"),
    "1": Load(1),
    "1-whole": Load(1, whole=True),
}
SHORT = ("8", "1-whole")


def measure(loads: Mapping[str, Load], options: Options, folder: Path, shape: Mapping[str, int], tokens: int = TOKENS) -> Result:
    """One row for each load, each in a process of its own."""
    rows: list[Row] = []
    versions: dict[str, str] = {}
    for load in loads.values():
        settings = {"precision": load.precision, "shape": dict(shape), "threads": options.cores}
        worker = Worker.start("dunwu", "loss", settings, options.cores, folder)
        try:
            found = worker.ask(rows=load.rows, tokens=tokens, chunk=load.rows * tokens if load.whole else 0)
            peak = worker.peak_rss()
        finally:
            worker.close()
        versions |= worker.versions
        name = AT_ONCE if load.whole else IN_CHUNKS
        logits = 4 * load.rows * tokens * shape["vocab_size"]
        rows.append({"loss": name, "rows": load.rows, "precision": load.precision, "logits": logits, "peak": peak, **found})
    return result("loss_memory", options, versions, {}, rows)


def text(found: Result) -> str:
    """The table."""
    columns = ("loss", "rows", "precision", "logits in float32, GiB", "peak, GiB", "seconds")
    lines = []
    for row in found["rows"]:
        used = None if row["peak"] is None else (row["peak"] - row["before"]) / GIB
        lines.append((row["loss"], row["rows"], row["precision"], row["logits"] / GIB, used, row["seconds"]))
    return table(columns, lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = parse(__doc__, argv)
    names = chosen(tuple(LOADS), options, SHORT)
    with workplace() as folder:
        found = measure({name: LOADS[name] for name in names}, options, folder, SHAPE)
    finish(found, text(found), options)


if __name__ == "__main__":
    main()
