"""Words around a number: do they leave it as it is?

Words that change a number (``twice``, ``short by``, ``is too small``) are an open class. So `keeps` accepts what it knows: a verb that
states a value, a unit behind the number, ``in total``. What it does not know leaves the number unread. `changes` names the words that
change a number wherever they stand.
"""

from __future__ import annotations

import re

from dunwu.verifiers.math_words import NUMBER_WORDS, PARTS

_ANYWHERE = """
not no never neither nor none cannot without except unless unlike instead rather isn't aren't wasn't weren't ain't don't doesn't didn't
can't won't couldn't shouldn't wouldn't wrong incorrect false mistaken mistake mistakes error errors erroneous impossible invalid untrue
lie typo trap nonsense bogus extraneous
doubt doubts doubtful maybe perhaps possibly might hardly unlikely probably likely presumably supposedly allegedly guess guesses guessing
guessed if suppose supposing supposed assume assuming assumed could seems seem claim claims claimed pretend hypothetically
deny denies denied reject rejects rejected disagree exclude excludes excluded excluding refute refuted contradicts unsure uncertain differs ignore ignores discard discarded forget skip scrap avoid beware fails fail failed unsuitable ruled save bar may thought
opposed anything but or versus vs than least most about approximately approx roughly around nearly almost circa nearer bound bounds bounded
exceeds exceed exceeded exclusive inclusive barring besides apart aside formerly
minus negative plus add added subtract subtracted times multiplied divided multiply divide double doubled twice thrice triple tripled
quadruple quadrupled halved squared cubed square root roots cube cubes factorial reciprocal inverse opposite negation negated inverted
complement conjugate sqrt pi log ln sin cos tan mod modulo reversed reverse repeating repeated recurring upside sign divisible choose
remainder too overdrawn debt deficit shortfall
dozen dozens hundred hundreds thousand thousands mil bn mn gross lakh lakhs crore crores googol googols googolplex myriad myriads
kilo mega giga ppm bps permille
"""
_BEFORE = "half less fewer short beyond exceeding any other"
_CLOSE_BEFORE = "between over under above below within first last next top near until till since past preceding following anti base once as like than"
_AFTER = (
    "over under half halves quarter quarters off out short shy th st nd rd tens zeros zeroes digits upwards upward onwards onward score couple"
    " grand ish fold something away mille basis"
)
_HEADS = """
total sum area volume length perimeter value answer result amount count price cost speed distance height width number average mean
probability rate profit loss maximum minimum weight age time solution score range median mode radius diameter circumference temperature
difference product quotient measure chance percentage interest balance quantity degree size slope
"""
_STATING = f"""
{_HEADS} is are was were be been being am has have had having equals equal gives give gave giving gets get got getting yields yield
makes make made making leaves leave left leaving becomes become became means mean needs need needed requires require takes take took
costs cost contains contain holds hold shows show weighs measures sells sell sold buys buy bought eats eat ate spends spend spent
pays pay paid earns earn earned saves save saved gave receives receive received uses use reads read ran runs walks walked drives drove
travels travelled traveled loses lose lost wins win won scores scored collects collected finds find found owes owe owed remain remains
produces planted picked baked drinks drank watches watched works worked plays played wrote does do did obtain obtains obtained conclude
answers solutions results
only just exactly precisely indeed also still now then therefore thus hence so again always simply clearly finally altogether
day year month week hour grade level row column side point option usd eur rmb keeps keep kept the
"""
_TO = frozenset("equal equals simplifies simplify reduces reduce evaluates comes come adds add sums sum amounts amount down out up leads converges".split())
_WITH_UNIT = frozenset("in after at for by with on from another each every his her its their our my your the a an additional extra".split())
_COPULAS = frozenset("is are was were be being been will would should must can has have had do does did may".split())
_PREDICATES = frozenset("the our my your his her their its correct right needed required possible left remaining sold what how all there".split())
_TRAILING = frozenset(
    """each left total altogether overall together more remaining per a an of at on during every because as exactly only now today still
    there here this that needed required possible times for respectively long tall old high wide deep away apart percent combined used sold""".split()
)
_IN = frozenset("total all each every the his her their its our my your a an one this that".split())
_CLOSED = frozenset(
    """to with from by into onto upon via through toward towards against along among and when where while which who whom whose that since
    until till before after past up down off out so then it they he she we i you me him them us some be am""".split()
)
_SUBJECTS = frozenset("it this that these those there the a an he she they we you".split())
_CHANGING = frozenset(_ANYWHERE.split())
_CHANGING_BEFORE = frozenset(_BEFORE.split())
_CHANGING_CLOSE_BEFORE = frozenset(_CLOSE_BEFORE.split())
_CHANGING_AFTER = frozenset(_AFTER.split()) | PARTS.keys()
_LEADS = frozenset(_STATING.split())
_LINKS = _CLOSED | _CHANGING_BEFORE | _CHANGING_CLOSE_BEFORE
_OF = re.compile(rf"\b(?!(?:{'|'.join(_HEADS.split())})\b)[a-z]+\s+of\s*\Z")
_PHRASES = re.compile(
    r"\bup\s+to\b|\b(?:square|cube)s?\s+of\b|\bof\s+which\b|\bused\s+to\b|\bat\s+first\b|\bdifferent\s+(?:from|to|than)\b|\bother\s+than\b"
    r"|\bin\s+the\s+red\b|[a-z]*(?:illi(?:on|ard)s?)\b"
)
_CHINESE_CHANGING = re.compile(
    "[或不非约近负错半打猜若欠]|至少|至多|以[上下外前后]|大于|小于|超过|次方|平方(?![米分厘千])|平方根|分之|的倒数|相反数|两倍|[一二三四五六七八九十百千]倍|可能|也许|大概|如果|假[设如]|除了|除外"
)
_CHINESE_SCALE = re.compile(r"\s*[多余几]?[十百千万亿](?![克米瓦])|.*半", re.DOTALL)
_CHINESE = re.compile("[\u4e00-\u9fff]")
_LONE_LETTER = re.compile(r"(?<![A-Za-z'])[B-HJ-Zb-hj-z](?![A-Za-z'])")
SUBJECT = re.compile(r"(?<![A-Za-z\\'])[A-Za-z](?=\s+(?:is|equals|must|should|will)\b)")
"""A letter that a sentence speaks of: ``the value of x is``."""
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|[\u4e00-\u9fff]+")

