"""Language mixing: the share of a thought's words that are in the prompt's language, counted as in the language reward.

A thought with less than 0.9 of its words in that language is mixed (`dunwu.evaluation.readability`); thoughts without words are left out.
"""

from __future__ import annotations

from dunwu.analysis.lab.estimates import Json, share_of
from dunwu.analysis.lab.material import Chain, Chains, Material
from dunwu.analysis.lab.section import Section, lines_of, missing, moments_table, shown
from dunwu.analysis.sections import Part
from dunwu.evaluation.readability import MIXED_BELOW
from dunwu.text.language import LANGUAGES, language_share, majority_language


def analyse(material: Material) -> Json:
    """By moment and by step, for each language of prompts: the share in the prompt's language, and the share of mixed thoughts."""
    if not material.moments:
        return missing("there is neither an evaluation nor a saved step of rollouts")
    moments = {moment: _languages(chains) for moment, chains in material.moments.items()}
    if not any(moments.values()):
        return missing("the chains of thought have no words")
    return {"moments": moments, "steps": [{"step": step, **_languages(chains)} for step, chains in material.steps.items()]}


def _languages(chains: Chains) -> Json:
    shares = {id(chain): _share(chain) for chain in chains}
    found = {}
    for language in sorted({chain.language for chain in chains}):
        spoken = [chain for chain in chains if chain.language == language]
        inside = share_of(spoken, lambda chain: shares[id(chain)])
        if inside is not None:
            found[language] = {"share": inside, "mixed": share_of(spoken, lambda chain: _mixed(shares[id(chain)]))}
    return found


def _share(chain: Chain) -> float | None:
    language = majority_language(chain.question) or chain.language
    return language_share(chain.thought, language) if language in LANGUAGES else None


def _mixed(share: float | None) -> float | None:
    return None if share is None else float(share < MIXED_BELOW)


def part(found: Json) -> Part:
    """The page's part."""
    moments = found["moments"]
    languages = list(dict.fromkeys(language for each in moments.values() for language in each))
    rows: dict[str, dict[str, str]] = {}
    for language in languages:
        known = {moment: each[language] for moment, each in moments.items() if language in each}
        rows[f"{language}: words in the prompt's language"] = {moment: shown(each["share"], 1, True) for moment, each in known.items()}
        rows[f"{language}: mixed thoughts"] = {moment: shown(each["mixed"], 1, True) for moment, each in known.items()}
    steps = [
        {"step": each["step"], **{language: each[language]["share"] for language in languages if language in each}}
        for each in found["steps"]
    ]
    figure = lines_of("Words in the prompt's language", steps, {language: language for language in languages}, "share of words", share=True)
    return Part("Language of the thoughts", _INTRO, [figure] if figure else [], [moments_table(rows, [*moments])])


_INTRO = "Rows are by the language of the prompts. A thought with less than 90 % of its words in that language is mixed."
SECTION = Section("language", analyse, part)
