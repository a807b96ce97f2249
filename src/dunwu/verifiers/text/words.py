r"""The words, numbers and symbols of a text, in order.

Signs, operators, currencies, percent and degree signs, ``+``, ``#``, exponents and emoji count (``-5`` is not ``5``, ``-x`` is not ``x``,
``C++`` is not ``C``); sentence punctuation, quotation marks, brackets, bullets and emphasis do not. A hyphen inside a word separates;
between numbers and right before a word, number, symbol or bracket it is a minus sign. A comma groups thousands or belongs to the number
(``1,000`` is ``1000``, ``1,5`` is not ``15``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import regex

from dunwu.text.words import UNSPACED, tokens

_UNSPACED = "".join(rf"\p{{{script}}}" for script in UNSPACED)
_LETTERS = rf"[[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]*+"
_TOKEN = regex.compile(
    rf"[{_UNSPACED}][\p{{M}}ー]*+|\p{{Nd}}++(?:[.,]\p{{Nd}}++)*+{_LETTERS}|(?<![\p{{L}}\p{{N}}.])\.(?=\p{{L}})"
    rf"|[[\p{{L}}\p{{N}}_]--[{_UNSPACED}]]{_LETTERS}(?:['’](?=\p{{L}}){_LETTERS})*+|[\p{{S}}%#@&*/\\‰‱′″§!]",
    regex.VERSION1,
)
_D = "[-‐‑‒–]"
_MONEY = "[$€£¥]"
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_APART = (
    (regex.compile(r"[™®©℠\p{Cf}\uFE0E\uFE0F]"), ""),
    (regex.compile(r"(?<=[.,;:!?\"'”’»])[⁰¹²³⁴⁵⁶⁷⁸⁹]++"), " "),  # a footnote
    (regex.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ]++"), lambda match: "^" + match.group().translate(_RAISED)),
    (regex.compile(r"(?<=\p{Nd})[₀-₉]++"), lambda match: "_" + match.group().translate(_LOWERED)),
    (regex.compile(r"(?<=\p{Nd})(?=[¼-¾⅐-⅞])"), " "),
    (regex.compile(r"(?<=\p{Nd})º"), "°"),
)
_NUMBERS = tokens(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen "
    "twenty"
)
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_NUMBERS)}
# Every repetition is bounded or possessive: hostile text costs linear time.
_SIGNS = (
    # A hyphen right before a word, symbol or bracket is a minus sign (-x, -log n, -$x$, -(5)): a bullet is followed by a space.
    (regex.compile(rf"(?<![^\s(\[{{=<>≤≥~≈^*/×:∶,;|\"'“$+−∞]){_D}(?=[\p{{L}}\p{{S}}$(\[{{\\*|])(?!>)"), "−"),
    (regex.compile(rf"(?<=[=<>≤≥~≈^*/×(]\s{{0,2}}){_D}(?=\s{{0,2}}[\p{{L}}\p{{S}}$(\[{{\\|)])(?!>)"), "−"),
    (regex.compile(rf"(?<=(?:(?<![\p{{L}}\p{{N}}])\p{{L}}|[\p{{N}}\])}}∞])\s{{0,2}}){_D}(?=\s{{0,2}}[(\[{{\\√∞π])"), "−"),
    (regex.compile(rf"(?i)^\s{{0,9}}{_D}(?=\s{{1,2}}(?:{'|'.join(_NUMBERS)}|∞)(?![\p{{L}}\p{{N}}]))"), "−"),
    (regex.compile(r"(?<![^\s(\[{=<>^*/×:,;|&\"'“$+−¬])!(?=[\p{L}(\[{\\$])"), "¬"),
    (regex.compile(r"(?<![\p{L}\p{N})\]}])!="), "≠"),
)
_PLAIN = (
    *_SIGNS,
    (regex.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|operatorname|emph|boxed)\s?\{([^{}]{0,400}+)\}"), r"\1"),
    (regex.compile(r"\\[()\[\],;: ]|\\q?quad\b"), " "),
    (regex.compile(r"\\!"), ""),
    (regex.compile(r"(?<![\\$])\$(?=[^\s$])([^$\n]{1,300}?)(?<=[^\s\\])\$(?!\p{Nd})"), r" \1 "),
    (regex.compile(r"\\([%$#&_])"), r"\1"),
    (regex.compile(r"(?<![\p{L}\p{N}*])(\*{1,3}+)(?=[^\s*])([^*\n]{1,400}+)(?<=\S)\1(?![\p{L}\p{N}*])"), r"\2"),
    (regex.compile(r"(?m)^\s*+(?:\*|#{1,6}+)\s++(?=\p{L})"), ""),
    (regex.compile(r"[`´¨]"), " "),
    (regex.compile(r"⁄"), "/"),
    (regex.compile(r"(?<=(?<![\p{L}\p{N}'‘’])\p{L})['’](?![\p{L}\p{N}])"), "′"),
    (regex.compile(r"百分之\s?(\p{Nd}++(?:\.\p{Nd}++)?)"), r"\1%"),
    (regex.compile(r"负\s?(?=\p{Nd})"), "−"),
    (regex.compile(r"(?i)\b(?:minus|negative)\s(?=\.?\p{Nd})"), "−"),
    (regex.compile(r"(?i)(?<=\p{Nd})\s?(?:percent|per cent|pct)\b\.?"), "%"),
    (regex.compile(r"(?<![\p{L}\p{N}.,])\.(?=\p{Nd})"), "0."),
    (regex.compile(r"(?<=\p{Nd})( ?):\1(?=\p{Nd})"), "∶"),
    (regex.compile(r"(?<=\p{Nd})\s?[·⋅∙•]\s?(?=\p{Nd})"), "*"),
    # Initials: U.S.A. and U. S. A., S-O-S, a.m. are USA, SOS, am.
    (regex.compile(r"(?<![\p{L}\p{N}-])\p{Lu}(?:-\p{Lu}){2,40}+(?![\p{L}\p{N}-])"), lambda match: match.group().replace("-", "")),
    (
        regex.compile(
            r"(?<![\p{L}\p{N}.])(?:(?:\p{Lu}\.){1,20}\p{Lu}\b|\p{Lu}(?:\.\s?\p{Lu}){1,20}\.|\p{Ll}(?:\.\p{Ll}){1,20}\.|[ap]\. ?m\.)"
            r"(?![\p{L}\p{N}])"
        ),
        lambda match: regex.sub(r"[.\s]", "", match.group()),
    ),
    # Hyphens that are minus signs: between numbers, before one, between or after single letters (x-y, the grade A-).
    (regex.compile(rf"(?<=[\p{{Nd}}%]\s{{0,2}}){_D}(?=\s{{0,2}}{_MONEY}?[.\p{{Nd}}])"), "−"),
    (regex.compile(rf"(?<![^\s(\[{{=<>≤≥~≈^*/×:∶,;\"'“$€£¥+−]){_D}(?={_MONEY}?\.?\p{{Nd}})"), "−"),
    (regex.compile(rf"(?<=\p{{Nd}}[eE]){_D}(?=\p{{Nd}})"), "−"),
    (regex.compile(rf"(?<=(?:^|[=<>≤≥~≈^*/×(])\s{{0,2}}){_D}(?=\s{{1,2}}{_MONEY}?\p{{Nd}})"), "−"),
    (regex.compile(rf"(?<=(?<![\p{{L}}\p{{N}}])\p{{L}}\s{{0,2}}){_D}(?=\s{{0,2}}(?:\p{{Nd}}|\p{{L}}(?![\p{{L}}\p{{N}}'’])))"), "−"),
    (regex.compile(rf"(?<=\p{{Nd}}\s{{0,2}}){_D}(?=\s{{0,2}}\p{{L}}(?![\p{{L}}\p{{N}}'’]))"), "−"),
    (regex.compile(rf"(?<=(?<![\p{{L}}\p{{N}}])\p{{L}}[\p{{L}}\p{{N}}]?\+?){_D}(?=\s|$|[.,;:!?)\]}}\"'”’])"), "−"),
)
_ARTICLES = frozenset({"a", "an", "the"})
_GROUPED = regex.compile(r"(?<![^−])[1-9]\p{Nd}{0,2}(?:,\p{Nd}{3})++(?![,\p{Nd}])")
_LISTED = regex.compile(r"\p{Nd}++(?:,\p{Nd}++){2,}+")
_FACTORIAL = regex.compile(r"(?:\p{Nd}|(?<![\p{L}\p{N}])\p{L})!")
_SYMBOL = regex.compile(r"[^\p{L}\p{N}_]")
_ZEROS = regex.compile(r"(?<=^\p{Nd}+)\.0+$")
_CURRENCY = regex.compile(r"\p{Sc}")


def normalise(text: str, number_words: bool = True, factorials: bool = False) -> tuple[str, ...]:
    """Words, numbers and symbols in order, without accents, case, articles, punctuation and thousands separators.

    ``factorials``: an exclamation mark after a number or a single letter is a factorial; otherwise it ends a sentence.
    """
    found = [_merged(token) for token in _TOKEN.findall(_plain(text, factorials))]
    words = [token for place, token in enumerate(found) if not _is_article(found, place)]
    flat = [part for word in words for part in _parts(word.casefold())]
    if number_words:
        flat = [_NUMBER_WORDS.get(token, token) for token in flat]
        flat = ["−" if _says_minus(flat, place) else token for place, token in enumerate(flat)]
    return tuple(_money_first(flat))


def compatible(text: str) -> str:
    """Unicode's compatibility forms (full-width letters), without joining ``5²`` to ``52`` and ``1½`` to ``11/2`` as they would."""
    for pattern, replacement in _APART:
        text = pattern.sub(replacement, text)
    return unicodedata.normalize("NFKC", text)


