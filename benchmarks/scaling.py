"""How the cost of our step grows with group size, completion length and model size: ``python -m benchmarks.scaling``.

One of the three is varied at a time; completions have exactly the stated length. Seconds are medians over the steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers import Contender
from benchmarks.results import Result, chosen, finish, parse, table
from benchmarks.step import Load, measure

LOADS = {
    **{f"group of {group}": Load("5.9M", prompts=8, group=group, stop=False) for group in (4, 8, 16, 32, 64)},
    **{f"{tokens} tokens": Load("5.9M", prompts=8, tokens=tokens, stop=False) for tokens in (64, 128, 256, 512)},
    **{f"model {model}": Load(model, prompts=8, stop=False) for model in ("tiny", "5.9M", "35M")},
}
SHORT = ("group of 4", "group of 16", "64 tokens", "256 tokens", "model tiny", "model 5.9M")


def as_table(found: Result) -> str:
    """Seconds a step and tokens per second, by load."""
    lines = []
    for row in found["rows"]:
        sequences = row["prompts"] * row["group"]
        for who, rate in row["tokens_per_second"].items():
            lines.append([row["load"], row["model"], sequences, row["tokens"], who, row["seconds"][who], rate])
    return table(["varied", "model", "sequences", "tokens each", "trainer", "seconds a step", "tokens/s"], lines)


def main(argv: Sequence[str] | None = None) -> Result:
    """The command line."""
    options = parse(__doc__, argv)
    loads = {name: LOADS[name] for name in chosen(tuple(LOADS), options, SHORT)}
    found = measure(loads, [Contender("dunwu", "bfloat16")], options, "scaling")
    return finish(found, as_table(found), options)


if __name__ == "__main__":
    main()
