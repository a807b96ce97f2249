"""The words with which a sentence takes an answer back, reverses it or adds another (`dunwu.verifiers.text.denial`).

All are in the form of `dunwu.verifiers.text.words`: small letters, no articles, numbers in digits.
"""

from __future__ import annotations

import regex

from dunwu.text.words import tokens


def _words(text: str) -> frozenset[str]:
    return frozenset(tokens(text))


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(phrase.split()) for phrase in text.split(";"))


NEGATIONS = _words(
    """not no never neither nor none nobody nothing nowhere cannot without except excepting excluding excludes exclude excluded unlike
    rather isnt arent wasnt werent dont doesnt didnt cant wont aint couldnt wouldnt shouldnt hasnt havent nope"""
)
"""In the sentence, before the answer or soon after it; likewise every word that ends in ``n't``."""
DENIALS = _words(
    """wrong wrongly incorrect incorrectly false falsely untrue mistaken mistakenly mistake mistakes erroneous erroneously error doubt
    doubts doubtful deny denies denied denying disagree disagrees refute refutes refuted reject rejects rejecting disprove disproved
    disproves joking kidding nonsense misconception unlikely hardly scarcely untruth inaccurate decoy bait trap runner distractor herring
    lie guess guesses guessed eliminate eliminated eliminates dismiss dismissed discard discarded forget disregard ignore scratch
    absurd ridiculous confuse confuses confused cleared blamed"""
)
"""Anywhere in the text."""
PHRASES = _phrases(
    """ruled out;rule out;rules out;out of question;strike that;scratch that;my bad;on second thought;on second thoughts;second guess;
    had it been;if it were;if it was;would be good;would have been;would have said;have said;could be;could have been;could well be;
    used to be;used to think;used to believe;used to say;once thought;second to;fails test;does fail;instead of"""
)
"""Anywhere in the text."""
HEDGES = _words(
    """perhaps maybe possibly might suppose supposing supposed assume assuming assumed imagine pretend lacks lacking avoid avoids avoiding
    resemble resembles resembling contrary candidate candidates choose pick choices options multiple multiples divisible suburb suburbs
    halfway likes similar compare compared subtract deduct add away remove"""
)
"""In the sentence, before the answer."""
SUPERSEDED = _words("now nowadays currently today actually instead replaced superseded unless")
"""In the sentence, after the answer."""
RETRACTIONS = _words("no not nope nah wrong wait actually sorry correction oops scratch rather instead or alternatively hmm edit")
"""At the start of a later sentence."""
CLAIMED_SO = _words("true right correct it so that this answer case accurate sure certain")
"""Words that a later sentence negates."""
CONTRASTS = _words("not rather unlike never without except")
"""They begin a clause that contrasts the answer with another: ``, not Rome``."""
IDIOMS = _phrases(
    """without doubt;no doubt;beyond doubt;without question;none other than;no other than;not only;not just;not merely;nothing but;
    no less than;whether or not"""
)
"""They look like denials but are not."""
ALL = _words("anything everything all everyone anyone nothing none")
"""Before a ``but`` that means except."""

TURNED = regex.compile(
    r"\b(?:(?:anything|everything|all|everyone|anyone|nothing) but|(?:far|apart|aside) from|other than|used to(?: be| have)?|formerly"
    r"|previously|ex|former|near|nearby|nearer|clos(?:e|er) to|next to|besides?|outside|beyond|opposite|almost|nearly|quasi|pseudo|anti|non"
    r"|(?:north|south|east|west|northeast|northwest|southeast|southwest|outside|short|left|right|ahead|shy|instead|half|opposite|inverse"
    r"|reverse|negation|reciprocal|square|cube|root) of|(?:km|kilometers|kilometres|miles|hours|minutes) (?:away )?from"
    r"|versus|vs|against|between(?: \S+){0,3} and|between|either|than|if|unless|whether|like|before|beats?|differ(?:s|ent)? from"
    r"|(?:dedicated|lost|loses|losing) to|(?:written|made|meant|named) (?:for|about|after)"
    r"|(?:rival|opponent|enemy|critic|student|pupil|teacher|assistant|colleague|friend|follower|disciple|fan|brother|sister|son|daughter"
    r"|father|mother|wife|husband|widow|nephew|niece|uncle|aunt|cousin|descendant|ancestor|predecessor|successor|imitator|biographer"
    r"|neighbou?r|third|quarter|fifth|tenth|moon|double)s? of)$"
)
"""Right before the answer."""
NUMBER_TURNED = regex.compile(
    r"\b(?:at least|at most|up to|over|under|above|below|before|after|plus|minus|times|twice|thrice|double|triple|half|negative|within"
    r"|exceeds?|exceeding|exceeded|beyond|past|point)$"
)
"""Right before a number."""
RANGE = regex.compile(r"\b(?:from|to|since|until|by)$")
"""Right before a number that is not a year: ``from 1901 to 1903`` states both, ``from 4 to 5`` neither."""
SCALES = _words(
    """hundred hundreds thousand thousands million millions billion billions trillion trillions quadrillion quintillion mil bn mn lakh lakhs
    crore crores myriad googol dozen dozens score gross pair pairs couple couples k m b x times plus minus squared cubed factorial fold
    half halves third thirds quarter quarters fourth fourths fifth tenth tenths hundredth hundredths thousandth thousandths point over
    divided multiplied mod modulo percent percentage less fewer more short to or 百 千 万 亿 倍 打 多 余 几 半 点"""
)
"""Right after a number."""
AMISS = _words("short less fewer many extra too ago below each")
"""Among the three words after a number."""
UNSPACED_BEFORE = regex.compile(r"(?:[不没非未无否别]|并非|除了?|曾经?|以前|原来|不可能).{0,3}$")
UNSPACED_AFTER = regex.compile(r"^.{0,3}(?:[不错否非]|除外|以外|之外|没有?)")
RIVAL = regex.compile(
    r"(?i:\b(?:it|answer)(?:['’]s|\s+(?:is|was|(?:must|should|would)\s+be)|:))\s+(?i:(?:the|in|at|on|actually|really|indeed)\s+){0,3}+"
    r"[\"“'*]{0,3}+(?=[\p{Lu}\p{Nd}])((?:[^.,;!?\n]|[.,](?=\p{Nd})){1,60}+)"
    r"|(?:^|[.,;:!?]\s+|\b(?i:and|but|so|yet)\s+)((?:\p{Lu}[\w'’-]{0,40}+\s+){1,4})"
    r"(?:(?:is|was)\s+(?:the|my)\s+(?:\w+\s+)?(?:answer|choice)\b|it\s+(?:is|was)\b)"
)
"""In raw text: another answer in the place of one, ``it is Rome``, ``Rome is the answer``."""
