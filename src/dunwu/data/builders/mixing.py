"""Mixing: combine data sets in given proportions of rows or tokens.

DeepSeek-R1 (arXiv 2501.12948, section 2.3.3) is trained on about 600k rows with reasoning and 200k others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from dunwu.config.data_rows import MixingConfig
from dunwu.data.builders.certificate import open_benchmarks
from dunwu.data.builders.drafts import CountTokens, Draft, clean
from dunwu.data.builders.funnel import Funnel
from dunwu.data.io.card import Json, row_text
from dunwu.data.io.data_set import DataSet
from dunwu.data.io.row_text import as_draft
from dunwu.tasks.rows import local_rows


def mix_rows(config: MixingConfig, count: CountTokens) -> DataSet:
    """The mixture in random order; a row's ``source`` becomes ``NAME/SOURCE``, its source's name here and the one it had before."""
    benchmarks = open_benchmarks(config.decontaminate)
    drafts = {name: [as_draft(row) for row in local_rows(Path(source.data).expanduser())] for name, source in config.sources.items()}
    funnel = Funnel()
    for name in drafts if benchmarks else ():
        funnel.begin(name, len(drafts[name]))
        drafts[name] = clean(drafts[name], benchmarks, funnel)
        funnel.refuse_empty(drafts[name])
    rows = {name: [_named(draft, name) for draft in members] for name, members in drafts.items()}
    sizes = {
        name: count([row_text(row) for row in members]) if config.unit == "tokens" else [1] * len(members) for name, members in rows.items()
    }
    wanted = targets({name: source.share for name, source in config.sources.items()}, sizes, config.total, config.most_repeats)
    mixed, facts = list[Json](), dict[str, Any]()
    for name, members in rows.items():
        chosen = draw(sizes[name], wanted[name], config.most_repeats, Random(f"mixing-{config.seed}-{name}"))
        mixed += [members[place] for place in chosen]
        got = sum(sizes[name][place] for place in chosen)
        facts[name] = {
            "share": config.sources[name].share,
            f"{config.unit} wanted": wanted[name],
            f"{config.unit} drawn": got,
            "rows there": len(members),
            "rows used": len(set(chosen)),
            "rows repeated": len(chosen) - len(set(chosen)),
            f"{config.unit} short": max(0, wanted[name] - got),
        }
    Random(f"mixing-{config.seed}").shuffle(mixed)
    return DataSet("Mixture", mixed, funnel, facts, [each.certificate for each in benchmarks], _notes(facts, config.unit))


def targets(shares: Mapping[str, float], sizes: Mapping[str, Sequence[int]], total: int | None, most_repeats: int) -> dict[str, int]:
    """Rows or tokens of each source, rounded by largest remainders to add up to ``total``.

    Without ``total``: the largest that every source can supply.
    """
    whole = sum(shares.values())
    if total is None:
        total = int(min(sum(sizes[name]) * most_repeats * whole / share for name, share in shares.items()))
    exact = {name: total * share / whole for name, share in shares.items()}
    found = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: found[name] - exact[name])
    for name in by_remainder[: total - sum(found.values())]:
        found[name] += 1
    return found


def draw(sizes: Sequence[int], wanted: int, most_repeats: int, rng: Random) -> list[int]:
    """Indices of rows in random order, each once before any is repeated, with a total size as near to ``wanted`` as whole rows allow."""
    chosen, got = list[int](), 0
    for place in _passes(len(sizes), most_repeats, rng):
        if got >= wanted or got + sizes[place] - wanted > wanted - got:
            break
        chosen.append(place)
        got += sizes[place]
    return chosen


def _passes(number: int, times: int, rng: Random) -> Iterator[int]:
    for _ in range(times):
        yield from rng.sample(range(number), number)


def _named(draft: Draft, name: str) -> Json:
    before = draft.columns.get("source")
    return {**draft.columns, "source": f"{name}/{before}" if before else name}


def _notes(facts: Mapping[str, Any], unit: str) -> list[str]:
    short = [name for name, each in facts.items() if each[f"{unit} short"] > each[f"{unit} wanted"] / 100]
    return [f"**{name} falls short:** {facts[name][f'{unit} drawn']} of {facts[name][f'{unit} wanted']} {unit}." for name in short]
