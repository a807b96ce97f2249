"""Tokens per second of the built-in engine beside `transformers` generate and vLLM: ``python -m benchmarks.engine``.

The same random checkpoint, or that of ``--model``, prompts of 16 tokens in groups of 8, temperature 1 without filters. Without a stop
token all draw the same number of tokens. In the mixed rows the stop token is one of 82 that a random model draws about equally often:
lengths are close to geometric with mean 80 and nobody knows them beforehand; a figure is what was drawn up to the stop tokens, by the
seconds it took.

vLLM runs where ``DUNWU_VLLM_PYTHON`` names the interpreter of an environment that has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.checkpoints import Shape, checkpoint, random_prompts, stop_ids, text_prompts
from benchmarks.machine import PRECISIONS, limit, measured
from benchmarks.peers import Contender, Workers
from benchmarks.results import Options, Result, Row, chosen, finish, parse, result, table, workplace

PROMPT, GROUP = 16, 8
KINDS = ("dunwu", "transformers", "vllm")


@dataclass(frozen=True)
class Load:
    """What is generated: ``sequences`` of at most ``tokens``, ``slots`` of them at once, up to a stop token where ``mixed``."""

    model: str
    sequences: int
    tokens: int = 256
    mixed: bool = False
    slots: int = 256
    prompt: int = PROMPT
    text: bool = False
    """Prompts are text in the model's own tokens; otherwise random."""

    def order(self, folder: Path) -> dict[str, Any]:
        """What a worker is asked, for the checkpoint in ``folder``."""
        group = min(GROUP, self.sequences)
        count = self.sequences // group
        vocabulary = Shape.of(folder).vocabulary
        prompts = text_prompts(folder, count, self.prompt) if self.text else random_prompts(count, self.prompt, vocabulary)
        return {"prompts": prompts, "group": group, "tokens": self.tokens, "stop": stop_ids(folder) if self.mixed else []}


LOADS = {
    "256": Load("5.9M", 256),
    "64": Load("5.9M", 64),
    "16": Load("5.9M", 16),
    "1": Load("5.9M", 1),
    "mixed": Load("5.9M", 256, mixed=True),
    "mixed-1024": Load("5.9M", 1024, mixed=True),
    "35M-256": Load("35M", 256),
    "35M-64": Load("35M", 64),
    "35M-mixed": Load("35M", 256, mixed=True),
    "tiny-256": Load("tiny", 256),
}
SHORT = ("256", "1", "mixed")


def loads_of(model: Path) -> dict[str, Load]:
    """Rows of a model of the user's."""
    pairs = [(sequences, tokens) for tokens in (128, 512) for sequences in (1, 16, 64)]
    loads = {f"{sequences} x {tokens}": Load(str(model), sequences, tokens, slots=64, prompt=64, text=True) for sequences, tokens in pairs}
    return loads | {"mixed": Load(str(model), 64, 512, mixed=True, slots=64, prompt=64, text=True)}


def measure(loads: Mapping[str, Load], contenders: Sequence[Contender], options: Options) -> Result:
    """One row for each load. Workers of one model and number of slots are started together and kept for all its loads."""
    rows: list[Row] = []
    versions: dict[str, str] = {}
    left_out: dict[str, str] = {}
    with workplace() as folder:
        folders = {load.model: checkpoint(load.model, folder) for load in loads.values()}
        shapes = {model: Shape.of(path) for model, path in folders.items()}
        rates = measured(shapes, options, folder)
        for model, slots in dict.fromkeys((load.model, load.slots) for load in loads.values()):
            settings = {"model": str(folders[model]), "max_batch": slots, "max_length": 1024, "device": options.device}
            with Workers(contenders, "engine", settings, options.cores, folder) as workers:
                for name, load in loads.items():
                    if (load.model, load.slots) == (model, slots):
                        rows.append(measure_one(name, load, folders[model], rates[model], workers, options))
                for worker in workers.running.values():
                    versions |= worker.versions
                left_out |= workers.left_out
    return result("engine", options, versions, left_out, rows)


def measure_one(name: str, load: Load, folder: Path, rates: Mapping[str, Any], workers: Workers, options: Options) -> Row:
    """Median tokens per second of every contender, and what the machine would allow."""
    answers, shape = workers.by_turns(load.order(folder), options.turns), Shape.of(folder)
    singles = {who: [answer["tokens"] / answer["seconds"] for answer in found] for who, found in answers.items()}
    lengths = [answer["tokens"] / load.sequences for found in answers.values() for answer in found]
    context = load.prompt + mean(lengths) / 2
    at_once = min(load.sequences, load.slots)
    return {
        "load": name,
        "model": Path(load.model).name,
        "sequences": load.sequences,
        "slots": load.slots,
        "tokens": load.tokens,
        "mean_length": mean(lengths),
        "single": singles,
        "tokens_per_second": {who: median(found) for who, found in singles.items()},
        "limits": {precision: limit(rates, precision, shape, at_once, context) for precision in PRECISIONS},
        "peak_rss": {who: worker.peak_rss() for who, worker in workers.running.items()},
    }


def best(row: Row, kind: str) -> float | None:
    """The faster of a kind's precisions."""
    return max((rate for who, rate in row["tokens_per_second"].items() if who.split()[0] == kind), default=None)


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Ours by theirs where both ran."""
    return None if ours is None or theirs is None else ours / theirs


def as_table(found: Result) -> str:
    """Tokens per second by contender; then ratios, and shares of the large-product limit."""
    names = list(dict.fromkeys(who for row in found["rows"] for who in row["tokens_per_second"]))
    rates = [[*what(row), *(row["tokens_per_second"].get(name) for name in names)] for row in found["rows"]]
    pairs = [(kind, precision) for kind in KINDS[1:] for precision in (*PRECISIONS, "best")]
    ratios = [[row["load"], *(against(row, *pair) for pair in pairs), *shares(row)] for row in found["rows"]]
    heads = [f"dunwu / {kind}, {precision}" for kind, precision in pairs]
    heads += [f"share of the limit, {precision}" for precision in PRECISIONS]
    return table(["load", "model", "sequences", "mean length", *names], rates) + "\n\n" + table(["load", *heads], ratios)


def what(row: Row) -> list[Any]:
    """The load as the table's first fields."""
    return [row["load"], row["model"], row["sequences"], row["mean_length"]]


def against(row: Row, kind: str, precision: str) -> float | None:
    """Ratio to a peer at a precision, or at whichever is best for each."""
    if precision == "best":
        return ratio(best(row, "dunwu"), best(row, kind))
    seen = row["tokens_per_second"]
    return ratio(seen.get(f"dunwu {precision}"), seen.get(f"{kind} {precision}"))


def shares(row: Row) -> list[float | None]:
    """Our part of what large matrix products would allow."""
    return [ratio(row["tokens_per_second"].get(f"dunwu {precision}"), row["limits"][precision]["large"]) for precision in PRECISIONS]


def contenders(kinds: Sequence[str] = KINDS, precisions: Sequence[str] = tuple(PRECISIONS)) -> list[Contender]:
    """Every kind at every precision."""
    return [Contender(kind, precision) for kind in kinds for precision in precisions]


def main(argv: Sequence[str] | None = None) -> Result:
    """The command line."""
    options = parse(__doc__, argv)
    loads = LOADS if options.model is None else loads_of(options.model)
    names = chosen(tuple(loads), options, SHORT if loads is LOADS else tuple(loads)[:3])
    found = measure({name: loads[name] for name in names}, contenders(precisions=options.precision), options)
    return finish(found, as_table(found), options)


if __name__ == "__main__":
    main()
