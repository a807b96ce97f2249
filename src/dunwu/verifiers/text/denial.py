"""Does a text that holds a gold answer take it back, reverse it or offer another answer too?

No list of ways to deny something is complete. The lists (`dunwu.verifiers.text.denial_words`) are broad, since people who answer a question
rarely need any of these words: they cost 3 in 100 right answers (`docs/rewards.md`). Of sentences forged before the lists covered them,
more than half passed. For a reward to train on, ask for an answer in a few words and use the rule ``exact``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import regex

from dunwu.verifiers.text import denial_words as listed

Words = tuple[str, ...]

_BREAK = regex.compile(
    r"(?P<sentence>[.!?;。！？；\n]+(?=[\s\"'”’)\]*]|\p{Han}|$))|[,:，、：()（）\[\]—]+(?!\p{Nd})|\s[-–]+\s|(?i:\b(?=but\b))"
)
# The title of a work is not a statement. One or two quoted words may be one.
_TITLE = regex.compile(r"[\"“‘'](?=\p{Lu})(?:[^\s\"“”]{1,40}+\s+){2,15}?[^\s\"“”]{1,40}?[\"”’'](?!\p{L})")

YEAR = 4
"""Digits of a year."""


@dataclass(frozen=True, slots=True)
class Clauses:
    """The words of a text, with the clause and sentence of each; ``questions`` holds the interrogative sentences."""

    words: Words
    clause: tuple[int, ...]
    sentence: tuple[int, ...]
    questions: frozenset[int]
    rivals: tuple[Words, ...] = ()

    def places(self, gold: Words) -> list[int]:
        """Positions where ``gold`` begins."""
        return [start for start in range(len(self.words) - len(gold) + 1) if self.words[start : start + len(gold)] == gold]

    def spans(self, ids: tuple[int, ...], start: int, end: int) -> Iterator[Words]:
        """The words from ``start`` to ``end``, split where ``ids`` change."""
        while start < end:
            stop = next((at for at in range(start, end) if ids[at] != ids[start]), end)
            yield self.words[start:stop]
            start = stop


def clauses(text: str, read: Callable[[str], Words], golds: Sequence[Words]) -> Clauses:
    """Split ``text`` into clauses and sentences, without titles of works that hold no gold; ``read`` splits a clause into words."""
    words: list[str] = []
    clause: list[int] = []
    sentence: list[int] = []
    questions: set[int] = set()
    position, at = 0, 0
    text = _TITLE.sub(lambda title: title.group() if holds(read(title.group()), golds) else " ", text)
    for number, mark in enumerate([*_BREAK.finditer(text), None]):
        found = read(text[position : mark.start() if mark else None])
        words += found
        clause += [number] * len(found)
        sentence += [at] * len(found)
        if mark and mark["sentence"]:
            if regex.search("[?？]", mark["sentence"]):
                questions.add(at)
            at += 1
        position = mark.end() if mark else position
    rivals = tuple(found for rival in listed.RIVAL.finditer(text) if (found := read(rival[1] or rival[2])) and not holds(found, golds))
    return Clauses(tuple(words), tuple(clause), tuple(sentence), frozenset(questions), rivals)


def holds(words: Words, golds: Sequence[Words]) -> bool:
    """True if ``words`` contains one of ``golds``."""
    return any(words[start : start + len(gold)] == gold for gold in golds for start in range(len(words)))


def is_denied(gold: Words, text: Clauses, words: Words) -> bool:
    """True if ``text`` denies, doubts, questions, supersedes or changes ``gold``. ``words`` are the words of the unsplit text."""
    if not (places := text.places(gold)):  # a clause break splits the gold
        text = Clauses(words, (0,) * len(words), (0,) * len(words), frozenset())
        places = text.places(gold)
    if text.rivals:
        return True
    idle = {at for start in places for at in range(start, start + len(gold))} | _idiomatic(text.words)
    said = _without(idle, text.words, 0, len(text.words))
    if any(said[at : at + len(phrase)] == phrase for phrase in listed.PHRASES for at in range(len(said))):
        return True
    negative = any(_negates(word) or word in listed.DENIALS for word in gold)
    if not negative and listed.DENIALS.intersection(said):
        return True
    return any(_is_denied_at(start, start + len(gold), text, idle, negative) for start in places)


def _is_denied_at(start: int, end: int, text: Clauses, idle: set[int], negative: bool) -> bool:
    if text.sentence[start] in text.questions:
        return True
    first = next(at for at in range(start, -1, -1) if at == 0 or text.sentence[at - 1] != text.sentence[start])
    last = next((at for at in range(end, len(text.words)) if text.sentence[at] != text.sentence[end - 1]), len(text.words))
    here = next((at for at in range(end, last) if text.clause[at] != text.clause[end - 1]), last)
    scope = next((at for at in range(start - 1, first, -1) if text.words[at] == "but" and text.words[at - 1] not in listed.ALL), first)
    before, after, rest = (_without(idle, text.words, *span) for span in ((scope, start), (end, here), (here, last)))
    if any(map(_negates, before)) or listed.HEDGES.intersection(before):
        return True
    if _turned(text.words[first:start], text.words[start:end], text.words[end:last], here > end):
        return True
    if negative:
        return False
    if any(map(_negates, after)) or listed.SUPERSEDED.intersection((*after[:-1], *rest)) or {"until", "then"} <= {*after, *rest}:
        return True
    later_clauses, later_sentences = text.spans(text.clause, here, last), text.spans(text.sentence, last, len(text.words))
    return any(map(_takes_back, later_clauses)) or any(map(_retracts, later_sentences))


def _without(idle: set[int], words: Words, start: int, end: int) -> Words:
    return tuple(words[at] for at in range(start, end) if at not in idle)


def _idiomatic(words: Words) -> set[int]:
    """Positions of words that look like a denial but are not: ``no doubt``, ``No. 1``."""
    idle = {at for at, (word, after) in enumerate(pairwise(words)) if word == "no" and after[0].isdecimal()}
    for at in range(len(words)):
        idle |= {place for idiom in listed.IDIOMS if words[at : at + len(idiom)] == idiom for place in range(at, at + len(idiom))}
    return idle


def _negates(word: str) -> bool:
    return word in listed.NEGATIONS or word.endswith("n't")


def _turned(before: Words, gold: Words, after: Words, same_clause: bool) -> bool:
    """True if a word next to the gold makes it another answer: ``north of Paris``, ``5 million``."""
    lead, last = " ".join(before[-4:]), "".join(before[-4:])
    if listed.TURNED.search(lead) or listed.UNSPACED_BEFORE.search(last) or listed.UNSPACED_AFTER.search("".join(after[:5])):
        return True
    if before[-1:] == ("from",) and after[:1] == ("to",):
        return True
    if gold[-1][:1].isdecimal() and same_clause and _is_scaled(after):
        return True
    short = len(gold) == 1 and len(gold[0]) < YEAR
    return gold[0][:1].isdecimal() and bool(listed.NUMBER_TURNED.search(lead) or (short and listed.RANGE.search(lead)))


def _is_scaled(after: Words) -> bool:
    return bool(listed.SCALES.intersection(after[:1]) or after[:2] == ("out", "of") or listed.AMISS.intersection(after[:3]))


def _takes_back(clause: Words) -> bool:
    """True if a later clause of the sentence takes the gold back: ``it is not``, ``no``; ``not Rome`` is only a contrast."""
    said = clause[1:] if clause[0] in ("but", "and") else clause
    if len(said) > 1 and said[0] in listed.CONTRASTS and said[1] not in listed.CLAIMED_SO:
        return False
    return any(map(_negates, said[:4]))


def _retracts(sentence: Words) -> bool:
    """True if a later sentence takes the gold back: ``No, it is Rome``, ``That is not right``."""
    if listed.RETRACTIONS.intersection(sentence[:2]):
        return True
    return any(_negates(word) and listed.CLAIMED_SO.intersection(sentence[at + 1 : at + 3]) for at, word in enumerate(sentence))
