r"""Why no answer was found in a completion, in plain words. A model that solves everything but puts no answer where the prompt wants it
scores 0 %: that number must be shown next to the share of unread completions.

The rule is strict on purpose, in training and in evaluation: an answer must be where ``answer_form`` says, by default in ``<answer>`` tags
or in a box, as prompts ask.
``dunwu verify math`` gets answers, not completions, and accepts a sentence too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from dunwu.models.thinking import parse_completion
from dunwu.text.answer_forms import DEFAULT, FORMS, as_read, form_of
from dunwu.types import Reason, Rollout
from dunwu.verifiers.verify import WHOLE_TEXTS, candidate

NO_ANSWER = FORMS[DEFAULT].missing
CUT_OFF = "cut off at the token limit"
MOST = 0.9
"""From this share of unparsable answers on, an evaluation measures the form of the answers rather than what the model can do."""
_OWN = ("chat", "auto")
"""Templates that are the model's own already, so that no other is advised."""
UNREADABLE = "an answer that the verifier cannot read"
_DESCRIPTIONS = {
    "the reasoning is not closed": "reasoning that never ends (no </think>)",
    "several answers": "several answers side by side",
    "the answer is not closed": "an <answer> that never ends",
    "empty answer": "an empty answer",
}
_WORDS: Mapping[Reason, str] = {
    "correct": "right",
    "wrong": "wrong",
    "unparsable": "unparsable",
    "timeout": "verifier ran out of time",
    "error": "verifier or reward failed",
    "unverified": "not verified",
}


def why_unread(rollout: Rollout, end_marker: str = "") -> str:
    """Why no answer was read in a rollout with the verdict ``unparsable``; empty for any other verdict."""
    completion = rollout.completion
    problem = as_read(rollout.prompt.problem, completion.finish_reason == "length")
    if rollout.reward.verdict.reason != "unparsable":
        return ""
    form = form_of(problem)
    parsed = parse_completion(rollout.prompt.prefill + completion.text, end_marker, form.name)
    if candidate(problem, parsed) is not None:
        return UNREADABLE
    if completion.finish_reason == "length":
        return CUT_OFF
    return "nothing to read" if problem.verifier in WHOLE_TEXTS else _DESCRIPTIONS.get(parsed.problem, form.missing)


def count_unread(reasons: Iterable[str]) -> dict[str, int]:
    """How often each reason occurs, most frequent first; empty reasons are not counted."""
    return dict(Counter(filter(None, reasons)).most_common())


def _is_own(template: object) -> bool:
    """True for the model's own template and for a block of the user."""
    return not isinstance(template, str) or template in _OWN


def more_tokens(limit: int | None, template: object) -> str:
    """What to do about completions that are cut off at ``limit`` tokens."""
    other = "" if _is_own(template) else ", or choose a template in which the model ends its answers, such as chat"
    return f"raise sampling.max_tokens = {limit}{other}"


def readable(template: object) -> str:
    """What to do about answers that are not where ``answer_form`` says."""
    other = ", such as last-number" if _is_own(template) else ", or choose a template that it follows, such as chat, its own"
    return f"set answer_form to where the model writes its answer{other}"


def hint(verdicts: Mapping[Reason, int], unread: Mapping[str, int], limit: int, template: object) -> str:
    """What to do if almost no answer was read, with the longest completion and the template that were set; empty if enough were."""
    total, unparsable = sum(verdicts.values()), verdicts.get("unparsable", 0)
    if not unparsable or unparsable < MOST * total:
        return ""
    reason = next(iter(unread), NO_ANSWER)
    remedy = more_tokens(limit, template) if reason == CUT_OFF else readable(template)
    return f"{unparsable} of {total} answers could not be read ({reason}): {remedy}"


def describe_verdicts(verdicts: Mapping[Reason, int], unread: Mapping[str, int]) -> str:
    r"""``right 0 of 20, unparsable 20 of 20 (no <answer> or \boxed{} 18, cut off at the token limit 2)``."""
    total = sum(verdicts.values())
    parts = [
        f"{words} {verdicts.get(reason, 0)} of {total}" for reason, words in _WORDS.items() if verdicts.get(reason) or reason == "correct"
    ]
    reasons = ", ".join(f"{reason} {count}" for reason, count in unread.items())
    return ", ".join(each + (f" ({reasons})" if reasons and each.startswith("unparsable") else "") for each in parts)
