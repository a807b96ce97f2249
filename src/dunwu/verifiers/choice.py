r"""Multiple choice: which of the options A to J does an answer choose?

Accepted, once Unicode compatibility forms (full-width letters) are folded and LaTeX wrappers and bold marks removed: letters alone (``B``,
``(b)``, ``B.``, ``A, C``, ``ABD``), a letter before its text (``B. Paris``) or its reason (``B, because ...``), a statement (``the answer
is (C)``, ``I think it is C``, ``选B``, ``答案是 B``) or a letter on the first or last line (the last of these counts, so an answer may
correct itself), a box with an option in it, and the option's own text if ``data["options"]`` is given.

Wrong: letters offered as alternatives (``B or C``, ``B, maybe C``), different boxes side by side, a letter with another option's text, an
option in the last box and a different one stated after it. A letter in prose (the article ``A``, the pronoun ``I``) is not an answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import regex

from dunwu.text.boxes import find_boxes, offered_boxes
from dunwu.types import Problem, Verdict
from dunwu.verifiers.choice_denial import DENIAL, OPEN_DENIAL, is_denied, said_by_others
from dunwu.verifiers.text.words import compatible, normalise

MAX_LENGTH = 2048
LETTERS = "ABCDEFGHIJ"

_WRAPPER = regex.compile(r"\\(?:text|textbf|mathrm|mathbf|textrm|mathit|operatorname)\s*\{([^{}]*)\}|\*\*([^*]+)\*\*|__([^_]+)__")
_STRUCK = regex.compile(r"<(s|del|strike)>.{0,200}?</\1>|~~[^~\n]{1,200}~~", regex.DOTALL)
_TAG = regex.compile(r"</?[A-Za-z][A-Za-z0-9]{0,9}(?:\s[^<>]{0,100})?/?>")
_QUOTED = regex.compile(r"(?<![\w'’])[\"'“„‘«]+\s?([(\[]?[A-Ja-j][)\]]?\.?)\s?[\"'”’»]+(?![\w])|(?<![\w}\\])\{\s*([A-J])\s*\}")
_NOISE = regex.compile(r"\\[()\[\],;: ]|\\(?:q?quad)\b|\$|`")
# One letter or several, matched without backtracking: hostile text costs linear time.
_OR = r"[/|]|\b(?i:or|maybe|perhaps|possibly|alternatively)\b|或者?是?|还是|也?可能是?"
_JOIN = rf"(?:[\s,，、;；&+]|\b(?i:and)\b|和|与|以及|{_OR}){{0,6}}+"
_THE_LETTER_I = r"I(?![a-z'’]|\s+(?:think|believe|guess|suppose|would|will|am|say|choose|pick|know|go|feel|have|had|did|do|can)\b)"
_LETTER = rf"[(\[【]?+\s*+(?:(?i:option|choice)\s++[(\[]?+|选项)?+(?:[A-HJ](?![a-z])|{_THE_LETTER_I}|[a-j](?![A-Za-z]))(?:\s*+[)\]】])?+"
_GROUP = rf"{_LETTER}(?:{_JOIN}{_LETTER}){{0,19}}+"
_ALONE = regex.compile(
    rf"(?:[-–—→>#*=⇒⟹➔➜∴•]{{1,6}}+\s)?+(?:(?i:option|choice|answer)\s*[:–—-]?\s*|选项|答案?[:：]?\s*|选择?)?({_GROUP})[\s.。,，:：;!！?)]*"
)
_LABELLED = regex.compile(r"[(\[【]?\s*([A-J])\s*(?:[)\]】]\s*[.:：、]?|[.:：、]|\s[-–—]\s)\s*(\S.*)", regex.DOTALL)
_DENIED_BEHIND = (
    r"(?!\s*(?i:\w+(?:n['’]t|not)\b|(?:is|are|was|were|seems?|looks?|(?:must|would|should|has\s+to)\s+be|can|could|would|should|will|does|has\s+been)"
    r"\s+(?:\w+\s+)?(?:not|never|wrong|incorrect|false|untrue|ruled|eliminated|excluded|rejected|out|impossible|invalid|hardly)\b))"
)
_TERMINAL = _DENIED_BEHIND + r"(?=\s*(?:[.。,，:：;；!！?)\]]|$|\n|(?i:because|since|as|for|which)\b|\p{Han}|(?<=[)\]】])))"
_STATEMENT = regex.compile(
    r"(?:(?i:(?<!\b(?:wrong|incorrect|worst|false|bad|invalid|rejected|eliminated|other|not\s+the|not\s+my)\s+)"
    r"\b(?:answers?|ans\b\.?|choice|option|letter|pick|guess)\s*(?:['’]s\b|(?:here\s+)?(?:is|are|has\s+to\s+be)|(?:should|must|would)\s+be|to\s+be\b|[:：=–—-]))"
    r"|(?:答案|选项|正确的?|应)(?:应该?)?(?:是|为|选择?)?\s*[:：]?)"
    rf"\s*[:：]?\s*(?i:(?:either|both|probably|most\s+likely|clearly|definitely|therefore|thus|then|option|choice)\s+)*({_GROUP}){_TERMINAL}"
)
_NAMED = regex.compile(
    r"(?<!\b(?i:nor|not|neither|or|than|and|if|whether|unless|why)\s)\b([A-J])\s+(?i:is\s+(?:the|my)\s+(?:(?:correct|right|best|final)\s+)?(?:answer|choice|option))\b"
)
# Capital letters only: "I think it is a ..." is prose.
_CAPITALS = rf"(?!\s*[(\[【]?\s*[a-j])({_GROUP})"
_OPINION = regex.compile(
    r"(?:(?<!not\s)(?<!n't\s)(?<!n’t\s)\b(?i:choose|pick|select|go(?:ing)?\s+(?:with|for)|opt\s+for|settle\s+on|say)(?:\s+(?i:option))?"
    r"|(?<!not\s)(?<!n't\s)(?<!n’t\s)\b(?i:think|believe|guess|suppose|say|conclude)\s+(?i:that\s+)?(?i:it(?:['’]s|\s+is|\s+must\s+be|\s+should\s+be|\s+has\s+to\s+be))"
    r"|(?:^|[.!?,;\n]\s*)(?i:(?:so|thus|hence|therefore|in\s+conclusion|finally),?\s+)?(?i:it(?:['’]s|\s+is|\s+must\s+be|\s+should\s+be|\s+has\s+to\s+be))"
    r"|(?:^|[.!?,;\n]\s*)(?i:so|thus|hence|therefore|conclusion|finally|definitely|clearly|obviously|surely|probably)\s*[,:]?"
    r"|(?<!not\s)(?<!n't\s)(?<!n’t\s)\b(?i:think|believe|guess|suppose)(?i:\s+that)?\s"
    r"|(?<!not\s)(?<!n't\s)(?<!n’t\s)\b(?i:sure|confident|certain|clear)\s+(?i:that\s+)?(?i:it(?:['’]s|\s+is))"
    r"|(?i:not)\s+[(]?[A-J][)]?\s*,?\s+(?i:but)\s"
    r"|\b(?i:is|to|fits|matches|means|namely)\s+(?i:option|choice)\s"
    r"|(?<![不没非别])选择?|(?<![不没非])(?:认为|觉得)(?:应该)?(?:是|为|选))"
    rf"\s*[:：]?\s*(?i:(?:probably|most\s+likely|clearly|definitely|option|choice)\s+)*{_CAPITALS}(?:\s+is\s+(?:right|correct)\b|{_TERMINAL})"
)
_IS_RIGHT = regex.compile(
    rf"({_GROUP})\s*(?:(?i:is|are|would\s+be|must\s+be)\s+(?i:(?:the|my)\s+)?(?i:correct|right|answer|best|most\s+likely)|(?:项|选项)?(?:是|为)?(?:正确|对))"
    r"(?P<rest>.{0,200})",
    regex.DOTALL,
)
_FITS = regex.compile(
    rf"(?:^|[.!?,;\n]\s*)(?i:(?:so|thus|hence|therefore),?\s+)?(?:(?i:only)\s+{_CAPITALS}\s+(?i:is|are)\s+(?i:right|correct|true|possible|valid)"
    rf"|(?:(?i:only)\s+)?{_CAPITALS}\s+(?i:fits?|works?|holds?|remains?|appl(?:y|ies)|match(?:es)?|satisf(?:y|ies)|makes?\s+sense|it\s+is|is\s+left"
    rf"|seems?\s+(?:right|correct|best)|is\s+the\s+(?:only|best|right|correct)\s+one))(?:\s+(?i:best|everything|all\s+conditions|here|that\s+fits))?\s*(?=[.!]|$|\n)"
)
_MINE = regex.compile(rf"({_GROUP})\s*[,，(—–-]?\s*I\s+(?:think|believe|guess|suppose|would\s+say|am\s+(?:quite\s+)?sure)\s*[.!)]*")
_REASONED = regex.compile(rf"({_GROUP})\s*[,，;；:：.。(—–-]?\s*(?:(?i:because|since|as|given|due)\b|因为|由于).*", regex.DOTALL)
_BESIDE_TEXT = regex.compile(r"[(\[]?([A-J])[)\]]?\W+(\S.*)", regex.DOTALL)
_SAID = regex.compile(r"(?i:^.*\b(?:answer|choice|option)\s*(?:is|[:：])\s*|^.*(?:答案|选)(?:是|为|[:：])\s*)", regex.DOTALL)
_HEDGE = regex.compile(
    r"(?:\b(?i:or|maybe|perhaps|possibly|alternatively)\b|也?可能|或者?|还是)\W{0,5}"
    rf"(?:\b(?:(?i:it(?:['’]s)?|is|be|also|even)|是)\b\W*){{0,3}}{_LETTER}(?!\w)"
)
_LINE = regex.compile(r"(?m)\S[^\n]*+")
_ONE = regex.compile(r"(?i:option|choice|answer|and)|[A-Ja-j]")


def verify_choice(problem: Problem, answer: str) -> Verdict:
    """Check that ``answer`` chooses exactly the options of ``problem.answer`` (``"B"``; ``"AC"``, ``"A, C"``: all of them, in any order).

    With ``data["options"]``, a list of texts or a mapping from letters to texts, an answer may give the text, and other letters are wrong.
    Raises `ValueError` if the gold is not a letter, or not one of the options.
    """
    options = _options(problem.data.get("options"))
    gold = _gold(problem.answer or "", options)
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, "unparsable", f"{len(answer)} characters, at most {MAX_LENGTH}")
    chosen, problem_with_it = _answered(answer, options)
    if not chosen:
        return Verdict(0.0, "wrong" if problem_with_it else "unparsable", problem_with_it or "no option")
    return Verdict(1.0, "correct") if chosen == gold else Verdict(0.0, "wrong", f"chooses {''.join(sorted(chosen))}")


def _gold(answer: str, options: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The letters of a gold: letters alone, or one letter before its text (``(B) 12``), as in some data sets."""
    letters = frozenset(regex.findall(rf"[{LETTERS}]", answer.upper()))
    if not regex.fullmatch(rf"[{LETTERS}\s,;、]+", answer.upper()):
        plain = _plain(answer)
        labelled = _ALONE.fullmatch(plain) or _LABELLED.fullmatch(plain)
        letters = _letters(labelled.group(1), options)[0] if labelled else frozenset()
    if not letters or (options and not letters <= options.keys()):
        raise ValueError(f"gold answer {answer[:50]!r}: use letters of the options, such as 'B'")
    return letters


