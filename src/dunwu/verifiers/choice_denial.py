"""Is the statement of a choice denied, only supposed, attributed to others, or taken back afterwards?"""

from __future__ import annotations

import regex

_DENIED = regex.compile(
    r"(?:\b(?:false|untrue|doubt|unlikely|impossible|deny|not\s+(?:true|sure|think|believe|say|the\s+case)|never"
    r"|(?:refus|declin|hesitat|fail)(?:e|es|ed|s|ing)?\s+to|reluctant\s+to)|n['’]t\s+(?:think|believe|say|true))"
    r"\s+(?:that\s+)?(?:(?:the|my)\s+)?(?:(?:correct|best|right)\s+)?$|不(?:认为|觉得|是)$",
    regex.IGNORECASE,
)
OPEN_DENIAL = regex.compile(
    r"(?:\b(?:not|never|no|except|excluding|without|but|neither|nor|wrong|incorrect|false|eliminated?|rejected?|out)\b|n['’]t\b|[不非没错]|除)"
    r"[^.!?。！？]*$",
    regex.IGNORECASE,
)
DENIAL = regex.compile(r"(?:(?:is|are|was|can|would)(?:n['’]t)?|can['’]t|cannot|wrong|incorrect|no|not)\b|[不错]|是错", regex.IGNORECASE)
_OTHERS = (
    r"(?:some|people|many|most|others|they|he|she|someone|one|no\s*(?:one|body)|every(?:one|body))\s+(?:\w+\s+)?"
    r"(?:say|think|thought|said|claim|believe|argue|guess|choose|chose|pick|select)(?:e?s|ed)?\s+(?:that\s+)?"
)
_OTHERS_SAY = regex.compile(rf"\b{_OTHERS}(?:option\s+|choice\s+)?$", regex.IGNORECASE)
_SUPPOSED = regex.compile(
    r"\b(?:(?:suppose|supposing|assume|assuming|imagine|pretend|say)\s+(?:that\s+)?"
    rf"|{_OTHERS}"
    r"|unless\b[^.!?\n;]{0,80}"
    r"|if\b(?=[^.!?\n;]{0,80}(?:\bwere\b|\b(?-i:[A-J])\b(?!\s*=)|\b(?:right|correct|true|wrong|false)\b))[^.!?\n;]{0,120})"
    r"(?:(?:the|my)\s+)?(?:(?:correct|best|right)\s+)?$",
    regex.IGNORECASE,
)
_TAKEN_BACK = regex.compile(
    r"\s*[)\]]?\s*\?"
    r"|(?:.{0,1000}?[.!;,:\n—–-])?\s*(?:(?:but|and|yet|though|however),?\s+)?(?:"
    r"(?:it|that|this|which)(?:['’]s|\s+(?:is|was|would\s+be))?\s*(?:not|n['’]t|wrong|incorrect|false|untrue|mistaken|a\s+(?:lie|joke|mistake|trap))"
    r"(?:\s+(?:so|right|true|correct|it|the\s+(?:answer|case)))?\s*(?:[.!,;\n]|$)"
    r"|(?:no|never|wrong|incorrect|false|not\s+really)\s*(?:[.!,;:\n]|$)|no,?\s+wait\b|(?:just\s+)?kidding\b|(?:actually|wait|oops|sorry|correction)\b"
    r"|scratch\s+that\b|strike\s+that\b|on\s+second\s+thought)",
    regex.IGNORECASE | regex.DOTALL,
)


def is_denied(text: str, start: int, end: int) -> bool:
    """True if the words before ``text[start:end]`` deny or only suppose it, or the words after it question it or take it back."""
    before = max(0, start - 120)
    return bool(_DENIED.search(text, max(0, start - 60), start) or _SUPPOSED.search(text, before, start) or _TAKEN_BACK.match(text, end))


def said_by_others(text: str, start: int) -> bool:
    """True if the words before ``start`` attribute what follows to someone other than the speaker (``Nobody would say``)."""
    return bool(_OTHERS_SAY.search(text, max(0, start - 120), start))
