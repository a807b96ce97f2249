"""Detects a text's language by script, word by word, without a dictionary or a model.

What is not a word of any language is ignored: code, formulas, tags and addresses (`dunwu.text.words.prose`), numbers, identifiers,
single letters, which name variables (``x``, ``B``) unless they are words (``a`` and ``I`` in English), and Greek in other languages.

A text in a script other than Latin may contain Latin tokens that have no better spelling. These are ignored too: names of units and
functions (``cm``, ``sin``), and, in runs of up to three words, capitals (``AB``, ``DNA``) and names (``Alice``, ``Isaac Newton``).
Common English words (``Wait``, ``So``) do not count as names, and names are not ignored if they outnumber the target's words. Everything
else in a script of another language counts against the target.

Not distinguished: languages of one script (English and French, traditional and simplified Chinese). Not seen: text in code or formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import regex

from dunwu.text.words import TOKEN, prose, tokens

LANGUAGES: dict[str, tuple[str, ...]] = {
    "en": ("Latin",),
    "zh": ("Han", "Bopomofo"),
    "ja": ("Hiragana", "Katakana", "Han"),
    "ko": ("Hangul",),
    "ru": ("Cyrillic",),
    "ar": ("Arabic",),
    "hi": ("Devanagari",),
    "th": ("Thai",),
    "el": ("Greek",),
    "he": ("Hebrew",),
    "bn": ("Bengali",),
    "ta": ("Tamil",),
    "te": ("Telugu",),
    "ka": ("Georgian",),
    "hy": ("Armenian",),
    "am": ("Ethiopic",),
    "km": ("Khmer",),
    "lo": ("Lao",),
    "my": ("Myanmar",),
    "bo": ("Tibetan",),
    **dict.fromkeys(("de", "fr", "es", "it", "pt", "nl", "pl", "cs", "sv", "da", "fi", "tr", "vi", "id"), ("Latin",)),
    **dict.fromkeys(("uk", "bg"), ("Cyrillic",)),
    **dict.fromkeys(("fa", "ur"), ("Arabic",)),
    **dict.fromkeys(("mr", "ne"), ("Devanagari",)),
}
"""Scripts by ISO 639-1 code. `majority_language` returns the first of several languages that share a script."""

ALPHABETS = frozenset({"Latin", "Greek", "Cyrillic"})
"""Scripts whose single letters name variables."""

ONE_LETTER_WORDS = {
    "en": "aAI",
    "fr": "aàyAÀY",
    "es": "aeouyAEOUY",
    "it": "aeioèAEIOÈ",
    "pt": "aeoàéAEOÀÉ",
    "pl": "aiouwzAIOUWZ",
    "cs": "aikosuvzAIKOSUVZ",
    "sv": "iåöIÅÖ",
    "da": "iåIÅ",
    "ru": "авикосуяАВИКОСУЯ",
    "uk": "аеівзйоуяАЕІВЗЙОУЯ",
    "bg": "авеикосуяАВЕИКОСУЯ",
    "el": "ηοΗΟ",
}

NAME_WORDS = 3
CAPITALS = 6
_NOTATION = frozenset(
    tokens(
        "sin cos tan cot sec csc arcsin arccos arctan log ln lg exp max min mod gcd lcm lim det deg "
        "mm cm dm km ms kg mg ml kb mb gb hz khz mhz kw kwh ph rad pm am"
    )
)
_NO_NAMES = frozenset(
    tokens(
        # Words that start sentences.
        "a about above according after again all also although always an and another answer any are as assume at be because been "
        "before below both but by calculate can check compute consider could did different do does done each either else equation "
        "even every everything example exactly explain few final finally find first following for from further get given go going "
        "good great had half has have he hence her here his hold how however if in indeed instead interesting into is it its just "
        "keep know last later left let like list look made make many maybe me mean means more most much must my need neither never "
        "new next no none nor not note nothing now number of off often on once one only or other our out over people perhaps please "
        "possible problem question really recall remember result right same say second see set she should similarly simple simply "
        "since so solution some something step still such sum suppose sure take than that the their them then there therefore these "
        "they thing think third this those three through thus time to today together too total try two under understand until up use "
        "using value verify very wait was way we well were what whatever when where whether which while who whose why with without "
        "word work would write wrong year yes yet you your "
        # Interjections and greetings.
        "actually ah aha alas alright anyway bye cheers congratulations damn exactly goodbye gosh ha haha hello hey hi hm hmm hooray "
        "huh hurray nah nice nope oh oho ok okay oops ouch phew sorry thank thanks ugh uh um welcome whoa wow yay yeah yep yo yup "
        # Abbreviations of such words.
        "afaik aka asap btw etc faq fyi idk ie eg imho imo irl lmao lol nb np omg pls ps qed rofl tba tbd tbh thx todo ttyl vs wtf"
    )
)
_IDENTIFIER = regex.compile(r"[\p{N}_]")
_SAME_RUN = regex.compile(r"[\s.·-]*+")
_SCRIPTS = tuple(
    (script, regex.compile(rf"\p{{{script}}}")) for script in dict.fromkeys(script for scripts in LANGUAGES.values() for script in scripts)
)


def language_share(text: str, language: str) -> float | None:
    """The share of the words of ``text`` that are in ``language``, from 0 to 1; ``None`` if no word counts.

    Raises `KeyError` for a language not in `LANGUAGES`.
    """
    scripts = LANGUAGES[language]
    inside = outside = names = 0
    for run in _runs(text):
        named = sum(len(word) > 1 for word, _ in run) <= NAME_WORDS and all(_may_be_name(word) for word, _ in run)
        for word, script in run:
            if script in ALPHABETS and len(word) == 1 and word not in ONE_LETTER_WORDS.get(language, ""):
                continue
            if script in scripts:
                inside += 1
            elif script == "Latin" and named and word.lower() not in _NOTATION:
                names += 1
            elif script != "Greek" and not (script == "Latin" and word.lower() in _NOTATION):
                outside += 1
    if names > inside:
        outside += names
    return inside / (inside + outside) if inside + outside else None


def majority_language(text: str) -> str | None:
    """The language of most words of ``text``; ``None`` without words. Han next to kana is Japanese."""
    found: dict[str, int] = {}
    for run in _runs(text):
        for word, script in run:
            if script and not (script in ALPHABETS and len(word) == 1):
                found[script] = found.get(script, 0) + 1
    if "Hiragana" in found or "Katakana" in found:
        found["Hiragana"] = sum(found.pop(script, 0) for script in LANGUAGES["ja"])
    if not found:
        return None
    return next(code for code, scripts in LANGUAGES.items() if max(found, key=found.__getitem__) in scripts)


def _runs(text: str) -> Iterator[list[tuple[str, str]]]:
    """Words with their scripts, grouped into runs of one script separated only by spaces, full stops and hyphens."""
    text = prose(text)
    run: list[tuple[str, str]] = []
    end = 0
    for match in TOKEN.finditer(text):
        word = match.group()
        if _IDENTIFIER.search(word):
            continue
        script = script_of(word[0])
        if run and (script != run[-1][1] or not _SAME_RUN.fullmatch(text, end, match.start())):
            yield run
            run = []
        run.append((word, script))
        end = match.end()
    if run:
        yield run


def _may_be_name(word: str) -> bool:
    """True for capitals, a capitalised word or a single letter, unless it is a common English word."""
    if len(word) == 1:
        return True
    return word[0].isupper() and (not word.isupper() or len(word) <= CAPITALS) and word.lower() not in _NO_NAMES


@lru_cache(maxsize=8192)
def script_of(character: str) -> str:
    """The Unicode script of a letter; empty if no language in `LANGUAGES` uses it."""
    return next((script for script, pattern in _SCRIPTS if pattern.match(character)), "")
