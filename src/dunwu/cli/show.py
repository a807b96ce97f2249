"""Prints for a person, in the user's language. What programs read (JSON, YAML) is printed as it is."""

from __future__ import annotations

import sys
from typing import TextIO

from dunwu.text.translate import translate


def printable(text: object) -> str:
    """A text from a file or a model without what controls a terminal."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def show(text: str, file: TextIO | None = None, *, label: bool = False) -> None:
    """Print our own words, to stdout by default; ``label`` as in `translate`."""
    file = file or sys.stdout
    print(translate(text, encoding=file.encoding, label=label), file=file, flush=True)
