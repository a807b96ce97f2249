"""The aha moment in words: how often completions use reflective words, and from which step on they do so more than the base model.

The words are those of `dunwu.models.reflection`, the paper's ten and Chinese ones of ours, counted whatever they mean in their context.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dunwu.analysis.curves import curve
from dunwu.analysis.figures import PlotFigure
from dunwu.analysis.lab.estimates import Json, mean_of
from dunwu.analysis.lab.material import Chain, Chains, Material
from dunwu.analysis.lab.section import Section, lines_of, missing, moments_table, shown
from dunwu.analysis.sections import Part
from dunwu.analysis.sentences import plain
from dunwu.models.reflection import count_reflections, reflection_counts

_METRIC = "reflections_per_completion"


def onset(high: float, points: Sequence[tuple[int, float]]) -> int | None:
    """The first step from which on the rate stays above ``high``, at it and at all later points; ``None`` if the last is not above.

    ``high`` is the upper end of the base model's 95 % interval. ``points`` are (step, rate), in order.
    """
    first = None
    for step, rate in reversed(points):
        if rate <= high:
            break
        first = step
    return first


def analyse(material: Material) -> Json:
    """``moments`` and ``steps``: words per completion. ``base`` is what ``onset`` is compared with.

    The base is the evaluation before training; without one, the first saved step. The rates are those of all steps in ``metrics.jsonl``;
    without them, of the saved steps after the base.
    """
    if not material.moments:
        return missing("there is neither an evaluation nor a saved step of rollouts")
    moments = {moment: _rates(chains) for moment, chains in material.moments.items()}
    steps = [{"step": step, **_rates(chains)} for step, chains in material.steps.items()]
    return {"moments": moments, "steps": steps, **_onset(material, moments, steps)}


def _rates(chains: Chains) -> Json:
    total: Counter[str] = Counter()
    for chain in chains:
        total.update(reflection_counts(chain.text))
    words = {word: count / len(chains) for word, count in sorted(total.items(), key=lambda each: (-each[1], each[0]))}
    return {"words": mean_of(chains, _count, 0.0), "each": words}


def _count(chain: Chain) -> float:
    return float(count_reflections(chain.text))


def _onset(material: Material, moments: Json, steps: list[Json]) -> Json:
    measured = curve(material.metrics, _METRIC)
    points = list(zip(measured.steps, measured.values, strict=True))
    name, base = ("before", moments["before"]["words"]) if "before" in moments else ("", None)
    if base is None and steps:
        name, base = f"step {steps[0]['step']}", steps[0]["words"]
        points = [point for point in points if point[0] > steps[0]["step"]]
    points = points or [(each["step"], each["words"]["value"]) for each in steps if f"step {each['step']}" != name]
    if base is None or base["interval"] is None or not points:
        return {"base": None, "onset": None}
    return {"base": {"of": name, **base}, "onset": onset(base["interval"][1], points), "measured_steps": len(points)}


def part(found: Json) -> Part:
    """The page's part."""
    moments = found["moments"]
    rows = {"reflective words per completion": {moment: shown(each["words"]) for moment, each in moments.items()}}
    words = dict.fromkeys(word for each in reversed(moments.values()) for word in each["each"])
    each_word = {f"“{word}”": {moment: plain(each["each"].get(word, 0.0)) for moment, each in moments.items()} for word in words}
    intro = "The English words are the paper's list; the Chinese ones are ours. Words are counted whatever they mean in context."
    figure = lines_of(
        "Reflective words over steps", found["steps"], {"words": "reflective words"}, "words per completion", _sentence(found)
    )
    figures = [figure] if figure else [PlotFigure("Reflective words over steps", None, _sentence(found))]
    return Part("Reflective words", intro, figures, [moments_table(rows | each_word, [*moments])])


def _sentence(found: Json) -> str:
    if (base := found["base"]) is None:
        return "Nothing tells from which step on there are more of them."
    if found["onset"] is None:
        return f"The rate did not stay above the base's interval, {shown(base)}."
    return f"From step {found['onset']} on, the rate stays above the base's interval, {shown(base)}."


SECTION = Section("reflection_words", analyse, part)
