"""A formula of a model as MathML.

latex2mathml writes its tree with ``&lt;`` turned back into ``<``, and gives the user's formula a say in ``href``, ``style`` and ``class``.
So the tree is written here: elements and attributes of a list, texts escaped. Its macros could double themselves without end: no macros.
"""

from __future__ import annotations

import re
from html import escape, unescape
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter

from dunwu.process.attempt import attempt
from dunwu.serving.page.bounds import LONGEST_FORMULA

_ELEMENTS = frozenset(
    """
    math mrow mi mn mo mtext mspace msup msub msubsup munder mover munderover mfrac msqrt mroot
    mtable mtr mtd mstyle menclose mpadded mphantom mmultiscripts mprescripts none
    """.split()  # noqa: SIM905
)
_ATTRIBUTES = frozenset(
    """
    display displaystyle scriptlevel mathvariant stretchy fence separator form accent accentunder
    movablelimits columnalign notation largeop symmetric
    """.split()  # noqa: SIM905
)
_LENGTHS = frozenset(("width", "lspace", "rspace", "linethickness", "rowspacing", "columnspacing"))
_WORDS = re.compile(r"[a-z0-9 -]{1,60}")
_LENGTH = re.compile(r"-?\d{0,2}(\.\d{1,4})?(em|ex|px|pt)?( \d(\.\d+)?(em|ex|px|pt))*")
_MACRO = re.compile(r"\\(def|let|(re)?newcommand|(re)?newenvironment|DeclareMathOperator)\b")

_ALIGNED = re.compile(r"\\(begin|end)\{(?:aligned|gathered)\}")
"""Environments that latex2mathml knows by another name."""


def mathml(latex: str, display: bool) -> str | None:
    """The formula as a ``<math>`` element; ``None`` if it cannot be read."""
    if len(latex) > LONGEST_FORMULA or _MACRO.search(latex):
        return None
    known = _ALIGNED.sub(r"\\\1{align*}", latex)
    return attempt(lambda: _written(Converter(display="block" if display else "inline").convert_to_element(known)), lambda reason: None)


def _written(element: Element) -> str:
    tag = element.tag if element.tag in _ELEMENTS else "mrow"
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in element.attrib.items() if _harmless(name, value))
    text = escape(unescape(element.text or ""), quote=False)
    return f"<{tag}{attributes}>{text}{''.join(map(_written, element))}</{tag}>"


def _harmless(name: str, value: str) -> bool:
    if name in _LENGTHS:
        return _LENGTH.fullmatch(value) is not None
    return name in _ATTRIBUTES and _WORDS.fullmatch(value) is not None
