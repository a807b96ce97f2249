"""Warns of a run that cannot learn: no right answer, dead groups, cut-off or unreadable completions, collapse, a loss that rises.

Each kind is warned of once, with the reason and a remedy, and kept in the manifest (``warnings``), so that a report shows it. The limits
are in one place, here. The bundled demos (`zero`, `zero-24`, R1's RL stages) stay far from all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from dunwu.run.directory import RunDirectory, read_metrics
from dunwu.text.answer_forms import DEFAULT, FORMS
from dunwu.verifiers.unread import more_tokens, readable

WINDOW = 5
"""Consecutive steps in which something must hold: a single step of few prompts can be unlucky, five are not."""
NEARLY_ALL = 0.95
"""Share of completions that counts as all of them. A base model before R1-Zero leaves about 20 % unreadable in the demos, up to half in
the literature."""
LOW_ENTROPY = 0.02
"""Nats per token, and a tenth of the start's: the policy is deterministic then (the demos stay above 0.25, R1's last stages at 0.1)."""
LOST = 0.1
"""Share of the entropy or length at the start that counts as collapsed. A model that learns to be brief keeps more."""
EXPLODED = 5.0
"""Times the length at the start, if at least half of the completions are cut off. R1's own growth (4 times in the demos) ends."""
HALF = 0.5
"""Share that counts as most."""
SOLVED = 0.9
"""With this accuracy, low entropy and dead groups are a success."""
RISE, NATS = 2.0, 1.0
"""A loss has risen far if it exceeds the first step's, which no update had touched, by this factor and by this amount. A small batch may
be twice as hard as another, but not two in a row."""

ACCURACY, DEAD, UNREAD = "rewards/accuracy", "frac_reward_zero_std", "verdicts/unparsable"
CLIPPED, LENGTH = "completions/clipped_ratio", "completions/mean_length"

Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Signal:
    """``fact(first, last)`` describes what is wrong in the ``last`` steps, or is empty; ``remedy(last, config)`` says what to do."""

    name: str
    fact: Callable[[Rows, Rows], str]
    remedy: Callable[[Rows, Row], str]


class LearningWatch:
    """Sees the metrics of every step; knows those of a resumed run."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._first: list[Row] = []
        self._last: deque[Row] = deque(maxlen=WINDOW)
        for row in read_metrics(run.path) if run.resumed else ():
            self._keep(row)

    def add(self, step: int, metrics: Row) -> None:
        """Count a step; warns of what is new."""
        self._keep({"step": step, **metrics})
        warnings = list(self._run.manifest.get("warnings", ()))
        known = {kind for warning in warnings for kind in warning["kinds"]}
        last = tuple(self._last)
        found = {each: fact for each in SIGNALS if each.name not in known and (fact := each.fact(self._first, last))}
        if found:
            remedies = dict.fromkeys(each.remedy(last, self._run.manifest["config"]) for each in found)
            text = f"steps {last[0]['step']} to {step}: {'; '.join(found.values())}: {'; or '.join(remedies)}"
            self._run.reporter.warn(text)
            self._run.note({"warnings": [*warnings, {"step": step, "kinds": [each.name for each in found], "text": text}]})

    def _keep(self, row: Row) -> None:
        if len(self._first) < WINDOW:
            self._first.append(row)
        self._last.append(row)


def _always(last: Rows, key: str, holds: Callable[[float], bool]) -> bool:
    """True if a metric holds in each of the last `WINDOW` steps."""
    return len(last) == WINDOW and all((value := row.get(key)) is not None and holds(value) for row in last)


def _mean(rows: Rows, key: str) -> float:
    """The mean of a metric over the rows that have it; 0 without any."""
    values = [float(value) for row in rows if (value := row.get(key)) is not None]
    return fmean(values) if values else 0.0


def _percent(rows: Rows, key: str) -> str:
    return f"{100 * _mean(rows, key):.0f} %"


def _ends(first: Rows, last: Rows, key: str) -> tuple[float, float] | None:
    """The means of a metric at the start and now; ``None`` before two full windows, or if a step lacks it."""
    known = all(row.get(key) is not None for row in (*first, *last))
    return (_mean(first, key), _mean(last, key)) if known and last[0]["step"] > first[-1]["step"] and len(first) == WINDOW else None


def _none_right(first: Rows, last: Rows) -> str:
    if not _always(last, ACCURACY, lambda accuracy: accuracy == 0):
        return ""
    shares = {"without a readable answer": UNREAD, "cut off": CLIPPED}
    details = [f"{_percent(last, key)} {words}" for words, key in shares.items() if HALF <= _mean(last, key) < NEARLY_ALL]
    return "no completion had a right answer" + (f" ({', '.join(details)})" if details else "")


def _dead(first: Rows, last: Rows) -> str:
    if _mean(last, ACCURACY) >= SOLVED or not _always(last, DEAD, lambda share: share == 1):
        return ""
    return f"every group had equal rewards{'' if any(row.get('reward') for row in last) else ' (all 0)'}, so nothing was learnt"


def _solved(first: Rows, last: Rows) -> str:
    if _mean(last, ACCURACY) < SOLVED or not _always(last, DEAD, lambda share: share == 1):
        return ""
    return f"{_percent(last, ACCURACY)} of the answers were right, so that groups had equal rewards and nothing more is learnt"


def _cut_off(first: Rows, last: Rows) -> str:
    all_cut = _always(last, CLIPPED, lambda share: share >= NEARLY_ALL)
    return f"{_percent(last, CLIPPED)} of the completions were cut off at the token limit" if all_cut else ""


def _unreadable(first: Rows, last: Rows) -> str:
    unread = _always(last, UNREAD, lambda share: share >= NEARLY_ALL) and not _cut_off(first, last)
    return f"{_percent(last, UNREAD)} of the completions had no readable answer" if unread else ""


def _entropy(first: Rows, last: Rows) -> str:
    ends = _ends(first, last, "entropy")
    if ends is None or ends[1] > min(LOW_ENTROPY, LOST * ends[0]) or _mean(last, ACCURACY) >= SOLVED:
        return ""
    return f"the entropy collapsed from {ends[0]:.2g} to {ends[1]:.2g} nats per token"


def _short(first: Rows, last: Rows) -> str:
    ends = _ends(first, last, LENGTH)
    if ends is None or ends[1] > LOST * ends[0] or _mean(last, ACCURACY) > _mean(first, ACCURACY):
        return ""
    return f"the length collapsed from {ends[0]:.0f} to {ends[1]:.0f} tokens"


def _long(first: Rows, last: Rows) -> str:
    ends, cut = _ends(first, last, LENGTH), _mean(last, CLIPPED)
    if ends is None or ends[1] < EXPLODED * ends[0] or cut < HALF:
        return ""
    return f"the length exploded from {ends[0]:.0f} to {ends[1]:.0f} tokens, with {_percent(last, CLIPPED)} of the completions cut off"


def _loss(first: Rows, last: Rows) -> str:
    """Of every trainer but RL's, whose loss says nothing about learning."""
    then, newest = first[0].get("loss"), last[-2:]
    if "reward" in first[0] or then is None or len(first) < 3 or any(row.get("loss") is None for row in newest):
        return ""
    risen = all(row["loss"] > max(RISE * then, then + NATS) for row in newest)
    return f"the loss rose from {then:.3g} to {_mean(newest, 'loss'):.3g}" if risen else ""