def has_factorial(text: str) -> bool:
    """True if ``text`` contains ``5!`` or ``n!``."""
    return _FACTORIAL.search(text) is not None


def is_symbol(token: str) -> bool:
    """Neither a word nor a number."""
    return _SYMBOL.match(token) is not None


def is_operator(token: str) -> bool:
    """True for a symbol that changes its neighbour, such as ``-``, ``%`` and ``$``, but not an emoji."""
    return is_symbol(token) and (unicodedata.category(token[0]) != "So" or token == "°")


def _plain(text: str, factorials: bool) -> str:
    text = compatible(text)
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    # An overlay (≠) and marks of kana and Indic letters make a different letter; all other marks are accents.
    decomposed = unicodedata.normalize("NFD", text)
    text = unicodedata.normalize("NFC", "".join(c for c in decomposed if unicodedata.combining(c) in (0, 1, 7, 8, 9)))
    return text if factorials else text.replace("!=", "≠").replace("!", " ")


def _merged(token: str) -> str:
    """``token`` without a possessive ending and thousands separators."""
    token = token.replace("’", "'")
    token = token[:-2] if token.endswith(("'s", "'S")) else token
    return str(_GROUPED.sub(lambda match: match.group().replace(",", ""), token))


def whole_number(words: tuple[str, ...]) -> tuple[str, ...]:
    """A lone whole number without zeros after the point: ``3.0`` is ``3``; ``3.10`` may be a version and is not ``3.1``."""
    alone = len(words) == 1 or (len(words) == 2 and words[0] == "−")
    return (*words[:-1], _ZEROS.sub("", words[-1])) if alone else words


