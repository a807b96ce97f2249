"""A whole GRPO step beside TRL's GRPOTrainer: ``python -m benchmarks.step``.

Generation, rewards, advantages and one update, on the same checkpoint, Countdown prompts, group size, limit of tokens, sampling, optimiser
and learning rate, with a reward that costs nothing and seldom leaves a group without a signal. Completions end at the stop token as they
come. A figure is generated tokens by the seconds of the whole step. TRL generates with `transformers`; it runs where ``DUNWU_TRL_PYTHON``
names the interpreter of an environment that has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.checkpoints import TASKS, checkpoint, texts
from benchmarks.engine import best, ratio
from benchmarks.machine import PRECISIONS
from benchmarks.peers import Contender, Workers
from benchmarks.results import Options, Result, Row, chosen, finish, parse, result, table, workplace

LEARNING_RATE = 1e-6
"""So small that lengths stay what they are."""
STEPS_OF_PROMPTS = 8


@dataclass(frozen=True)
class Load:
    """One step: ``prompts`` x ``group`` completions of at most ``tokens``; without ``stop``, of exactly that many."""

    model: str
    prompts: int = 32
    group: int = 8
    tokens: int = 128
    stop: bool = True
    trl_batch: int = 256
    """Sequences that TRL puts through one forward and backward pass; it accumulates where the batch is larger."""

    def settings(self, device: str) -> dict[str, Any]:
        """What a worker is given, its model aside."""
        return {
            "prompts_per_step": self.prompts,
            "group": self.group,
            "tokens": self.tokens,
            "stop": self.stop,
            "trl_batch": self.trl_batch,
            "learning_rate": LEARNING_RATE,
            "tasks": TASKS,
            "prompts": texts(self.prompts * STEPS_OF_PROMPTS),
            "device": device,
        }


LOADS = {
    "5.9M": Load("5.9M"),
    "tiny": Load("tiny"),
    "5.9M, TRL in parts of 64": Load("5.9M", trl_batch=64),
    "tiny, TRL in parts of 64": Load("tiny", trl_batch=64),
}
SHORT = ("5.9M", "tiny")


def loads_of(model: Path) -> dict[str, Load]:
    """A step of 8 x 8 completions on a model of the user's; TRL in parts of 8, as the logits of 64 sequences fit few machines."""
    return {f"8 x 8, {tokens} tokens": Load(str(model), 8, 8, tokens, trl_batch=8) for tokens in (128, 256)}


def measure(loads: Mapping[str, Load], contenders: Sequence[Contender], options: Options, benchmark: str = "step") -> Result:
    """One row for each load, whose workers run by turns."""
    rows: list[Row] = []
    versions: dict[str, str] = {}
    left_out: dict[str, str] = {}
    with workplace() as folder:
        for name, load in loads.items():
            settings = {"model": str(checkpoint(load.model, folder)), **load.settings(options.device)}
            (place := folder / f"steps-{len(rows)}").mkdir()
            with Workers(contenders, "step", settings, options.cores, place) as workers:
                answers = workers.by_turns({}, options.turns)
                peaks = {who: worker.peak_rss() for who, worker in workers.running.items()}
                for worker in workers.running.values():
                    versions |= worker.versions
            left_out |= workers.left_out
            rows.append(row(name, load, answers, peaks))
    return result(benchmark, options, versions, left_out, rows)


def row(name: str, load: Load, answers: Mapping[str, Sequence[Mapping[str, Any]]], peaks: Mapping[str, int | None]) -> Row:
    """Medians over the steps."""
    singles = {who: [answer["tokens"] / answer["seconds"] for answer in found] for who, found in answers.items()}
    return {
        "load": name,
        "model": Path(load.model).name,
        "prompts": load.prompts,
        "group": load.group,
        "tokens": load.tokens,
        "mean_length": mean(answer["tokens"] for found in answers.values() for answer in found) / (load.prompts * load.group),
        "single": singles,
        "tokens_per_second": {who: median(found) for who, found in singles.items()},
        "seconds": {who: median(answer["seconds"] for answer in found) for who, found in answers.items()},
        "train_share": {who: share(found) for who, found in answers.items()},
        "peak_rss": dict(peaks),
    }


def share(answers: Sequence[Mapping[str, Any]]) -> float | None:
    """The update's part of a step, where a trainer tells it."""
    return median(answer["train"] / answer["seconds"] for answer in answers) if "train" in answers[0] else None


def as_table(found: Result) -> str:
    """A line for each load and contender; then the ratios."""
    columns = ["load", "mean length", "trainer", "tokens/s", "seconds a step", "of them the update", "peak memory, MiB"]
    lines, ratios = [], []
    for each in found["rows"]:
        for who, rate in each["tokens_per_second"].items():
            peak, part = each["peak_rss"][who], each["train_share"][who]
            update = None if part is None else f"{part:.0%}"
            lines.append([each["load"], each["mean_length"], who, rate, each["seconds"][who], update, peak and peak / 2**20])
        seen = each["tokens_per_second"]
        same = [ratio(seen.get(f"dunwu {precision}"), seen.get(f"trl {precision}")) for precision in PRECISIONS]
        ratios.append([each["load"], *same, ratio(best(each, "dunwu"), best(each, "trl"))])
    return table(columns, lines) + "\n\n" + table(["load", *(f"dunwu / TRL, {name}" for name in (*PRECISIONS, "best"))], ratios)


def main(argv: Sequence[str] | None = None) -> Result:
    """The command line."""
    options = parse(__doc__, argv)
    loads = LOADS if options.model is None else loads_of(options.model)
    names = chosen(tuple(loads), options, SHORT if loads is LOADS else tuple(loads)[:1])
    contenders = [Contender(*pair) for pair in product(("dunwu", "trl"), options.precision)]
    found = measure({name: loads[name] for name in names}, contenders, options)
    return finish(found, as_table(found), options)


if __name__ == "__main__":
    main()