def _not_finite(first: Rows, last: Rows) -> str:
    skipped = sum(bool(row.get("skipped")) for row in last)
    return f"{skipped} of {len(last)} steps had no finite loss or gradient" if skipped > 1 else ""


def _easier(last: Rows, config: Row) -> str:
    """What helps if no answer is right, by what is wrong with most completions."""
    if _mean(last, CLIPPED) >= HALF:
        return _more_tokens(last, config)
    return _readable(last, config) if _mean(last, UNREAD) >= HALF else "take an easier task, or fine-tune the model first (dunwu sft)"


def _varied(last: Rows, config: Row) -> str:
    wrong = not _mean(last, ACCURACY) and ACCURACY in last[-1]
    return _easier(last, config) if wrong else "raise grpo.group_size or sampling.temperature, or use a reward that differs between answers"


def _harder(last: Rows, config: Row) -> str:
    return "take a harder task, or stop here"


def _more_tokens(last: Rows, config: Row) -> str:
    return more_tokens(config.get("sampling", {}).get("max_tokens"), config.get("template", ""))


def _readable(last: Rows, config: Row) -> str:
    form = FORMS[config.get("answer_form", DEFAULT)]
    remedy = readable(config.get("template", ""))
    return f"a readable answer needs {form.reads} (answer_form = {form.name}): {remedy}, or fine-tune it on such answers first (dunwu sft)"


def _slower(last: Rows, config: Row) -> str:
    rate = config.get("learning_rate") or config.get("grpo", {}).get("learning_rate")
    return f"the learning rate {rate:g} may be too high" if rate else "the learning rate may be too high"


def _less_greedy(last: Rows, config: Row) -> str:
    return f"{_slower(last, config)}, or set grpo.entropy_bonus"


SIGNALS = (
    Signal("no right answer", _none_right, _easier),
    Signal("dead groups", _dead, _varied),
    Signal("solved", _solved, _harder),
    Signal("cut off", _cut_off, _more_tokens),
    Signal("unreadable", _unreadable, _readable),
    Signal("entropy", _entropy, _less_greedy),
    Signal("short", _short, _slower),
    Signal("long", _long, _more_tokens),
    Signal("loss", _loss, _slower),
    Signal("not finite", _not_finite, _slower),
)
