"""Diversity: did reinforcement learning narrow the model?

Within a group (the completions of one prompt in one step): distinct answers, distinct completions and self-BLEU. Before and after training:
pass@k for growing k. A model that has only become surer of what it could do gains at k = 1 and loses at large k.
"""

from __future__ import annotations

from collections.abc import Mapping

from dunwu.analysis.curves import curve
from dunwu.analysis.figures import PlotFigure, lines
from dunwu.analysis.lab.estimates import Json, plain_estimate
from dunwu.analysis.lab.material import Chain, Chains, Material
from dunwu.analysis.lab.section import Section, lines_of, missing, moments_table, shown
from dunwu.analysis.sections import Part
from dunwu.analysis.sentences import PHASES, change
from dunwu.evaluation.metrics import pass_at_k
from dunwu.evaluation.self_bleu import self_bleu, words
from dunwu.evaluation.store import ALONE
from dunwu.evaluation.suite import share

_GROUP = {"answers": "distinct answers", "completions": "distinct completions", "self_bleu": "self-BLEU"}


def analyse(material: Material) -> Json:
    """``steps``: the groups; ``sets``: pass@k; ``entropy``: the policy's at the first and the last tenth of the steps."""
    entropy = curve(material.metrics, "entropy")
    steps = [{"step": step, **_groups(chains)} for step, chains in material.steps.items()]
    sets = {name: _set(phases) for name, phases in material.sets.items()}
    if not (entropy or steps or sets):
        return missing("there is neither an evaluation, nor a saved step of rollouts, nor an entropy")
    ends = {"first": entropy.first, "last": entropy.last, "steps": list(entropy.steps), "values": list(entropy.values)} if entropy else None
    return {"steps": steps, "sets": sets, "entropy": ends}


def _groups(chains: Chains) -> Json:
    """Means over groups of two or more: of distinct answers and completions as shares of the group, and of self-BLEU."""
    groups: dict[str, list[Chain]] = {}
    for chain in chains:
        groups.setdefault(chain.problem, []).append(chain)
    known = [group for group in groups.values() if len(group) > 1]
    answers = [[len({chain.vote for chain in group} - {None}) / len(group)] for group in known]
    completions = [[len({" ".join(chain.text.casefold().split()) for chain in group}) / len(group)] for group in known]
    alike = [[found] for group in known if (found := self_bleu([words(chain.text) for chain in group])) is not None]
    return {
        "answers": plain_estimate(share(answers)),
        "completions": plain_estimate(share(completions)),
        "self_bleu": plain_estimate(share(alike)),
    }


def _set(phases: Mapping[str, Chains]) -> Json:
    correct = {phase: _correct(chains) for phase, chains in phases.items()}
    fewest = min((len(samples) for each in correct.values() for samples in each.values()), default=0)
    ks = [2**power for power in range(fewest.bit_length()) if 2**power <= fewest]
    found: Json = {phase: {str(k): _passed(list(each.values()), k) for k in ks} for phase, each in correct.items()}
    if len(correct) == 2:
        before, after = ({name for name, samples in each.items() if any(samples)} for each in correct.values())
        both = set.intersection(*map(set, correct.values()))
        found["changed"] = {"problems": len(both), "gained": len((after - before) & both), "lost": len((before - after) & both)}
    return found


def _correct(chains: Chains) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for chain in chains:
        if chain.right is not None:
            found.setdefault(chain.problem, []).append(chain.right)
    return found


def _passed(correct: list[list[int]], k: int) -> Json | None:
    """pass@k, with the interval of the problems' chances."""
    return plain_estimate(share([[pass_at_k([samples], k)] for samples in correct]))


def part(found: Json) -> Part:
    """The page's part."""
    rows: dict[str, dict[str, str]] = {}
    for name, phases in found["sets"].items():
        prefix = f"{name}: " if len(found["sets"]) > 1 else ""
        for phase in (*PHASES, ALONE):
            for k, value in phases.get(phase, {}).items():
                rows.setdefault(f"{prefix}pass@{k}", {})[phase] = shown(value, 1, True)
        if changed := phases.get("changed"):
            rows[f"{prefix}solved in some sample, then in none"] = {"after": f"{changed['lost']} of {changed['problems']}"}
            rows[f"{prefix}solved in none, then in some"] = {"after": f"{changed['gained']} of {changed['problems']}"}
    ends = [*found["steps"][:1], *found["steps"][1:][-1:]]
    moments = [f"step {each['step']}" for each in ends]
    groups = {label: {moment: shown(each[key]) for moment, each in zip(moments, ends, strict=True)} for key, label in _GROUP.items()}
    phases = [phase for phase in (*PHASES, ALONE) if any(phase in row for row in rows.values())]
    tables = ([moments_table(rows, phases)] if rows else []) + ([moments_table(groups, moments)] if ends else [])
    return Part("Diversity", _INTRO, _figures(found), tables)


def _figures(found: Json) -> list[PlotFigure]:
    figures = []
    if (alike := lines_of("Diversity within a group", found["steps"], _GROUP, "share of the group, and BLEU", share=True)) is not None:
        figures.append(alike)
    if entropy := found["entropy"]:
        rows = [{"step": step, "entropy": value} for step, value in zip(entropy["steps"], entropy["values"], strict=True)]
        known = curve(rows, "entropy")
        figures.append(
            lines("Entropy", {"entropy": known}, "nats per token", change("Entropy of the policy", known, unit=" nats per token"))
        )
    return figures


_INTRO = (
    "pass@k is the chance that one of k samples is right. Distinct answers and completions are shares of a group; "
    "self-BLEU is 1 if all completions of a group are the same."
)
SECTION = Section("diversity", analyse, part)