_EXCLUSIVE = (
    "north south east west northeast northwest southeast southwest",
    "left right",
    "up down",
    "upward upwards downward downwards",
    "above below",
    "over under",
    "inside outside",
    "inner outer",
    "top bottom",
    "front back",
    "increase decrease",
    "increases decreases",
    "increased decreased",
    "increasing decreasing",
    "rise fall",
    "rises falls",
    "rose fell",
    "profit loss",
    "gain loss",
    "gains losses",
    "gained lost",
    "won lost",
    "wins losses",
    "surplus deficit shortfall",
    "credit debit",
    "bought sold",
    "forward forwards backward backwards",
    "clockwise counterclockwise anticlockwise",
    "bc ad",
    "am pm",
    "more less fewer",
    "before after",
    "ahead behind",
    "ago later hence",
    "earlier later",
    "early late",
    "first last",
    "older younger",
    "taller shorter",
    "longer shorter",
    "heavier lighter",
    "faster slower",
    "higher lower",
    "larger smaller",
    "greater smaller",
    "bigger smaller",
    "hotter colder warmer cooler",
    "maximum minimum",
    "max min",
    "odd even",
    "true false",
    "yes no",
    "male female",
    "boys girls",
    "men women",
    "positive negative",
)
_GROUPS = tuple(frozenset(group.split()) for group in _EXCLUSIVE)


def keeps(before: str, after: str) -> bool:
    """Do the words around an expression leave it as it is: ``There are``, ``apples in all``? What is not known to does not."""
    if changes(before, after):
        return False
    first, then = _words(before), _words(after)
    return _leads(first, bool(then) and _is_unit(then[0])) and _trails(then)


def _words(text: str) -> list[str]:
    return _WORD.findall(_spelled(text))