def _answered(answer: str, options: Mapping[str, tuple[str, ...]]) -> tuple[frozenset[str], str]:
    """`_chosen` of the box if it holds an option, otherwise of the text without its boxes."""
    boxes = offered_boxes(answer)
    inside = [_chosen(_plain(box), options) for box in boxes]
    if not any(letters or trouble for letters, trouble in inside):
        return _chosen(_plain(_without_boxes(answer)), options)
    if len(boxes) > 1:
        return frozenset(), "several boxes"
    letters, trouble = inside[0]
    behind = _last_statement(_plain(answer[find_boxes(answer)[-1][1] :]), options)
    if letters and behind and behind[0] and behind[0] != letters:
        return frozenset(), "another option after the box"
    return letters, trouble


def _without_boxes(answer: str) -> str:
    kept, position = list[str](), 0
    for start, end, _ in find_boxes(answer):
        kept.append(answer[position:start])
        position = end
    return "□".join([*kept, answer[position:]])


def _options(given: object) -> dict[str, tuple[str, ...]]:
    """Normalised texts by letter; empty if the problem has none."""
    if given is None:
        return {}
    pairs = given.items() if isinstance(given, Mapping) else zip(LETTERS, given, strict=False) if isinstance(given, list | tuple) else ()
    options = {str(letter).upper(): normalise(str(text)) for letter, text in pairs}
    if not options or not options.keys() <= set(LETTERS):
        raise ValueError(f"options {str(given)[:80]}: use a list of texts, or a mapping of letters {LETTERS[0]}-{LETTERS[-1]} to texts")
    return options


