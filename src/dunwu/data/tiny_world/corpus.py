"""The corpus of the tiny world: named sources, weighted, streamed from a seed.

Document ``index`` of seed ``s`` is a pure function of both, so a stream can be resumed at any index.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from dunwu.data.tiny_world import general, puzzles, sums
from dunwu.errors import ConfigError

Source = Callable[[random.Random], str]

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "puzzle_dialogues": puzzles.dialogue,
        "puzzle_solutions": puzzles.worked_solution,
        "sum_tables": sums.table,
        "sum_chains": sums.chain,
        "facts": general.fact,
        "translations": general.translation,
        "identity": general.identity,
        "writing": general.writing,
        "harmful_requests": general.harmful,
        "stories": general.story,
    }
)
DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "puzzle_dialogues": 0.44,
        "puzzle_solutions": 0.34,
        "sum_tables": 0.04,
        "sum_chains": 0.06,
        "facts": 0.02,
        "translations": 0.04,
        "identity": 0.01,
        "writing": 0.02,
        "harmful_requests": 0.01,
        "stories": 0.02,
    }
)
"""Share of documents per source."""


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise ConfigError unless every name is a source and some weight is positive."""
    unknown = sorted(set(weights) - set(SOURCES))
    if unknown:
        raise ConfigError(f"sources: {unknown[0]!r} is not a source; the sources are {', '.join(SOURCES)}")
    if not any(weight > 0 for weight in weights.values()) or any(weight < 0 for weight in weights.values()):
        raise ConfigError(f"sources: weights must be 0 or more and not all 0, not {dict(weights)}")


def document(index: int, seed: int, weights: Mapping[str, float] = DEFAULT_WEIGHTS) -> tuple[str, str]:
    """``(source, text)`` of the index-th document of a seed."""
    rng = random.Random(f"tiny-world/{seed}/{index}")
    name = rng.choices(list(weights), weights=list(weights.values()))[0]
    return name, SOURCES[name](rng)


def documents(seed: int, start: int = 0, weights: Mapping[str, float] = DEFAULT_WEIGHTS) -> Iterator[tuple[str, str]]:
    """The endless stream of ``(source, text)`` from document ``start`` on."""
    check_weights(weights)
    index = start
    while True:
        yield document(index, seed, weights)
        index += 1
