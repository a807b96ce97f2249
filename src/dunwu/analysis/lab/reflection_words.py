"""The aha moment in words: how often completions use reflective words, and from which step on they do so more than the base model.

The words are those of `dunwu.models.reflection`, the paper's ten and Chinese ones of ours, counted whatever they mean in their context.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

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
    """``moments`` and ``steps``: words per completion. ``onsets``: from which step on there are more than at the base, on the same held-out
    problems, and in training."""
    if not material.moments:
        return missing("there is neither an evaluation nor a saved step of rollouts")
    moments = {moment: _rates(chains) for moment, chains in material.moments.items()}
    steps = [{"step": step, **_rates(chains)} for step, chains in material.steps.items()]
    onsets = [found for found in (_on_held_out(material), _in_training(material, moments, steps)) if found is not None]
    return {"moments": moments, "steps": steps, "onsets": onsets}


def _rate(chains: Chains) -> Json | None:
    return mean_of(chains, _count, 0.0)


def _rates(chains: Chains) -> Json:
    total: Counter[str] = Counter()
    for chain in chains:
        total.update(reflection_counts(chain.text))
    words = {word: count / len(chains) for word, count in sorted(total.items(), key=lambda each: (-each[1], each[0]))}
    return {"words": _rate(chains), "each": words}


def _count(chain: Chain) -> float:
    return float(count_reflections(chain.text))


def _on_held_out(material: Material) -> Json | None:
    """The evaluations before, between the steps and after, over the problems that all of them have; ``None`` without any between."""
    names = [name for name, phases in material.sets.items() if phases.get("before") and material.during.get(name)]
    if not names:
        return None
    measured = {step: _joined(material.during[name].get(step) for name in names) for step in sorted(material.during[names[0]])}
    if material.metrics and all(material.sets[name].get("after") for name in names):
        measured.setdefault(int(material.metrics[-1]["step"]), _joined(material.sets[name]["after"] for name in names))
    before = _joined(material.sets[name]["before"] for name in names)
    shared = set.intersection(*({chain.problem for chain in chains} for chains in (before, *measured.values())))
    base, *rates = (_rate([chain for chain in chains if chain.problem in shared]) for chains in (before, *measured.values()))
    points = [(step, rate["value"]) for step, rate in zip(measured, rates, strict=True) if rate]
    return _compared("before", base, points, "held-out", alike=True)


def _joined(chains: Iterable[Chains | None]) -> list[Chain]:
    return [chain for each in chains for chain in each or ()]


def _in_training(material: Material, moments: Json, steps: list[Json]) -> Json | None:
    """The rollouts of all steps in ``metrics.jsonl`` (without it, of the saved steps) and the evaluation before training, which is of other
    problems; without one, the first saved step."""
    measured = curve(material.metrics, _METRIC)
    points = list(zip(measured.steps, measured.values, strict=True))
    name, base = ("before", moments["before"]["words"]) if "before" in moments else ("", None)
    if base is None and steps:
        name, base = f"step {steps[0]['step']}", steps[0]["words"]
        points = [point for point in points if point[0] > steps[0]["step"]]
    points = points or [(each["step"], each["words"]["value"]) for each in steps if f"step {each['step']}" != name]
    return _compared(name, base, points, "training", alike=name != "before")


def _compared(name: str, base: Json | None, points: Sequence[tuple[int, float]], prompts: str, *, alike: bool) -> Json | None:
    """``alike``: whether base and rates are of the same kind of problems; ``prompts``: those of the rates."""
    if base is None or base["interval"] is None or not points:
        return None
    found = onset(base["interval"][1], points)
    return {"prompts": prompts, "alike": alike, "base": {"of": name, **base}, "onset": found, "measured_steps": len(points)}


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
    if not found["onsets"]:
        return "Nothing tells from which step on there are more of them."
    return " ".join(_onset_sentence(each) for each in found["onsets"])


def _onset_sentence(found: Json) -> str:
    base, step, count = shown(found["base"]), found["onset"], found["measured_steps"]
    if found["prompts"] == "held-out":
        if step is None:
            return f"On the same held-out problems, measured at {count} steps, the rate did not stay above the base's interval, {base}."
        where = f"On the same held-out problems, measured at {count} steps"
        return f"{where}, the rate stays above the base's interval, {base}, from step {step} on."
    remark = "" if found["alike"] else " The base is of held-out problems, which may differ from those of training."
    if step is None:
        return f"In training the rate did not stay above the base's interval, {base}.{remark}"
    return f"In training the rate stays above the base's interval, {base}, from step {step} on.{remark}"


SECTION = Section("reflection_words", analyse, part)
