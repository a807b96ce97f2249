r"""Unify spellings of maths: LaTeX, Unicode and plain text become short marks that the readers split and parse.

After `clean`: ``⦃ ⦄`` are set braces, ``‹ ›`` enclose words (``\text{...}``), ``¶`` ends a row of a matrix, ``±∓≤≥≠≈∪∖∈°%…`` stand for
their commands, ``⋁`` and ``⋀`` for *or* and *and* between formulas, ``*`` and ``/`` for all products and quotients. Any other character
that is not ASCII stays, and no reader accepts it. ``\text{}`` is ignored if its content is not a word: ``\text{17}`` is 17, and
``5\text{/6}`` is 5/6.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from dunwu.verifiers.math.decimals import fractions_for_repeating_decimals

_FUNCTION_NAMES = (
    "sin cos tan cot sec csc sinh cosh tanh coth sech csch arcsin arccos arctan arccot arcsec arccsc asin acos atan "
    "arcsinh arccosh arctanh arsinh arcosh artanh log ln lg exp sqrt"
)
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {0x3000: " ", ord("。"): ".", ord("、"): ","}
_COMMANDS = "pi sqrt infty emptyset theta alpha beta lambda mu phi omega angle triangle lfloor rfloor lceil rceil"
_SPELLINGS = {
    **dict(zip("−–—×·⋅∗÷⁄⩽⩾≒⟨⟩∣’‘′″º\u00a0", "---****//≤≥≈()|'''\"° ", strict=True)),
    **{mark: rf"\{name} " for mark, name in zip("π√∞∅θαβλμφω∠△⌊⌋⌈⌉", _COMMANDS.split(), strict=True)},
    **{mark: rf"\mathbb{{{letter}}}" for mark, letter in zip("ℝℤℕℚ", "RZNQ", strict=True)},
    **{m: rf"\frac{{{top}}}{{{bottom}}}" for m, top, bottom in zip("½¼¾⅓⅔⅛⅜⅝⅞⅕⅖⅗⅘⅙⅚", "113121357123415", "244338888555566", strict=True)},
    **{mark: rf"^{{{digit}}}" for digit, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{mark: rf"_{{{digit}}}" for digit, mark in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **dict(zip("∛∜⁻₋℃℉", (r"\sqrt[3] ", r"\sqrt[4] ", "^-", "_-", r"\text{°C}", r"\text{°F}"), strict=True)),
}
_UNICODE = str.maketrans({**dict.fromkeys('⦃⦄‹›¶⋁⋀✓✔✅\u200b\u2060\ufeff"“”`€£¥￥₹'), **_SPELLINGS})
_WORD_MACRO = r"\\(?:text|mbox|hbox|textbf|textit|textrm|textnormal|texttt|textsf|emph|mathrm|mathbf|mathit|mathsf|operatorname\*?|rm)"
_WORDS = re.compile(_WORD_MACRO + r"\s*\{([^{}]*)\}")
_ONE_LETTER_UNITS = "mshgtLJNKVWCF"
_RELATION = re.compile("[=<>≤≥≠∈]")
_FINAL_COLON = re.compile(r"(?<![0-9])[ .,;:]+\Z")
_COMBINATIONS = re.compile(
    r"(?<![A-Za-z0-9\\])(?:C ?\( ?([0-9]{1,4}) ?, ?([0-9]{1,4}) ?\)|(?:\{ ?\} ?)?[_^] ?\{? ?([0-9]{1,4}) ?\}? ?C ?_ ?\{? ?([0-9]{1,4}) ?\}?"
    r"|C ?_ ?\{? ?([0-9]{1,4}) ?\}? ?\^ ?\{? ?([0-9]{1,4}) ?\}?|([0-9]{1,4}) ?C ?([0-9]{1,4}))(?![0-9A-Za-z])"
)
_OUTWARD = re.compile(r"((?:\A|(?<=[∪∈∉∖=]))\s*)([\[\]])([^\[\]]{1,60}[,;][^\[\]]{1,60})([\[\]])(?=\s*(?:\Z|[∪∖,.]))")
"""``]1,5[``: a bracket turned outward marks an open end."""
_LENGTHS = "m|cm|mm|km|ft|in|yd|(?:centi|kilo|milli)?met(?:er|re)s?|feet|foot|inch(?:es)?|yards?|miles?"
_LETTER_COMBINATIONS = re.compile(
    r"(?<![A-Za-z0-9\\])(?:C ?\( ?([a-z](?:[+-][0-9])?) ?, ?([a-z0-9]) ?\)|(?:\{ ?\} ?)?[_^] ?\{? ?([a-z]) ?\}? ?C ?_ ?\{? ?([a-z0-9]) ?\}?"
    r"|C ?_ ?\{? ?([a-z]) ?\}? ?\^ ?\{? ?([a-z0-9]) ?\}?)(?![0-9A-Za-z])"
)
MAX_INFIX = 10
_GAP = re.compile(r"(?<![0-9.])\s|\s(?![0-9.])")
_DIRECTIONS = {"N": "north", "S": "south", "E": "east", "W": "west"}
_VECTOR = r"\\(?:vec|mathbf|boldsymbol|bm|overrightarrow|hat)\s*(?:\{\s*([A-Za-z]\w{0,3})\s*\}|([A-Za-z]))"
_CROSS = re.compile(rf"{_VECTOR}\s*(?:\\times(?![A-Za-z])|×)|\)\s*(?:\\times(?![A-Za-z])|×)\s*{_VECTOR}")
_ORDER = r"(?:\^\s*\{?\s*([2-9])\s*\}?)?"
_CHINESE_SCALES = {"百": 2, "千": 3, "万": 4, "百万": 6, "千万": 7, "亿": 8, "万亿": 12}
_CONNECTIVE = re.compile(r"[\s,]*(?:(and|,|;|&|和|且|与)|or|或者?)[\s,]*", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]{2}|[^\W\d_a-zA-Z]")
_OVER = re.compile(r"\\(over|choose)(?![A-Za-z])")


def _dollars(match: re.Match[str]) -> str:
    """``12 dollars and 5 cents`` as ``12.05 dollars``."""
    return f"{match.group(1) or match.group(2)}.{int(match.group(3)):02d} dollars"


_Step = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]
_STEPS: tuple[_Step, ...] = (
    (re.compile(r"\\\\(?:\[[0-9.]+\w+\])?"), "¶"),
    (re.compile(r"(?<=[0-9])(?:,?\\!|\\,|\{,\}|,\\,)+\s*(?=[0-9]{3}(?![0-9]))"), ""),
    (re.compile(r"\\(?:[Rr]ightarrow|implies|therefore|Longrightarrow|iff|Leftrightarrow)(?![A-Za-z])"), "⇒"),
    (re.compile(r"\\(?:langle|lang)(?![A-Za-z])"), "("),
    (re.compile(r"\\(?:rangle|rang)(?![A-Za-z])"), ")"),
    (re.compile(r"\\(?:[lcdv]?dots[bcmio]?|cdots)(?![A-Za-z])|\.{3,}"), "…"),
    (re.compile(r"\\underline\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"(?<=[0-9])(?:\^\s*\{?\s*‹?\s*|\s*‹\s*)?(?:st|nd|rd|th)\s*›?\s*\}?(?=[\s.,;:$]*\Z)"), ""),
    (re.compile(r"\\(?:left|right)\s*\.|\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits|middle)(?![A-Za-z])"), ""),
    (re.compile(r"\\phantom\s*(?:\{[^{}]*\}|\S)|\\hspace\*?\s*\{[^{}]*\}|\\(?:checkmark|blacksquare|square|qed)(?![A-Za-z])"), " "),
    (re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])"), ""),
    (re.compile(r"\\(?:[dtcs]|nice)frac(?![A-Za-z])"), r"\\frac "),
    (
        re.compile(
            rf"\\frac\s*\{{\s*d\s*{_ORDER}\s*([A-Za-z]?)\s*\}}\s*\{{\s*d\s*([A-Za-z])\s*{_ORDER}\s*\}}"
            rf"|(?<![A-Za-z\\}}])d{_ORDER}([A-Za-z]?)\s*/\s*d([A-Za-z]){_ORDER}(?![A-Za-z])"
        ),
        lambda m: rf"\mathcal{{D}}_{{{''.join(group or '' for group in m.groups())}}}",
    ),
    (re.compile(r"\\(?:\{|lbrace(?![A-Za-z]))"), "⦃"),
    (re.compile(r"\\(?:\}|rbrace(?![A-Za-z]))"), "⦄"),
    (re.compile(r"(?:\\?\$ ?([0-9][0-9,]*)|(?<![0-9.,])([0-9][0-9,]*) dollars?),? and ([0-9]{1,2}) cents?\b"), _dollars),
    (re.compile(r"\\?\$|\\[()\[\]!]"), ""),
    (re.compile(r"\\[,;:> ]|\\(?:quad|qquad|enspace|thinspace)(?![A-Za-z])|~"), " "),
    (re.compile(r"[^\S\n]+"), " "),
    (re.compile(r"\n[\s]*"), "\n"),
    (re.compile(r"\\(?:text)?color\s?\{[^{}]*\}|\\(?:boldsymbol|bm|bf|it|sf|tt)(?![A-Za-z])"), " "),
    (re.compile(r"\\(?:large|Large|LARGE|huge|Huge|small|normalsize|scriptstyle)(?![A-Za-z])"), " "),
    (re.compile(r"\\(?:mathbf|mathrm|mathit|mathsf)\s+(?=[^\s{])"), ""),
    (re.compile(r"负(?=[0-9])"), "-"),
    (re.compile(r"百分之\s?(-?[0-9.]+)"), r"\1%"),
    (
        re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(百万|千万|万亿|万|亿|千|百)(?![克米瓦卡分])"),
        lambda m: f"({m.group(1)}*10^{{{_CHINESE_SCALES[m.group(2)]}}})",
    ),
    (re.compile(r"(?<=[0-9]) ?(?:‹ ?to ?›|to) ?(?=[0-9])"), ":"),
    (
        re.compile(
            r" ?‹? ?[(（] ?(?:which is )?(?:about|approximately|approx\.?|roughly|≈|\\approx)"
            r" ?›? ?([0-9][0-9.,]*)[^()（）]{0,40}[)）] ?›?\s*\Z"
        ),
        r" ≈ \1",
    ),
    (re.compile(r"(?<![0-9.,])([0-9]{1,3}(?: [0-9]{3})+)(?= [0-9]+/[0-9])"), lambda m: m.group().replace(" ", "")),
    (re.compile(r"\^\s*(?:\\circ(?![A-Za-z])|\{\s*\\circ\s*\})|\\degree(?![A-Za-z])"), "°"),
    (re.compile(r"°\s*([CF])(?![A-Za-z])"), r"‹°\1›"),
    (
        re.compile(r"(?<=[°s])\s*(?:‹\s*([NSEW])\s*›|(?<=[°\s])([NSEW])(?![A-Za-z(^]))"),
        lambda m: f"‹{_DIRECTIONS[m.group(1) or m.group(2)]}›",
    ),
    (
        re.compile(
            r"\s?(?:\\%|%|(?<![A-Za-z])pct\b\.?|\bper\s?cent\b|\bpercentage\b|\bpercent\b|‹\s*(?:per ?cent|pct\.?|%)\s*›)", re.IGNORECASE
        ),
        "%",
    ),
    (re.compile(r"\A\s*(\*{1,3})(.+)\1\s*\Z", re.DOTALL), r"\2"),
    (re.compile(r"(?<![0-9A-Za-z)}\]*])\*\*([0-9.]+)\*\*(?![0-9A-Za-z({\[*])"), r"\1"),
    (re.compile(r"\b(sq|cu)\.(?=\s*[a-z])"), r"\1"),
    (re.compile(rf"\b({_LENGTHS})\s+(squared|cubed)\b"), lambda m: f"{m.group(1)}^{2 if m.group(2) == 'squared' else 3}"),
    (re.compile(r"(?:‹ ?floor ?›|(?<![A-Za-z\\])floor) ?\(([^()]*(?:\([^()]*\)[^()]*)*)\)"), r"\\lfloor \1\\rfloor "),
    (re.compile(r"(?:‹ ?ceil(?:ing)? ?›|(?<![A-Za-z\\])ceil(?:ing)?) ?\(([^()]*(?:\([^()]*\)[^()]*)*)\)"), r"\\lceil \1\\rceil "),
    (re.compile(r"\\hline(?![A-Za-z])"), " "),
    (re.compile(r",? ?‹? ?or (?:about|approximately|approx\.?|roughly) ?›? ?([0-9][0-9.]*)\s*\Z"), r" ≈ \1"),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\\(?:cdot|times|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\\(?:approx|simeq|doteq|thickapprox)(?![A-Za-z])"), "≈"),
    (re.compile(r"\\(?:setminus|backslash|smallsetminus)(?![A-Za-z])"), "∖"),
    (re.compile(r"\\colon(?![A-Za-z])"), ":"),
    (re.compile(r":\s*="), "="),
    (re.compile(r"\\(?:lor|vee)(?![A-Za-z])"), "∨"),
    (re.compile(r"\\(?:land|wedge)(?![A-Za-z])"), "∧"),
    (re.compile(r"\\equiv(?![A-Za-z])"), "≡"),
    (re.compile(r"[(（]?\s?\\?[pb]?mod\s?\{?\s?([0-9A-Za-z]+)\s?\}?\s?[)）]?\s*\Z"), r"(mod \1)"),
    (re.compile(r"(?:‹ ?)?\b(?:negative|minus)\b(?: ?›)? ?(?=[0-9\\])"), "-"),
    (re.compile(r"\\(?:leqslant|leqq|leq|le)(?![A-Za-z])|<="), "≤"),
    (re.compile(r"\\(?:geqslant|geqq|geq|ge)(?![A-Za-z])|>="), "≥"),
    (re.compile(r"\\(?:neq|ne)(?![A-Za-z])|\\not\s*=|!="), "≠"),
    (re.compile(r"\\lt(?![A-Za-z])"), "<"),
    (re.compile(r"\\gt(?![A-Za-z])"), ">"),
    (re.compile(r"\\pm(?![A-Za-z])|\+/-"), "±"),
    (re.compile(r"\\mp(?![A-Za-z])"), "∓"),
    (re.compile(r"\\(?:big)?cup(?![A-Za-z])"), "∪"),
    (re.compile(r"\\in(?![A-Za-z])"), "∈"),
    (re.compile(r"\\notin(?![A-Za-z])|\\not\s*∈"), "∉"),
    (re.compile(r"\\(?:l|r)?vert(?![A-Za-z])|\\mid(?![A-Za-z])"), "|"),
    (re.compile(r"\\mathbb\s*\{?\s*([A-Z])\s*\}?"), r"\\mathbb\1 "),
    (re.compile(r"\\(?:infin|infinity)(?![A-Za-z])|(?<![A-Za-z\\])(?:infinity|inf|oo)(?![A-Za-z])"), r"\\infty "),
    (re.compile(r"\\(?:varnothing)(?![A-Za-z])"), r"\\emptyset "),
    (re.compile(r"(\\mathbb[RZ]|(?<![A-Za-z])R)\s*-\s*(?=⦃)"), r"\1∖"),
    (re.compile(r"([(\[][^()\[\]]{1,60},[^()\[\]]{1,60}[)\]])\s*[Uu]\s*(?=[(\[][^()\[\]]{1,60},)"), r"\1∪"),
    (_OUTWARD, lambda m: f"{m.group(1)}{'(' if m.group(2) == ']' else '['}{m.group(3)}{')' if m.group(4) == '[' else ']'}"),
    (re.compile(r"\A\s*⦃\s*([^|:⦃⦄]*[^|:⦃⦄\s])\s*[|:]\s*([a-z]\s*∈\s*\\mathbb[ZN])\s*⦄\s*\Z"), r"\1, \2"),
    # The mixed number 1 1/2; no other notation may put two numbers side by side.
    (re.compile(r"(?<![0-9./^_{])([0-9]+) +([0-9]+) ?/ ?([0-9]+)(?![0-9./])"), r"\1\\frac{\2}{\3}"),
    (re.compile(r"\s+"), " "),
)


@lru_cache(maxsize=4096)
def clean(text: str, full_width: bool = True) -> str:
    """``text`` in the marks above, without punctuation at its end."""
    if full_width:
        text = text.translate(_FULL_WIDTH)
    text = _WORDS.sub(_words, _CROSS.sub(_cross, text).translate(_UNICODE))
    text = _prefix_fractions(fractions_for_repeating_decimals(text))
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    text = _COMBINATIONS.sub(_binomial, text)
    if _RELATION.search(text):
        text = text.replace("∧", "⋀").replace("∨", "⋁")
    return _FINAL_COLON.sub("", text.rpartition("⇒")[2].rstrip(" .,;¶\\")).lstrip(" ,;:=")


def _words(match: re.Match[str]) -> str:
    content = match.group(1)
    if content.strip() in FUNCTIONS:
        return f"\\{content.strip()} "
    if connective := _CONNECTIVE.fullmatch(content):
        return "⋁" if connective.group(1) is None else "⋀" if connective.group(1) in ("and", "和", "且", "与") else ","
    if any(map(str.isdigit, content)) or not (_WORD.search(content) or content.strip().isalpha()):
        return content
    if len(content) == 1 and content not in _ONE_LETTER_UNITS and not match.group().startswith((r"\text", r"\mbox", r"\hbox")):
        return f" {content}" if match.string[match.start() - 1 : match.start()].isalpha() else content  # an upright variable
    return f"‹{content}›" if content.strip() else " "


def _cross(match: re.Match[str]) -> str:
    """The vector next to the cross as a name of its own, which keeps the order of the factors and is not a factor of a dot product."""
    name = next(group for group in match.groups() if group)
    return rf"\vec{{C}}_{{{name}}} " if match.group()[0] == "\\" else rf")\vec{{CC}}_{{{name}}} "


def _prefix_fractions(text: str) -> str:
    r"""``{a \over b}`` as ``{\frac{a}{b}}`` and ``{a \choose b}`` as ``{\binom{a}{b}}``."""
    for _ in range(MAX_INFIX):
        mark = _OVER.search(text)
        if mark is None:
            break
        start, end = _group_around(text, mark.start())
        name = "frac" if mark.group(1) == "over" else "binom"
        text = rf"{text[:start]}\{name}{{{text[start : mark.start()]}}}{{{text[mark.end() : end]}}}{text[end:]}"
    return text


def _binomial(match: re.Match[str]) -> str:
    """``C(5,2)``, ``5C2``, ``C_5^2`` and the like as binomials; unchanged if it does not choose some from more."""
    numbers = [int(group) for group in match.groups() if group]
    top, bottom = max(numbers), min(numbers)
    return rf"\binom{{{top}}}{{{bottom}}}" if match.lastindex != 6 or numbers[0] >= numbers[1] else match.group()


def with_binomials(text: str) -> str:
    """The cleaned ``text`` with ``C(n,2)``, ``_nC_2`` and ``C_n^2`` as binomials; ``C_n^2`` may be a square instead."""
    return _LETTER_COMBINATIONS.sub(r"\\binom{\1\3\5}{\2\4\6}", text)


def _group_around(text: str, place: int) -> tuple[int, int]:
    """Start and end of the contents of the innermost braces around ``place``; of the whole ``text`` if there are none."""
    depth, start = 0, place
    while start > 0 and depth >= 0:
        start -= 1
        depth += (text[start] == "}") - (text[start] == "{")
    start += depth < 0
    depth, end = 0, place
    while end < len(text) and depth >= 0:
        depth += (text[end] == "{") - (text[end] == "}")
        end += depth >= 0
    return start, end


def closed_up(text: str) -> str:
    """``text`` without spaces, except one between digits: ``1 2`` is two numbers and never 12."""
    return _GAP.sub("", " ".join(text.split()))
