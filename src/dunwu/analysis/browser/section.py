"""The browser of completions in a run's page: its data, its markup and its script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from dunwu.analysis.browser.choice import ALL, Choice, choose
from dunwu.analysis.browser.entry import Plain, evaluation_entry, problem_entry, rollout_entry
from dunwu.analysis.browser.tables import TRAINING, CompletionTable, evaluation_paths, read_tables, rollout_paths, rows_in
from dunwu.analysis.rundir import Run
from dunwu.analysis.text import visible
from dunwu.text.translate import translate

BUDGET, LIVE_BUDGET = 2_000_000, 700_000
"""Bytes of the completions on a page, and on that of a running run, which is written again and again."""
_WORDS = {
    "training": "training",
    "all": "any",
    "step": "step",
    "reward": "reward",
    "tokens": "tokens",
    "advantage": "advantage",
    "cut": "cut off",
    "count": "{found} of {all} completions",
    "more": "Show more",
    "none": "No completion has all of this.",
    "gap": "characters are not shown",
    "token": "token {place} of {tokens}",
    "nothing": "no text of its own",
    "logprob": "log-probability",
    "entropy": "entropy",
    "difficulty": "difficulty",
    "unknown": "The run did not record this for the tokens of this completion.",
    "unknown_entropy": "Not known: training skips completions without an advantage, and old runs recorded no entropies.",
    "unknown_evaluation": "Evaluations record nothing of single tokens; choose a completion of training.",
    "correct": "correct",
    "wrong": "wrong",
    "unparsable": "unparsable",
    "timeout": "timeout",
    "error": "error",
    "unverified": "unverified",
}
"""What the script writes. The markup has all other words."""


@dataclass(frozen=True)
class Browser:
    """What the page has: markup with its data inside, the script, and sentences about what is not shown."""

    markup: Markup
    code: str
    missing: tuple[str, ...]

    @property
    def script(self) -> Markup:
        """The element of the script, for the end of the page."""
        return Markup(f"<script>{self.code}</script>")  # our own file, without user input


@dataclass
class _Data:
    """Problems are in the page once, whatever the number of their completions."""

    problems: list[Plain] = field(default_factory=list)
    entries: list[Plain] = field(default_factory=list)
    size: int = 0
    _places: dict[tuple[str, str], int] = field(default_factory=dict)

    def read(self, chosen: Choice) -> None:
        self.size += chosen.size
        for table, rows in chosen.rows:
            for row in table.read(rows):
                self._add(table, row)

    def _add(self, table: CompletionTable, row: Mapping[str, Any]) -> None:
        key = table.source, str(row.get("problem_id") or row.get("prompt"))
        if key not in self._places:
            self._places[key] = len(self.problems)
            self.problems.append(problem_entry(row))
        made = rollout_entry(row) if table.source == TRAINING else evaluation_entry(row)
        self.entries.append({"source": visible(table.source), "step": table.step, "problem": self._places[key]} | made)


def browser(run: Run, reload: int | None = None) -> Browser | None:
    """The browser of a run's completions; ``None`` if it has none. ``reload``: the page loads itself again after so many seconds."""
    missing: list[str] = []
    data, sentences = _Data(), []
    evaluated, rolled = evaluation_paths(run), rollout_paths(run)
    budget = LIVE_BUDGET if reload else BUDGET
    for source, paths in [*evaluated.items(), (TRAINING, rolled)]:
        # a third for evaluations, the rest for training, whose tokens take more
        part = budget - data.size if source == TRAINING else budget // (3 if rolled else 1) // len(evaluated)
        chosen = choose(list(read_tables(source, paths, missing)), part)
        data.read(chosen)
        sentences += [_rule(source, chosen, rows_in(paths))] if paths else []
    if not data.entries:
        return None
    entries = sorted(data.entries, key=lambda entry: entry["source"] != TRAINING)
    content = {"problems": data.problems, "entries": entries, "words": dict(_words()), "reload": reload}
    return Browser(_markup(sentences, _json(content)), _code(), tuple(missing))


def _words() -> Iterator[tuple[str, str]]:
    return ((name, translate(text, label=True)) for name, text in _WORDS.items())


def _rule(source: str, chosen: Choice, total: int) -> str:
    """``Training: 960 of 7,680 completions are shown: 8 problems at each of 15 steps.``"""
    shown = sum(len(rows) for _, rows in chosen.rows)
    name = visible(source) if source else translate("Training", label=True)
    if shown == total:
        return f"{name}: all {total:,} completions are shown."
    most = "" if chosen.members == ALL else f" Of each problem at most {chosen.members} completions are shown."
    return f"{name}: {shown:,} of {total:,} completions are shown: {chosen.problems} problems at each of {chosen.steps} steps.{most}"


def _markup(sentences: Sequence[str], data: str) -> Markup:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_resource("browser.html"))
    return Markup(template.render(sentences=sentences, data=Markup(data)))


def _json(content: Mapping[str, Any]) -> str:
    """JSON that is inert within HTML: ``<`` is spelled out, so that no text can end its element."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _code() -> str:
    return _resource("browser.js")


def _resource(name: str) -> str:
    return resources.files("dunwu.analysis.browser").joinpath(name).read_text(encoding="utf-8")