def _plain(text: str) -> str:
    text = _QUOTED.sub(r"\1\2", _TAG.sub(" ", _STRUCK.sub(" ", compatible(text)))).strip()
    for _ in range(3):
        text = _WRAPPER.sub(lambda match: next(group for group in match.groups() if group is not None), text)
    return str(_NOISE.sub(" ", text)).strip()


def _chosen(text: str, options: Mapping[str, tuple[str, ...]]) -> tuple[frozenset[str], str]:
    """The chosen letters, or none and what is wrong with them (empty if nothing was found)."""
    if match := _ALONE.fullmatch(text):
        return _letters(match.group(1), options)
    if (match := _LABELLED.fullmatch(text)) and not _LABELLED.search(match.group(2)):
        return _labelled(match.group(1), match.group(2), options)
    if found := _last_statement(text, options):
        return found
    for pattern in (_IS_RIGHT, _MINE, _REASONED):
        if match := pattern.fullmatch(text):
            if _HEDGE.search(text, match.end(1)):
                return frozenset(), "alternatives"
            rest = match.start("rest") if "rest" in pattern.groupindex else match.end()
            return (frozenset(), "taken back") if is_denied(text, 0, rest) else _letters(match.group(1), options)
    if (match := _BESIDE_TEXT.fullmatch(text)) and options.get(match.group(1)) == normalise(match.group(2)):
        return frozenset(match.group(1)), ""
    said = normalise(_SAID.sub("", text).strip(" .。"))
    named = frozenset(letter for letter, option in options.items() if option and option in (said, normalise(text)))
    return (named, "") if len(named) == 1 else (frozenset(), "")


