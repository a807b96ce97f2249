"""The Chinese catalogue against the source: no stale entry, agreeing placeholders, and an entry for what people are shown."""

from __future__ import annotations

import re

import pytest

from dunwu.text.catalogue import read_catalogue
from tests.text.sentences import every_sentence, normal, placeholders, shown_sentences

CATALOGUE = read_catalogue()
LEAST = {"errors": 0.98, "reports": 0.94, "help": 1.0}
"""Share of the sentences of each kind that have an entry."""


LIBRARIES = {
    "a valid integer",
    "a valid number",
    "a finite number",
    "a valid boolean",
    "a valid string",
    "a valid list",
    "a valid tuple",
    "a valid dictionary",
    "greater than {x!n}",
    "greater than or equal to {x!n}",
    "less than {x!n}",
    "less than or equal to {x!n}",
    "Field required",
    "String should have at least {x!n} character",
    "List should have at least {x!n} item after validation, not {y!n}",
    "Tuple should have at least {x!n} item after validation, not {y!n}",
    "Error parsing {option}: no type matching {kind} could be instantiated from {value}.",
    "Error parsing {option}: invalid choice {value}. Expected one of {choices}.",
    "Missing from dunwu {command}: {option} {help!t} (required)",
    "No such file or directory",
    "Permission denied",
    "Not a directory",
    "Is a directory",
    "File exists",
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Read-only file system",
    "Operation not permitted",
    "Too many levels of symbolic links",
    "File name too long",
}
"""Messages of pydantic, tyro and the operating system, which ours quote."""


def occurs(key: str) -> bool:
    """True if the source has the sentence, or one with placeholders that other texts of the source fill."""
    known, wanted = every_sentence(), normal(key)
    return wanted in known or any(_fills(outer.split("{}"), wanted) for outer in known if "{}" in outer)


def translated(text: str) -> bool:
    """True if the catalogue has the sentence, with any of its placeholders filled."""
    keys = {normal(key) for key in CATALOGUE}
    return text in keys or any(_fills(text.split("{}"), key) for key in keys)


def _fills(literals: list[str], wanted: str) -> bool:
    """True if ``wanted`` is the literals with a placeholder or a text of the source between each two."""
    first, *others = literals
    if not wanted.startswith(first):
        return False
    rest = wanted[len(first) :]
    if not others:
        return not rest
    ends = [end for end in range(len(rest) + 1) if rest.startswith(others[0], end)]
    return any((rest[:end] == "{}" or rest[:end].strip() in every_sentence()) and _fills(others, rest[end:]) for end in ends)


def test_every_entry_is_in_the_source() -> None:
    assert [key for key in CATALOGUE if not occurs(key) and key not in LIBRARIES] == []


def test_what_libraries_say_has_an_entry() -> None:
    assert [text for text in LIBRARIES if text not in CATALOGUE] == []


def test_an_entry_and_its_translation_have_the_same_placeholders() -> None:
    wrong = [key for key, target in CATALOGUE.items() if sorted(placeholders(key)) != sorted(set(placeholders(target)))]
    assert wrong == []
    assert not [key for key in CATALOGUE if len(set(placeholders(key))) < len(placeholders(key))]
    assert not [target for target in CATALOGUE.values() if "!" in "".join(re.findall(r"\{\w+![ntw]\}", target))]


@pytest.mark.parametrize("kind", LEAST)
def test_what_people_are_shown_has_an_entry(kind: str) -> None:
    shown = shown_sentences(kind)
    missing = [f"{where}  {text}" for text, where in shown.items() if not translated(normal(text))]
    assert len(missing) <= (1 - LEAST[kind]) * len(shown), "no Chinese entry:\n" + "\n".join(missing)
