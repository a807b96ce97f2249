"""A run directory as one self-contained HTML file: no external resource, everything escaped, curves by Bokeh."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, StrictUndefined

from dunwu.analysis import sentences
from dunwu.analysis.bins import read_clock
from dunwu.analysis.browser.section import browser
from dunwu.analysis.cost import NO_PRICES, PAPER, Prices, cost_table, run_spent
from dunwu.analysis.curves import Row, number
from dunwu.analysis.deviations import against_paper
from dunwu.analysis.figures import PlotFigure, bin_size, measured_figures, set_figures, training_figures
from dunwu.analysis.interactive import interactive, policy
from dunwu.analysis.page_language import in_language
from dunwu.analysis.pairs import RULE, Comparison, compare
from dunwu.analysis.progress import RELOAD, now, read_progress
from dunwu.analysis.reward_model_report import reward_model_body
from dunwu.analysis.rollouts import latest_rollouts
from dunwu.analysis.rundir import HeldOutSet, Run, mapping, read_run
from dunwu.analysis.sections import Body, Headline, Table
from dunwu.analysis.sentences import PHASES, percent, plain
from dunwu.analysis.sft_report import sft_body
from dunwu.analysis.text import breakable, unbroken, visible
from dunwu.errors import RunError
from dunwu.models.reflection import reflection_counts
from dunwu.text.translate import translate
from dunwu.types import Reason

REPORT = "report.html"
_MADE_BY = " – Dunwu 顿悟</title>"
"""Every page contains it."""
_VERDICTS: tuple[Reason, ...] = ("correct", "wrong", "unparsable", "timeout", "error", "unverified")
_MOST_FACTS = 80
_SECTIONS = (
    "progress",
    "written",
    "reload",
    "live",
    "bins",
    "browser",
    "warnings",
    "brand",
    "differences",
    "missing",
    "headlines",
    "sets",
    "training",
    "parts",
    "rule",
    "card",
    "card_details",
    "corpus_known",
    "cost",
    "against_paper",
    "config",
    "manifest",
)
_KINDS = {
    "zero": "R1-Zero",
    "pretrain": "Pre-training",
    "sft": "Supervised fine-tuning",
    "distillation": "Distillation",
    "reward-model": "Reward model",
}
_PHASES = {
    "train": "training",
    "evaluate_before": "evaluation before",
    "evaluate_during": "evaluation during",
    "evaluate_after": "evaluation after",
}


@dataclass(frozen=True)
class SetSection:
    """The page's content about one held-out set."""

    name: str
    headline: Table
    verdicts: Table | None
    words: Table | None
    figures: tuple[PlotFigure, ...]
    comparison: Comparison | None


def write_report(run: Path, path: Path | None = None, ended: bool = False, prices: Prices = NO_PRICES) -> Path:
    """Atomically write the page of a run, finished or not (default: its ``report.html``), and return the path.

    ``ended``: the run stops training now, which its directory cannot say yet.

    Raises ``RunError`` if the folder does not exist or is not writable.
    """
    return write_page(path or run / REPORT, render(read_run(run), ended, prices))


