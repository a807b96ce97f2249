"""How far the engine's log-probabilities are from the trainer's, per precision: ``python -m benchmarks.mismatch``.

The engine samples Countdown completions of the bundled model at temperature 1 and reports what each token's log-probability was when it was
drawn; the trainer scores the same tokens with the same weights. The figure is the mean absolute difference, the metric `mismatch` of a run.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.checkpoints import checkpoint
from benchmarks.machine import PRECISIONS
from benchmarks.peers import Contender, Workers
from benchmarks.results import Options, Result, Row, finish, parse, result, table, workplace
from benchmarks.step import texts

PROMPTS, GROUP, TOKENS = 32, 4, 128


def measure(model: str, options: Options) -> Result:
    """One row for each pair of an engine's and a trainer's precision."""
    rows: list[Row] = []
    versions: dict[str, str] = {}
    with workplace() as folder:
        settings = {
            "model": str(checkpoint(model, folder)), "prompts": texts(PROMPTS), "group": GROUP, "tokens": TOKENS, "device": options.device
        }  # fmt: skip
        engines = {precision: Contender("dunwu", precision) for precision in PRECISIONS}
        with Workers(list(engines.values()), "mismatch", settings, options.cores, folder) as workers:
            for trainer in PRECISIONS:
                for name, (found,) in workers.by_turns({"trainer": trainer}, 1).items():
                    rows.append({"model": model, "engine": name.removeprefix("dunwu "), "trainer": trainer, **found})
            for worker in workers.running.values():
                versions |= worker.versions
        return result("mismatch", options, versions, workers.left_out, rows)


def as_table(found: Result) -> str:
    """Mean, 99th percentile and maximum of the difference."""
    lines = [[row[name] for name in ("model", "engine", "scorer", "tokens", "mean", "p99", "max")] for row in found["rows"]]
    return table(["model", "engine", "trainer", "tokens", "mean difference", "99th percentile", "largest"], lines)


def main(argv: Sequence[str] | None = None) -> Result:
    """The command line."""
    options = parse(__doc__, argv)
    found = measure("tiny", options)
    return finish(found, as_table(found), options)


if __name__ == "__main__":
    main()
