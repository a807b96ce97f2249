"""Memory of distillation on logits with a vocabulary of 152k: ``python -m benchmarks.distillation_memory``.

From the hidden states of student and teacher, of width 896 and in float32, to the gradients of the student's and of its output layer. A
figure is the highest resident memory of a fresh process, less what it held before the pass; the gradient of the output layer alone is 0.51
GiB of it. ``all logits at once`` is the plain computation in one piece; it needs so much that it is measured on 1,024 tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loss_memory import AT_ONCE, GIB, IN_CHUNKS
from benchmarks.peers import Worker
from benchmarks.results import Options, Result, Row, chosen, finish, parse, result, table, workplace

SHAPE = {"width": 896, "vocabulary": 151_936}


@dataclass(frozen=True)
class Load:
    """Tokens of one micro-batch, a divergence, the k stored log-probabilities of the teacher (0: all its logits), and whether all logits
    are made in one piece."""

    tokens: int
    divergence: str = "forward"
    k: int = 0
    whole: bool = False


LOADS = {
    "8x2048": Load(8 * 2048),
    "1024": Load(1024),
    "1024-jensen-shannon": Load(1024, "jensen-shannon"),
    "1024-top-k": Load(1024, k=64),
    "1024-whole": Load(1024, whole=True),
}
SHORT = ("1024", "1024-whole")


def measure(loads: Mapping[str, Load], options: Options, folder: Path, shape: Mapping[str, int]) -> Result:
    """One row for each load, each in a process of its own."""
    rows: list[Row] = []
    versions: dict[str, str] = {}
    for load in loads.values():
        worker = Worker.start("dunwu", "distillation", {"shape": dict(shape), "threads": options.cores}, options.cores, folder)
        try:
            found = worker.ask(tokens=load.tokens, divergence=load.divergence, k=load.k, whole=load.whole)
            peak = worker.peak_rss()
        finally:
            worker.close()
        versions |= worker.versions
        name, logits = AT_ONCE if load.whole else IN_CHUNKS, 4 * load.tokens * shape["vocabulary"]
        about = {"loss": name, "divergence": load.divergence, "k": load.k, "tokens": load.tokens}
        rows.append({**about, "logits": logits, "peak": peak, **found})
    return result("distillation_memory", options, versions, {}, rows)


def text(found: Result) -> str:
    """The table."""
    columns = ("loss", "divergence", "teacher", "tokens", "student's logits, GiB", "peak, GiB", "seconds")
    lines = []
    for row in found["rows"]:
        used = None if row["peak"] is None else (row["peak"] - row["before"]) / GIB
        teacher = f"top {row['k']}" if row["k"] else "all logits"
        lines.append((row["loss"], row["divergence"], teacher, row["tokens"], row["logits"] / GIB, used, row["seconds"]))
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