def _leads(words: list[str], unit: bool) -> bool:
    """May a number follow? After a verb that states it; before a unit, after any other word that is no link (``She embroidered 5 flowers``)."""
    if not words or _CHINESE.match(words[-1]):
        return True
    last = words[-1]
    if words[0] in _COPULAS and words[1:] and words[1] in _SUBJECTS:
        return False  # a question
    if last == "to":
        return len(words) > 1 and words[-2] in _TO
    return last in _LEADS or last == "of" or (unit and (last in _WITH_UNIT or last not in _LINKS))


def _trails(words: list[str]) -> bool:
    """May this follow a number: nothing, a unit, ``in all``, ``is the answer``?"""
    if not words or _CHINESE.match(words[0]):
        return True
    first, rest = words[0], words[1:]
    if first in _COPULAS:
        place = next((place for place, word in enumerate(words) if word not in _COPULAS), len(words) - 1)
        return words[place] in _PREDICATES or (words[place] in ("a", "an") and bool({"solution", "root", "zero", "answer"} & set(words[place:])))
    if first == "in":
        return bool(rest) and rest[0] in _IN
    if first in _TRAILING:
        return True
    if first in ("less", "fewer"):
        return bool(rest) and rest[0] not in _LINKS
    return first not in _CLOSED and (bool(rest) or not first.endswith(("ed", "ing")))


def _is_unit(word: str) -> bool:
    return word not in _LINKS and word not in _COPULAS and word not in (_TRAILING - {"more", "percent", "remaining", "used"})


def changes(before: str, after: str) -> bool:
    """Do words before or after an expression make it another one (``twice``, ``reciprocal of``, ``is wrong``, ``squared``)?"""
    first, then = _spelled(before), _spelled(after)
    lead, tail = _words(first), _words(then)
    words = {*lead, *tail}
    if words & _CHANGING - _allowed(first, then) or any(word.endswith("n't") for word in words):
        return True
    if _CHANGING_BEFORE & set(lead) or _CHANGING_CLOSE_BEFORE & set(lead[-2:]) or (_CHANGING_AFTER & set(tail[:3]) and not re.search(r"\bover\s+(?:the|an?|his|her|their)\b", then)):
        return True
    if words & NUMBER_WORDS - PARTS.keys() - {"one"} or _OF.search(first) or _PHRASES.search(f"{first} {then}"):
        return True
    return bool(_CHINESE_CHANGING.search(first) or _CHINESE_CHANGING.search(then) or _CHINESE_SCALE.match(then))


def disturbs(before: str, after: str) -> bool:
    """More mathematics around an expression: digits, or a letter of its own."""
    if any(char.isdigit() for char in before + after):
        return True
    return any(_LONE_LETTER.search(SUBJECT.sub(" ", re.sub("‹[^›]*›", " ", text))) for text in (before, after))


def _allowed(before: str, after: str) -> set[str]:
    """Changing words that change nothing where they stand: ``square meters``, ``over the weekend``."""
    allowed = set()
    if re.search(r"\b(?:square|cubic)\s+[a-z]{2,}", after) or re.search(
        r"\bsquare\s+(?:has|is)\b|\broots?\s+(?:of\s+(?:the\s+)?[a-z]+\s+)?(?:is|are)\b|\bremainder\s+is\b", before
    ):
        allowed |= {"square", "root", "roots", "remainder"}
    if re.search(r"\b(?:times|roots)\s*\Z", after) and not before.strip().endswith("than"):
        allowed |= {"times", "root", "roots"}
    return allowed


def contradict(gold: str, found: str) -> bool:
    """Do the words around two numbers exclude each other (north and south, a.m. and p.m., profit and loss, ago and in 5 years)?"""
    expected, present = (_opposites(text) for text in (gold, found))
    return any((one := group & expected) and (other := group & present) and not one & other for group in _GROUPS)


def _opposites(text: str) -> set[str]:
    spelled = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", _spelled(text))
    return set(re.findall(r"[a-z]+", re.sub(r"\bin\s+(?=[0-9])", " hence ", spelled)))


def _spelled(text: str) -> str:
    return re.sub("[‹›]", " ", text.casefold().replace("’", "'"))
