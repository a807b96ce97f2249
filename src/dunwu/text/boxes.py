r"""``\boxed{}`` in a text: the answers given at its end."""

from __future__ import annotations

import re

# Escaped braces are text, not structure. TeX needs no braces around one token: \boxed 7, \boxed\pi.
_MARKS = re.compile(
    r"\\\\(?![A-Za-z])|\\(?:boxed|fbox)\s*(?:\{|(\\[A-Za-z]+\s?(?:\{[^{}]*\}|[0-9])*|-?[0-9]+(?:\.[0-9]+)?|[A-Za-z](?![A-Za-z])))|\\[{}]|[{}]"
)
# What may separate boxes that are offered side by side; any other word makes the later box a correction of the earlier one.
_NAME = r"(?:[A-Za-z]|\\(?:alpha|beta|gamma|theta|lambda|mu))(?:_(?:\w|\{\w{1,6}\}))?'{0,2}"
_CONNECTOR = re.compile(
    rf"(?:\\\\|(?<![A-Za-z\\]){_NAME}\s*+(?:&\s*+)?=|\bthe\s++(?:other|second|third)(?:\s++(?:one|solution|root|value))?+\s++is\b"
    r"|\\text|\\qquad|\\quad|\\[()\[\],;:! ]|\b(?:or|and|also|else|maybe|perhaps|possibly|alternatively|either)\b"
    r"|或者是?|或是?|和|以及|及|也?可能是?|[^\w\\])*+",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"(?<![A-Za-z0-9\\+*/^}}-])(?<![+*/^-]\s)({_NAME})\s*&?\s*=\s*\Z")


def find_boxes(text: str) -> list[tuple[int, int, str]]:
    r"""All closed, outermost ``\boxed{}`` as ``(start, end, content)``; one pass with balanced braces."""
    open_marks: list[tuple[int, int] | None] = []  # a box: (start of the command, start of its content); a plain brace: None
    boxes: list[tuple[int, int, str]] = []
    for mark in _MARKS.finditer(text):
        if mark.group(1):
            boxes.append((mark.start(), mark.end(), mark.group(1).strip()))
        elif mark.group().startswith(("\\boxed", "\\fbox")):
            open_marks.append((mark.start(), mark.end()))
        elif mark.group() == "{":
            open_marks.append(None)
        elif mark.group() == "}" and open_marks:
            opened = open_marks.pop()
            if opened is not None:
                while boxes and boxes[-1][0] > opened[0]:
                    boxes.pop()
                boxes.append((opened[0], mark.end(), text[opened[1] : mark.start()].strip()))
    return boxes


def offered_boxes(text: str) -> tuple[str, ...]:
    r"""Distinct contents of the last box and of the boxes offered side by side with it; a single content is the answer.

    ``first \boxed{7}, no, \boxed{8}`` corrects itself: ``("8",)``. ``\boxed{7} or \boxed{8}`` offers two answers:
    ``("7", "8")``, which is spam. ``()`` if there is no closed box.
    """
    return tuple(dict.fromkeys(content for _, content in named_boxes(text)))


def named_boxes(text: str) -> tuple[tuple[str, str], ...]:
    r"""`offered_boxes`, each with its name: ``x=\boxed{7}, \boxed{8}`` has ``("x", "7")`` and ``("", "8")``."""
    boxes = find_boxes(text)
    offered: list[tuple[str, str]] = []
    for index in range(len(boxes) - 1, -1, -1):
        start, end, content = boxes[index]
        if offered and not _CONNECTOR.fullmatch(text, end, boxes[index + 1][0]):
            break
        name = _NAMED.search(text[max(start - 20, 0) : start])
        offered.append((name.group(1) if name else "", content))
    return tuple(dict.fromkeys(reversed(offered)))