def _is_article(found: list[str], place: int) -> bool:
    """``a``, ``an`` or ``the`` before a word; a capital ``A`` before a small letter is a name (``vitamin A is``)."""
    token, after = found[place], found[place + 1] if place + 1 < len(found) else ""
    if token.casefold() not in _ARTICLES or not after or is_symbol(after):
        return False
    return token != "A" or place == 0 or not after[0].islower()


def _parts(token: str) -> list[str]:
    """``1,2,3`` is a list; ``&`` a word."""
    if _LISTED.fullmatch(token):
        return token.split(",")
    return ["and" if token == "&" else token]


def _says_minus(words: list[str], place: int) -> bool:
    """``minus five``."""
    return words[place] in ("minus", "negative") and words[place + 1 : place + 2] != [] and words[place + 1].isdecimal()


def _money_first(words: list[str]) -> Iterator[str]:
    """``5 €`` and ``$-5`` as ``€5`` and ``-$5``."""
    found = list(words)
    for place, word in enumerate(words):
        if not _CURRENCY.fullmatch(word):
            continue
        before, after = found[place - 1] if place else "", found[place + 1] if place + 1 < len(found) else ""
        if after == "−":
            found[place], found[place + 1] = after, word
        elif before[:1].isdecimal() and not after[:1].isdecimal():
            found[place - 1], found[place] = word, before
    yield from found
