"""Golds that are not answers: notes in the answer column that there is none, or that it is elsewhere.

Such a note would be compared as words, and only a model that writes the same note could be right.
"""

from __future__ import annotations

import re

_WHERE = r"(?:the\s+)?(?:above|below|attached|attachment|figure|diagram|graph|image|picture|table|text|next page|previous page)"
_WRITTEN = r"(?:solutions?|explanations?|proofs?|answers?|derivations?|details|working|workings|reasoning|argument|work)"
_CLAIM = r"(?:claim|statement|inequality|identity|result|equality|equation|theorem|proposition|lemma|assertion|conclusion|it|this|that)"
_SHOWN = r"(?:proved|proven|shown|demonstrated|verified|established|proof)"
_GIVEN = r"(?:given|provided|available|found|applicable|specified|supplied|known|needed|required|shown|included|stated|determined yet)"
_NOTES = (
    rf"(?!left\Z)(?:(?:the\s+)?{_WRITTEN}\s*(?:is|are|was|were)?\s*)?(?:left|omitted|skipped|trivial|obvious|immediate|straightforward|evident)"
    r"(?:\s+(?:to|for|as)\s+.*)?",
    rf"(?:the\s+)?{_WRITTEN}(?:\s+(?:above|below|only|complete|completed|attached|follows|by .*|that .*|here|sketch|needed|required))?",
    rf"(?:please\s+)?(?:see|refer\s+to|cf|check|consult|look\s+at|as\s+in|same\s+as)\s+(?:{_WHERE}|(?:the\s+|your\s+)?{_WRITTEN})(?:\s+{_WHERE})?.*",
    rf"{_WRITTEN}\s*[:,]?\s*(?:see|as)\s+.*",
    rf"(?:as\s+)?{_SHOWN}(?:\s+(?:above|below|already|in\s+.*))?",
    r"as\s+(?:above|below|required|desired|wanted|stated|claimed|needed|shown.*|in\s+.*)",
    rf"(?:hence|thus|therefore|so)\s+(?:it\s+is\s+)?{_SHOWN}",
    r"(?:this|that|which)\s+(?:completes|concludes|finishes|ends|was\s+to\s+be|proves|shows|had\s+to\s+be)\b.*",
    r"(?:we|i|one|you)\s+(?:need\s+to\s+|have\s+to\s+|must\s+|can\s+|will\s+|want\s+to\s+|should\s+)?(?:prove|show|verify|demonstrate|establish)\b.*",
    r"(?:to\s+)?(?:prove|show|verify|demonstrate|establish)\b.*",
    rf"(?:the\s+)?{_CLAIM}\s+(?:always\s+)?(?:holds|follows|is\s+(?:thus\s+|hence\s+|therefore\s+)?(?:{_SHOWN}|true|trivial|obvious|clear|evident|immediate))(?:\s+by\s+.*)?",
    rf"(?:the\s+)?(?:{_WRITTEN}\s+)?(?:is\s+)?not\s+{_GIVEN}(?:\s+(?:yet|here))?",
    rf"no\s+(?:(?:explanations?|proofs?|answers?|derivation|unique\s+answer)(?:\s+(?:is\s+|was\s+)?{_GIVEN})?|solutions?\s+(?:is\s+|was\s+)?{_GIVEN})",
    r"(?:the\s+)?(?:answers?|solutions?)\s+(?:may|might|will|can)?\s*var(?:y|ies)|various(?:\s+answers)?|varies",
    r"(?:to\s+be|yet\s+to\s+be)\s+(?:determined|continued|added|done|announced|filled\s+in|confirmed|decided|proved|proven|shown)",
    r"(?:true|clear|obvious|immediate|evident)\s+(?:by|from)\s+.*|(?:clearly|obviously|evidently)(?:\s+true)?",
    r"(?:your|insert|enter|write|put|fill\s+in)\b.*\b(?:answer|solution|here)\b.*",
    r"(?:the\s+|final\s+|correct\s+)*(?:answer|solution|result)",
    r"n\s*\.?\s*/?\s*a\.?|nan|null|nil|(?-i:None)|tb[dcas]|todo|fixme|(?-i:xxx+)|wip|unknown|unsolved|open(?:\s+problem)?|q\.?\s*e\.?\s*d\.?|placeholder|lorem\s+ipsum.*",
    r"(?:answer|solution)?\s*(?:missing|blank|skip|skipped|deleted|removed|redacted|hidden|withheld|unavailable|done|error|unclear|pending)",
    r"undefined\s+answer|not\s*found|[?？]+|[-–—]{2,}|…+|\.{3,}|_{2,}|\*+",
    r"证明略?|证毕|得证|(?:答案|解答|解析|证明|过程)?从?略|(?:见|参见|详见)(?:上|下|解析|证明|解答|图|原文|附件).*|(?:暂)?无(?:答案|解析|解答)|待(?:定|补充?)|答案不唯一|未知",
)
_NOTE = re.compile("|".join(f"(?:{note})" for note in _NOTES), re.IGNORECASE | re.DOTALL)
_AROUND = " \t\r\n.。!！:：;；,，()（）[]【】<>‹›\"'“”‘’*_~{}"


def is_note(text: str) -> bool:
    """True if ``text``, a gold without LaTeX around its words, is a short note that there is no answer."""
    bare = text.strip(_AROUND)
    return len(text) <= 200 and (_NOTE.fullmatch(bare) is not None if bare else text.strip() != "")
