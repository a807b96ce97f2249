"""What the machine can do, and from it the tokens per second that nobody decodes past: ``python -m benchmarks.machine``.

A token costs ``2 * weights`` operations in the matrices and ``4 * layers * heads * head_dim`` more for each token it attends to
(arXiv 2001.08361, section 2.1, counts them so). A decoding step of B sequences reads the weights once and each sequence's keys and values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.checkpoints import SHAPES, Shape
from benchmarks.peers import Contender, Workers
from benchmarks.results import Options, Result, finish, parse, result, table, workplace

PRECISIONS = {"float32": 4, "bfloat16": 2}
"""Name and bytes of a number."""
ROWS = 256
"""Tokens that meet the weights together where the machine is measured at a model's own shapes."""
CONTEXT = 144
"""Mean number of tokens attended to, prompts of 16 and 256 new ones."""
MODELS = ("5.9M", "35M")


def flops_per_token(shape: Shape, context: float) -> float:
    """Operations for one new token that attends to ``context`` tokens."""
    return 2 * shape.weights + 4 * shape.layers * shape.heads * shape.head_dim * context


def bytes_per_step(shape: Shape, sequences: int, context: float, size: int) -> float:
    """Bytes that one decoding step must read, numbers of ``size`` bytes."""
    return size * (shape.weights + 2 * sequences * shape.layers * shape.kv_heads * shape.head_dim * context)


def limit(rates: Mapping[str, Any], precision: str, shape: Shape, sequences: int, context: float) -> dict[str, float]:
    """Tokens per second at which the matrix units (at large products, at the model's own) and the memory would be fully used."""
    per_token = flops_per_token(shape, context)
    steps = rates["bandwidth"] / bytes_per_step(shape, sequences, context, PRECISIONS[precision])
    return {"large": rates[precision]["large"] / per_token, "own": rates[precision]["own"] / per_token, "memory": sequences * steps}


def middle(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Medians of the rates over the turns."""
    first = answers[0]
    return {
        key: middle([answer[key] for answer in answers]) if isinstance(value, Mapping) else median(answer[key] for answer in answers)
        for key, value in first.items()
    }


def measured(models: Mapping[str, Shape], options: Options, folder: Path) -> dict[str, dict[str, Any]]:
    """Rates at each model's shapes, by its name; medians over the turns."""
    with Workers([Contender("dunwu", "")], "machine", {"device": options.device}, options.cores, folder) as workers:
        found = {}
        for name, shape in models.items():
            order = {"linears": shape.linears, "rows": ROWS, "bytes": 4 * shape.weights}
            (answers,) = workers.by_turns(order, options.turns).values()
            found[name] = middle(answers)
        return found


def measure(models: Mapping[str, Shape], options: Options) -> Result:
    """One row for each model: rates, and the limits of 256 sequences at the mean context."""
    with workplace() as folder:
        rates = measured(models, options, folder)
    rows = [
        {
            "model": name,
            "weights": shape.weights,
            "rates": rates[name],
            "limits": {precision: limit(rates[name], precision, shape, ROWS, CONTEXT) for precision in PRECISIONS},
        }
        for name, shape in models.items()
    ]
    return result("machine", options, {"torch": version("torch")}, {}, rows)


def as_table(found: Result) -> str:
    """GFLOP/s, GB/s and the limits."""
    columns = ["model", "weights", "precision", "GFLOP/s, 1,024 x 1,024", "GFLOP/s, own shapes x 256", "GB/s, 256 MiB", "GB/s, weights"]
    lines = []
    for row in found["rows"]:
        for precision in PRECISIONS:
            rates, limits = row["rates"], row["limits"][precision]
            giga = [rate / 1e9 for rate in (*rates[precision].values(), rates["bandwidth"], rates["bandwidth_of_weights"])]
            lines.append([row["model"], f"{row['weights']:,}", precision, *giga, *limits.values()])
    return table([*columns, "limit, tokens/s, large", "limit, own shapes", "limit, memory"], lines)


def main(argv: Sequence[str] | None = None) -> Result:
    """The command line."""
    options = parse(__doc__, argv)
    found = measure({name: SHAPES[name] for name in options.only or MODELS}, options)
    return finish(found, as_table(found), options)


if __name__ == "__main__":
    main()