def write_page(path: Path, page: str) -> Path:
    """Atomically write ``page`` and return its path. Raises ``RunError`` if it cannot be written or would replace a foreign file."""
    keep_foreign(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(breakable(in_language(page)), encoding="utf-8", errors="replace")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(f"{path} cannot be written ({error.strerror}): free some space or make the folder writable") from error
    return path


def keep_foreign(path: Path, ours: Callable[[str], bool] = lambda text: _MADE_BY in text) -> None:
    """Raise ``RunError`` if there is a file at ``path`` that is not ``ours`` by its text; by default, that is not a page of ours."""
    if path.is_file() and not ours(path.read_text(encoding="utf-8", errors="replace")):
        raise RunError(f"{path} was not written by Dunwu and is not replaced: choose another path or move the file")


def render(run: Run, ended: bool = False, prices: Prices = NO_PRICES) -> str:
    """The page of a run."""
    spent = run_spent(run)
    compared = against_paper(str(run.manifest.get("kind")), run.config, run_name(run.path))
    progress = read_progress(run, ended)
    card, details = _card_facts(run.card)
    body = _BODIES.get(str(run.manifest.get("kind")), _body)(run)
    reload = None if progress is None or progress.state == "stopped" else RELOAD
    # a page that loads itself again would lose the reader's zoom
    training, live = (body.training, None) if reload else interactive(body.training, {"": read_clock(run.metrics.rows)})
    found = browser(run, reload)
    return fill_template(
        title=_title(run),
        facts=tuple(_run_facts(run)),
        progress=progress,
        written=now(),
        reload=reload,
        live=live,
        browser=found,
        policy=policy(live, [found.code] if found else []),
        missing=(*run.missing, *dict.fromkeys(line for line in (found.missing if found else ()) if line not in run.missing)),
        warnings=tuple(_warnings(run.manifest)),
        sets=tuple(_section(held_out, index) for index, held_out in enumerate(run.sets)),
        headlines=body.headlines,
        training=training,
        bins=bin_size(training),
        parts=[*body.parts, *latest_rollouts(run.path)],
        rule=RULE,
        cost=cost_table({"": spent}, prices) if spent else None,
        against_paper=[("", compared)] if compared else [],
        card=card,
        card_details=details,
        corpus_known=any("reflect" in name or "wait" in name for name, _ in card + details),
        config=run.config_text,
        manifest=tuple(flat_facts({key: value for key, value in run.manifest.items() if key not in ("base_card", "warnings")})),
    )


def fill_template(**values: Any) -> str:
    """The page's template filled with ``values``; sections without a value are omitted."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"visible": visible, "unbroken": unbroken}
    template = environment.from_string(resources.files("dunwu.analysis").joinpath(REPORT).read_text(encoding="utf-8"))
    return template.render({**dict.fromkeys(_SECTIONS), "policy": policy(None), "paper_cost": PAPER, **values})


def _warnings(manifest: Mapping[str, Any]) -> Iterator[str]:
    """What the run warned of (`dunwu.trainers.learning_watch`)."""
    found = manifest.get("warnings")
    for warning in found if isinstance(found, list) else ():
        if isinstance(warning, dict) and isinstance(warning.get("text"), str):
            yield warning["text"]


def _title(run: Run) -> str:
    kind, name = run.manifest.get("kind"), run_name(run.path)
    return f"{translate(_KINDS.get(kind, kind), label=True)} · {name}" if isinstance(kind, str) else name


def run_name(run: Path) -> str:
    """The folder's name, or the stage's name if it is a stage's run (``stages/NAME/IDENTITY/run``)."""
    folder = run.resolve()
    stage = folder.parent.parent
    return stage.name if stage.parent.name == "stages" else folder.name


def _run_facts(run: Run) -> Iterator[tuple[str, str]]:
    """Short facts for the top: model, device, seed, steps, tokens, seconds per phase (a plot shows the parts of training)."""
    for name, value in (("model", run.config.get("model")), ("device", run.summary.get("device")), ("seed", run.summary.get("seed"))):
        if isinstance(value, (str, int)):
            yield name, str(value)
    if run.metrics.rows:
        yield "steps", str(len(run.metrics.rows))
        tokens = sum(number(row.get("num_tokens")) or 0 for row in run.metrics.rows)
        if tokens:
            yield "tokens", f"{tokens:,.0f}"
    seconds = run.summary.get("seconds")
    for phase, value in seconds.items() if isinstance(seconds, dict) else ():
        taken = number(value)
        if taken is not None and not phase.startswith("train_"):
            yield str(_PHASES.get(phase, phase)), f"{taken / 60:.1f} min" if taken >= 60 else f"{taken:.1f} s"


def _body(run: Run) -> Body:
    """The body for R1-Zero and similar runs."""
    headlines = [_so_far(held_out.name, run) or _pass_at_1(held_out, run.metrics.rows) for held_out in run.sets]
    figures = training_figures(run) if run.metrics.rows else []
    return Body(headlines, [*measured_figures(run), *figures])


_BODIES: Mapping[str, Callable[[Run], Body]] = MappingProxyType(
    {"sft": sft_body, "distillation": sft_body, "reward-model": reward_model_body}
)
"""By kind of run; the default is `_body`."""


def _so_far(name: str, run: Run) -> Headline | None:
    """pass@1 at the first and the newest point of a set that is measured during training, until it is measured after it."""
    points = run.measured.get(name, ())
    if run.manifest.get("finished") is not None or len(points) < 2:
        return None
    first, last = (percent(point["pass_at_1"]) for point in (points[0], points[-1]))
    return Headline(f"{name}, held-out pass@1 at step {points[-1]['step']}", first, last, sentences.headline(points[0], points[-1]))


def _pass_at_1(held_out: HeldOutSet, rows: Sequence[Row]) -> Headline:
    """pass@1 before and after, or the only one measured so far."""
    before, after = (held_out.summaries.get(phase, {}) for phase in PHASES)
    values = [percent(value) for summary in (before, after) if (value := number(summary.get("pass_at_1"))) is not None]
    first, last = values if len(values) == 2 else ("", *(values or ["not measured"]))
    failed = sentences.nothing_learnt(before, after, rows)
    text = f"{failed[0].upper()}{failed[1:]}. {sentences.headline(before, after)}" if failed else sentences.headline(before, after)
    return Headline(f"{held_out.name}, held-out pass@1", first, last, text, tuple(_changes(before, after)))


def _section(held_out: HeldOutSet, index: int) -> SetSection:
    before, after = (held_out.summaries.get(phase, {}) for phase in PHASES)
    return SetSection(
        name=held_out.name,
        headline=_headline(before, after),
        verdicts=_verdicts(before, after),
        words=_words(held_out),
        figures=tuple(set_figures(held_out, index)),
        comparison=compare(held_out.results),
    )


def _headline(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    """The numbers of ``summary.json`` side by side; rows without any number are omitted."""
    k = number(after.get("k")) or number(before.get("k"))
    samples = f"{k:.0f}" if k else "k"
    rows = [("pass@1", _cell(before, "pass_at_1", percent), _cell(after, "pass_at_1", percent))]
    rows.append(("95 % interval", _interval(before), _interval(after)))
    shares = {"pass_at_k": f"pass@{samples}", "majority_at_k": f"majority@{samples}"} if k != 1 else {}
    amounts = {
        "mean_length": "length (tokens)",
        "thinking_length": "thinking (tokens)",
        "reflections_per_completion": "reflective words per completion",
    }
    counts = {"problems": "problems", "samples": "samples", "excluded": "excluded (verifier failed)"}
    rows += [(name, _cell(before, key, percent), _cell(after, key, percent)) for key, name in shares.items()]
    rows += [(name, _cell(before, key, lambda v: plain(v, 1)), _cell(after, key, lambda v: plain(v, 1))) for key, name in amounts.items()]
    rows.append(("cut off at the token limit", _cell(before, "clipped_ratio", percent), _cell(after, "clipped_ratio", percent)))
    rows += [(name, _cell(before, key, lambda v: f"{v:.0f}"), _cell(after, key, lambda v: f"{v:.0f}")) for key, name in counts.items()]
    return _known(Table(("", *PHASES), tuple(row for row in rows if row[1:] != ("–", "–"))))


def _known(table: Table) -> Table:
    """The table without columns that have no value, such as those after a training that is not finished."""
    kept = [place for place in range(len(table.head)) if place == 0 or any(row[place] != "–" for row in table.rows)]
    return Table(tuple(table.head[place] for place in kept), tuple(tuple(row[place] for place in kept) for row in table.rows))


def _cell(summary: Mapping[str, Any], key: str, show: Any) -> str:
    value = number(summary.get(key))
    return "–" if value is None else str(show(value))


def _interval(summary: Mapping[str, Any]) -> str:
    found = sentences.interval(summary)
    return "–" if found is None else f"{100 * found[0]:.1f} to {100 * found[1]:.1f}"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Changes other than accuracy, if both sides are known."""
    names = {"thinking_length": ("thinking, tokens", 0), "reflections_per_completion": ("reflective words", 1)}
    for key, (name, digits) in names.items():
        first, last = number(before.get(key)), number(after.get(key))
        if first is not None and last is not None:
            yield name, plain(first, digits), plain(last, digits)


def _verdicts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table | None:
    sides = [mapping(summary, "verdicts") for summary in (before, after)]
    names = [name for name in _VERDICTS if any(number(side.get(name)) for side in sides)]
    rows = tuple((name, *(f"{number(side.get(name)) or 0:.0f}" if side else "–" for side in sides)) for name in names)
    return _known(Table(("verdict", *PHASES), rows)) if rows else None


def _words(held_out: HeldOutSet) -> Table | None:
    """The mean number of each reflective word per completion, the most frequent after training first."""
    rates: dict[str, Counter[str]] = {}
    for phase, result in held_out.results.items():
        total: Counter[str] = Counter()
        for row in result.rows:
            total.update(reflection_counts(row.completion))
        rates[phase] = total
    words = sorted({word for total in rates.values() for word in total}, key=lambda word: (-rates.get("after", Counter())[word], word))
    sizes = {phase: len(result.rows) for phase, result in held_out.results.items()}
    rows = tuple((word, *(plain(rates[p][word] / sizes[p]) if sizes.get(p) else "–" for p in PHASES)) for word in words)
    return Table(("word", *PHASES), rows) if rows else None


def _card_facts(card: Mapping[str, Any]) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """The facts of a card that a reader wants first, and the rest: long lists of sources and words, and the recipe."""
    first = {key: value for key, value in card.items() if not isinstance(value, Mapping) or key.startswith("base")}
    rest = {key: value for key, value in card.items() if key not in first}
    return tuple(flat_facts(first)), tuple(flat_facts(rest))


def flat_facts(facts: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Up to 80 leaves of nested mappings as (``a.b``, text); a list is one line, cut to 300 characters."""
    stack: list[tuple[str, Any]] = [(prefix, facts)]
    given = 0
    while stack and given < _MOST_FACTS:
        name, value = stack.pop()
        if isinstance(value, Mapping):
            stack += [(f"{name}.{key}" if name else str(key), item) for key, item in reversed(list(value.items()))]
        elif value is not None:
            given += 1
            yield name, f"{value:.6g}" if isinstance(value, float) else str(value)[:300]