def _last_statement(text: str, options: Mapping[str, tuple[str, ...]]) -> tuple[frozenset[str], str] | None:
    """The letters of the last statement or letter line, else of the last opinion; ``None`` if there is none."""
    found = [*_stated(_STATEMENT, text), *_stated(_NAMED, text), *_own_lines(text)] or [*_stated(_OPINION, text), *_stated(_FITS, text)]
    if not found:
        return None
    _, end, group = max(found)
    return (frozenset(), "alternatives") if _HEDGE.search(text, end) else _letters(group, options)


def _stated(pattern: regex.Pattern[str], text: str) -> list[tuple[int, int, str]]:
    """``(start, end of the letters, letters)`` of each match that is not denied."""
    matches = [match for match in pattern.finditer(text) if not is_denied(text, match.start(), match.end())]
    groups = [(match, next(number for number, group in enumerate(match.groups(), 1) if group)) for match in matches]
    return [
        (match.start(), match.end(number), match.group(number)) for match, number in groups if not said_by_others(text, match.start(number))
    ]


def _own_lines(text: str) -> list[tuple[int, int, str]]:
    """The letter on the first or last line, if no other line is a different letter: ``(start, end, letter)``.

    Not counted if the line before it starts a denial or the line after it is one.
    """
    lines = [(match.start(), match.group().rstrip()) for match in _LINE.finditer(text)]
    alone = {place: match for place, (_, line) in enumerate(lines) if (match := _ALONE.fullmatch(line))}
    if len(lines) < 2 or len({match.group(1).strip(" ()[]【】").upper() for match in alone.values()}) != 1:
        return []
    outer = [place for place in (0, len(lines) - 1) if place in alone]
    denied = {0: DENIAL.match(lines[1][1]), len(lines) - 1: OPEN_DENIAL.search(lines[-2][1])}
    return [(lines[at][0], lines[at][0] + alone[at].end(1), alone[at].group(1)) for at in outer if not denied[at]]


def _letters(group: str, options: Mapping[str, tuple[str, ...]]) -> tuple[frozenset[str], str]:
    if regex.search(_OR, group):
        return frozenset(), "alternatives"
    found = [letter.upper() for letter in _ONE.findall(group) if len(letter) == 1]
    letters = frozenset(found)
    if len(letters) < len(found):
        return frozenset(), "a letter twice"
    if options and not letters <= options.keys():
        return frozenset(), "no such option"
    return letters, ""


def _labelled(letter: str, text: str, options: Mapping[str, tuple[str, ...]]) -> tuple[frozenset[str], str]:
    """``B. Paris``: the text must not belong to another option or offer another letter."""
    said = normalise(text)
    if _HEDGE.search(text) or (_ALONE.fullmatch(bare := text.lstrip(" .…-–—→>=")) and letter not in _ONE.findall(bare)):
        return frozenset(), "alternatives"
    if options and letter not in options:
        return frozenset(), "no such option"
    if any(option == said and other != letter for other, option in options.items()) and options.get(letter) != said:
        return frozenset(), "a letter beside another option's text"
    return frozenset({letter}), ""
