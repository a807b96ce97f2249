"""Does a text that holds a gold answer take it back, turn it round or put another beside it?

No list of the ways to deny something is complete. The lists here are wide, as people who answer a question rarely need any of these words:
on EVOUNA's 16,525 answers all of them together cost about 2 in 100 right ones (`docs/rewards.md`). Where every answer counts, ask for
one in a few words and take the rule ``exact``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import regex

Words = tuple[str, ...]

_BREAK = regex.compile(
    r"(?P<sentence>[.!?;。！？；\n]+(?=[\s\"'”’)\]*]|\p{Han}|$))|[,:，、：()（）\[\]—]+(?!\p{Nd})|\s[-–]+\s|(?i:\b(?=but\b))"
)
# The title of a work: words of their own, no statement. One or two quoted words may well be one.
_TITLE = regex.compile(r"[\"“‘'](?=\p{Lu})(?:[^\s\"“”]{1,40}+\s+){2,15}?[^\s\"“”]{1,40}?[\"”’'](?!\p{L})")

_NEGATIONS = frozenset(
    """not no never neither nor none nobody nothing nowhere cannot without except excepting excluding excludes exclude excluded unlike
    rather isnt arent wasnt werent dont doesnt didnt cant wont aint couldnt wouldnt shouldnt hasnt havent nope""".split()
)
# Wherever they stand, something is said to be untrue.
_DENIALS = frozenset(
    """wrong wrongly incorrect incorrectly false falsely untrue mistaken mistakenly mistake mistakes erroneous erroneously doubt doubts
    doubtful deny denies denied denying disagree disagrees refute refutes refuted reject rejects rejecting disprove disproved
    disproves joking kidding nonsense misconception unlikely hardly scarcely untruth inaccurate""".split()
)
_HEDGES = frozenset("perhaps maybe possibly might".split())
_CLAIMED_SO = frozenset("true right correct it so that this answer case accurate sure certain".split())
_RETRACTIONS = frozenset("no not nope nah wrong wait actually sorry correction oops scratch rather instead or alternatively hmm edit".split())
_SUPERSEDED = frozenset("now nowadays currently actually instead replaced superseded".split())
_IDIOMS = tuple(
    tuple(idiom.split(" "))
    for idiom in (
        "without doubt;no doubt;beyond doubt;without question;none other than;no other than;not only;not just;not merely;nothing but;"
        "no less than;whether or not"
    ).split(";")
)
_TURNED = regex.compile(
    r"\b(?:(?:anything|everything|all|everyone|anyone|nothing) but|far from|other than|apart from|aside from|used to(?: be| have)?|formerly|previously|ex|former"
    r"|(?:north|south|east|west|northeast|northwest|southeast|southwest|outside|short|left|right|ahead|shy|instead|half"
    r"|opposite|inverse|reverse|negation|reciprocal|square|cube|root) of|near|nearby|nearer|close to|closer to|next to|beside|besides"
    r"|outside|beyond|opposite|almost|nearly|quasi|pseudo|anti|non|versus|vs|against|between(?: \S+){0,3} and|between|either|than|if|unless|whether)$"
)
_NUMBER_TURNED = regex.compile(
    r"\b(?:at least|at most|up to|over|under|above|below|before|after|since|until|by|plus|minus|times|twice|thrice|double|triple|half"
    r"|negative|within|exceeds?|exceeding|exceeded|beyond|past|point)$"
)
_RANGE = regex.compile(r"\b(?:from|to|since|until|by)$")
_SCALES = frozenset(
    """hundred hundreds thousand thousands million millions billion billions trillion trillions quadrillion quintillion mil bn mn lakh lakhs
    crore crores myriad googol dozen dozens score gross pair pairs couple couples k m b x times plus minus squared cubed factorial fold
    half halves third thirds quarter quarters fourth fourths fifth tenth tenths hundredth hundredths thousandth thousandths point over
    divided multiplied mod modulo percent percentage less fewer more short to or 百 千 万 亿 倍 打 多 余 几 半 点""".split()
)
_ALL = frozenset("anything everything all everyone anyone nothing none".split())
YEAR = 4
"""Digits of a year: ``from 1901 to 1903`` states both, ``from 4 to 5`` neither."""
_UNSPACED_BEFORE = regex.compile(r"(?:[不没非未无否别]|并非|除了?|曾经?|以前|原来|不可能).{0,3}$")
_UNSPACED_AFTER = regex.compile(r"^.{0,3}(?:[不错否非]|除外|以外|之外|没有?)")


@dataclass(frozen=True, slots=True)
class Clauses:
    """The words of a text, and of each the clause and sentence it stands in."""

    words: Words
    clause: tuple[int, ...]
    sentence: tuple[int, ...]
    asked: frozenset[int]

    def places(self, gold: Words) -> list[int]:
        """Where ``gold`` begins."""
        return [start for start in range(len(self.words) - len(gold) + 1) if self.words[start : start + len(gold)] == gold]

    def spans(self, ids: tuple[int, ...], start: int, end: int) -> Iterator[Words]:
        """The words of ``start`` to ``end``, cut where ``ids`` change."""
        while start < end:
            stop = next((at for at in range(start, end) if ids[at] != ids[start]), end)
            yield self.words[start:stop]
            start = stop


def clauses(text: str, read: Callable[[str], Words], golds: Sequence[Words]) -> Clauses:
    """``text`` cut into clauses and sentences, without the titles of works in which there is no gold; ``read`` gives the words of each."""
    words: list[str] = []
    clause: list[int] = []
    sentence: list[int] = []
    asked: set[int] = set()
    position, at = 0, 0
    text = _TITLE.sub(lambda title: title.group() if holds(read(title.group()), golds) else " ", text)
    for number, mark in enumerate([*_BREAK.finditer(text), None]):
        found = read(text[position : mark.start() if mark else None])
        words += found
        clause += [number] * len(found)
        sentence += [at] * len(found)
        if mark and mark["sentence"]:
            if regex.search("[?？]", mark["sentence"]):
                asked.add(at)
            at += 1
        position = mark.end() if mark else position
    return Clauses(tuple(words), tuple(clause), tuple(sentence), frozenset(asked))


def holds(words: Words, golds: Sequence[Words]) -> bool:
    """Does one of ``golds`` stand in ``words``?"""
    return any(words[start : start + len(gold)] == gold for gold in golds for start in range(len(words)))


def is_denied(gold: Words, text: Clauses, words: Words) -> bool:
    """Is ``gold`` denied, doubted, asked, superseded or made another answer in ``text``, whose words without cuts are ``words``?"""
    if not (places := text.places(gold)):  # a cut goes through the gold
        text = Clauses(words, (0,) * len(words), (0,) * len(words), frozenset())
        places = text.places(gold)
    idle = {at for start in places for at in range(start, start + len(gold))} | _idiomatic(text.words)
    negative = any(_negates(word) or word in _DENIALS for word in gold)
    if not negative and any(word in _DENIALS for at, word in enumerate(text.words) if at not in idle):
        return True
    return any(_is_denied_at(start, start + len(gold), text, idle, negative) for start in places)


def _is_denied_at(start: int, end: int, text: Clauses, idle: set[int], negative: bool) -> bool:
    if text.sentence[start] in text.asked:
        return True
    first = next(at for at in range(start, -1, -1) if at == 0 or text.sentence[at - 1] != text.sentence[start])
    last = next((at for at in range(end, len(text.words)) if text.sentence[at] != text.sentence[end - 1]), len(text.words))
    here = next((at for at in range(end, last) if text.clause[at] != text.clause[end - 1]), last)
    scope = next((at for at in range(start - 1, first, -1) if text.words[at] == "but" and text.words[at - 1] not in _ALL), first)
    before, after, rest = (_without(idle, text.words, *span) for span in ((scope, start), (end, here), (here, last)))
    if any(map(_negates, before)) or _HEDGES.intersection(before) or ("instead", "of") in pairwise(before):
        return True
    if _turned(text.words[first:start], text.words[start:end], text.words[end:last], here > end):
        return True
    if negative:
        return False
    if any(map(_negates, after)) or _SUPERSEDED.intersection((*after[:-1], *rest)) or {"until", "then"} <= {*after, *rest}:
        return True
    later = text.spans(text.clause, here, last), text.spans(text.sentence, last, len(text.words))
    return any(map(_takes_back, later[0])) or any(map(_retracts, later[1]))


def _without(idle: set[int], words: Words, start: int, end: int) -> Words:
    return tuple(words[at] for at in range(start, end) if at not in idle)


def _idiomatic(words: Words) -> set[int]:
    """Places of what sounds like a denial and is none: ``no doubt``, ``No. 1``."""
    idle = {at for at, (word, after) in enumerate(pairwise(words)) if word == "no" and after[0].isdecimal()}
    for at in range(len(words)):
        idle |= {place for idiom in _IDIOMS if words[at : at + len(idiom)] == idiom for place in range(at, at + len(idiom))}
    return idle


def _negates(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")


def _turned(before: Words, gold: Words, after: Words, same_clause: bool) -> bool:
    """A word beside the gold makes another answer of it: ``north of Paris``, ``5 million``."""
    lead = " ".join(before[-4:])
    if _TURNED.search(lead) or _UNSPACED_BEFORE.search("".join(before[-4:])) or _UNSPACED_AFTER.search("".join(after[:5])):
        return True
    if gold[-1][:1].isdecimal() and same_clause and after and after[0] in _SCALES:
        return True
    turned = gold[0][:1].isdecimal() and (_NUMBER_TURNED.search(lead) or (len(gold) == 1 and len(gold[0]) < YEAR and _RANGE.search(lead)))
    return bool(turned)


def _takes_back(clause: Words) -> bool:
    """A later clause of the sentence: ``it is not``, ``no``; ``not Rome`` is a contrast and takes nothing back."""
    said = clause[1:] if clause[0] in ("but", "and") else clause
    if len(said) > 1 and said[0] in ("not", "rather", "unlike", "never", "without", "except") and said[1] not in _CLAIMED_SO:
        return False
    return any(map(_negates, said[:4]))


def _retracts(sentence: Words) -> bool:
    """A later sentence: ``No, it is Rome``, ``That is not right``."""
    if _RETRACTIONS.intersection(sentence[:2]):
        return True
    return any(_negates(word) and _CLAIMED_SO.intersection(sentence[at + 1 : at + 3]) for at, word in enumerate(sentence))
